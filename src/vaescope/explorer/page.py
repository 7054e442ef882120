"""Assemble the explorer of a page from the stores of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import xarray as xr

from vaescope.explorer import curves, pictures, plots, search, sites
from vaescope.explorer.backdrop import Backdrop, backdrop
from vaescope.explorer.column import Column, narrow
from vaescope.explorer.model_columns import ModelColumns
from vaescope.explorer.pack import Blocks, digest, script_json, script_source
from vaescope.figures.scene import Scene, load
from vaescope.figures.settings import Look
from vaescope.figures.style import MISSING
from vaescope.results import Results
from vaescope.text import plain

SCRIPTS = (
    "data.js",
    "colour.js",
    "plots.js",
    "marks.js",
    "selection.js",
    "small.js",
    "curves.js",
    "window.js",
    "pair.js",
    "inspector.js",
    "time.js",
    "search.js",
    "controls.js",
    "main.js",
)
EXACT = 6_000_000  # bytes of members' numbers that are kept to seven digits
ROUNDED = 16_000_000  # bytes of members' numbers, rounded, beyond which some are left out
ROOM = 22_000_000  # letters
_LEAST = 1_000_000  # bytes of small pictures that there is always room for
_STEPS = 65_534  # into which the range of a rounded number is divided; the last code: no number
_COLOURS = 256


@dataclass
class ExplorerPage:
    """Parts of a page, safe to stand in it unescaped where they are called scripts.

    ``facts`` is JSON for a script element; ``blocks`` and ``frames`` hold letters of base64 and
    addresses of data; ``policy`` has the digests of ``library`` and ``code``.
    """

    facts: str
    blocks: list[str]
    frames: list[str]
    library: str
    code: str
    style: str
    policy: str
    notes: list[str]
    sites: int
    sheet: bool  # pictures of a stack stand in place of an image
    curves: bool  # sites have spectra
    patches: bool  # sites have patches
    gaps: bool  # the image is hatched where nothing was measured
    search: bool  # there is a slider over the steps of a search

    @property
    def bytes(self) -> int:
        """Count the characters that the explorer adds to the page."""
        parts = (self.facts, self.library, self.code, self.style, *self.blocks, *self.frames)
        return sum(map(len, parts))


def build(results: Results, models: list[str], look: Look, room: int = ROOM) -> ExplorerPage:
    """Assemble the explorer of one dataset from its stores; what they lack is left out.

    ``room`` is how many letters it may add to the page: patches are left out for it, numbers are
    not.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    scene = load(results, models, look, version="")
    blocks = Blocks()
    count = scene.sites.sizes["site"]
    rows = _rows(scene.sites["site"].values, scene.patches["site"].values)
    # Reconstructions are read once more, lazily: the scene holds everything else of a model.
    latents = {name: results.latents(name) for name in models}
    kinds = _small(scene, latents)
    behind = backdrop(scene, kinds[0] if kinds else None, rows)
    notes = list(behind.notes)
    columns = sites.columns(scene, rows)
    numbers = scene.sites["site"].values
    held = [ModelColumns(scene, v, _rows(numbers, v.latents["site"].values)) for v in scene.views]
    of_models = [model.columns() for model in held]
    sought = search.pack(scene, blocks)
    facts: dict[str, Any] = {
        "dataset": results.dataset,
        "sites": count,
        "frame": blocks.add([narrow(scene.sites["frame"].values)])[0],
        "place": blocks.add([behind.x, behind.y]),
        "backdrop": behind.facts(),
        "columns": _packed(columns, blocks),
        "palettes": _palettes(
            [*columns, *(c for one in of_models for c in one)],
            _more_palettes(scene, sought),
        ),
        "search": sought,
        "missing": MISSING,
        "spacing": _spacing(scene, behind),
        "grid": scene.traits.placed and scene.traits.regular,
        "plots": plots.plot_items(),
    }
    way = _Members.of(of_models, count)
    if way.note:
        notes.append(way.note)
    facts["models"] = [
        {
            "name": plain(model.name, 64),
            "label": model.view.label,
            "members": model.members if way.keeps_any and model.retained.size else [],
            "columns": _packed(own, blocks),
            "of_members": way.pack(own, blocks),
            "planes": curves.beside_planes(
                model.view, pictures.pack_planes(model.view, scene, blocks), blocks
            ),
            "drawn_by": model.view.latents.attrs.get("reference_member"),
            "turned": model.view.has("consensus_angle"),
        }
        for model, own in zip(held, of_models, strict=True)
    ]
    spectra = curves.pack(scene, curves.kinds(scene, latents), rows, blocks)
    if spectra is not None:
        if len(spectra["sites"]) < len(rows):
            notes.append(
                f"spectra of {len(spectra['sites'])} of {len(rows)} sites, at even intervals, are"
                " on this page, to keep it small"
            )
        if spectra["averaged"] > 1:
            notes.append(
                f"{spectra['averaged']} neighbouring channels of a spectrum are averaged into one,"
                " to keep this page small"
            )
        spectra["sites"] = blocks.add([narrow(spectra["sites"])])[0]
    facts["curves"] = spectra
    code, library = script_source(_code()), script_source(plots.library())
    style = _read("explorer.css")
    taken = (script_json(facts), code, library, style, *behind.pictures)
    left = (room - blocks.bytes - sum(map(len, taken))) * 3 // 4  # in base64, 3 bytes are 4 letters
    facts["small"] = _pack_small(kinds, rows, blocks, max(left, _LEAST))
    shown = len(facts["small"]["rows"]) if facts["small"] else 0
    if 0 < shown < len(rows):
        notes.append(
            f"patches and reconstructions of {shown} of {len(rows)} sites, at even intervals, are"
            " on this page, to keep it small"
        )
    if facts["small"]:
        facts["small"]["rows"] = blocks.add([narrow(facts["small"]["rows"])])[0]
    return ExplorerPage(
        script_json(facts),
        blocks.texts,
        behind.pictures,
        library,
        code,
        style,
        f"{digest(library)} {digest(code)}",
        notes,
        count,
        behind.sheet,
        spectra is not None,
        "patch" in scene.patches,
        behind.gaps,
        sought is not None,
    )


def _more_palettes(scene: Scene, sought: dict[str, Any] | None) -> tuple[str, ...]:
    """Colour maps that no column of the sites may need: of windows of spectra, of a search."""
    of_spectra = (scene.look.colormap, scene.look.diverging) if "spectrum" in scene.patches else ()
    return of_spectra + (tuple(sought["cmaps"].values()) if sought else ())


def _rows(all_sites: np.ndarray, some: np.ndarray) -> np.ndarray:
    """Find the rows of some sites in the table of sites."""
    order = np.argsort(all_sites, kind="stable")
    return order[np.searchsorted(all_sites, some, sorter=order)]


def _small(scene: Scene, stores: dict[str, xr.Dataset]) -> list[pictures.Small]:
    """The patches, and their reconstruction by each model; pictures alone, no curves."""
    if "patch" not in scene.patches.variables or scene.patches["patch"].ndim != 4:
        return []
    if not scene.patches.sizes["site"]:
        return []
    found = [pictures.small("patch", scene.patches["patch"])]
    for name, latents in stores.items():
        held = latents.get("reconstruction")
        same = held is not None and held.sizes.get("site") == scene.patches.sizes["site"]
        if held is not None and same and held.ndim == 4 and held.shape[2] > 1:
            found.append(pictures.small(f"{name}/reconstruction", held, found[0]))
        said = latents.get("predicted_patch")
        if said is not None and "reconstruction" in latents and said.ndim == 4 and _apart(latents):
            found.append(pictures.small(f"{name}/predicted_patch", said, found[0]))
    return found


def _apart(latents: xr.Dataset) -> bool:
    """Whether predicted patches are others than the reconstructions, as in models of both views."""
    return "predicted_spectrum" in latents


def _pack_small(
    kinds: list[pictures.Small], rows: np.ndarray, blocks: Blocks, room: int
) -> dict[str, Any] | None:
    if not kinds:
        return None
    packed = pictures.pack_sites(kinds, len(rows), blocks, room)
    packed["rows"] = rows[packed["rows"]]
    return packed


def _spacing(scene: Scene, behind: Backdrop) -> float:
    """Distance between neighbouring sites in the unit of the image's axes, for sizes of marks."""
    if behind.sheet:
        return 1.0
    return scene.spacing * behind.width / max(scene.shape[1], 1)


def _packed(columns: list[Column], blocks: Blocks) -> list[dict[str, Any]]:
    """Judgement of some columns, their numbers in one block."""
    places = blocks.add([narrow(column.values) for column in columns])
    return [
        column.facts() | {"place": place} for column, place in zip(columns, places, strict=True)
    ]


def _palettes(columns: list[Column], more: tuple[str, ...]) -> dict[str, list[int]]:
    """Colours 0xRRGGBB of every colour map in use, and of some ``more``."""
    import matplotlib

    found = {}
    for name in sorted({column.cmap for column in columns} | set(more)):
        shades = matplotlib.colormaps[name](np.linspace(0, 1, _COLOURS))[:, :3]
        red, green, blue = (shades * 255).round().astype(int).T
        found[name] = (red << 16 | green << 8 | blue).tolist()
    return found


@dataclass
class _Members:
    """Storage of the numbers of single members: exact, rounded, or in part."""

    exact: bool
    parts: tuple[str, ...]  # beginnings of the names that are kept; empty: all
    keeps_any: bool
    note: str

    @classmethod
    def of(cls, of_models: list[list[Column]], sites: int) -> _Members:
        numbers = sites * sum(len(column.members) for own in of_models for column in own)
        if 4 * numbers <= EXACT:
            return cls(True, (), True, "")
        note = "numbers of single members are rounded to a 65 000th of their range"
        if 2 * numbers <= ROUNDED:
            return cls(False, (), True, note)
        few = ("latent_", "angle", "class")
        chosen = [c for own in of_models for c in own if _begins(c, few)]
        if 2 * sites * sum(len(column.members) for column in chosen) <= 2 * ROUNDED:
            note += "; of members there are only latents, angle and class"
            return cls(False, few, True, note)
        return cls(False, few, False, "single members are left out: there are too many sites")

    def pack(self, columns: list[Column], blocks: Blocks) -> list[list[dict[str, Any]]]:
        """For each member the places of its numbers by key of column, one block for each."""
        count = max((len(column.members) for column in columns), default=0)
        if not self.keeps_any:
            return []
        kept = [c for c in columns if c.members and (not self.parts or _begins(c, self.parts))]
        found = []
        for k in range(count):
            coded = [self._coded(column.members[k]) for column in kept]
            places = blocks.add([values for values, _, _ in coded])
            found.append(
                [
                    {"key": column.key, "place": place, "low": low, "step": step}
                    for column, place, (_, low, step) in zip(kept, places, coded, strict=True)
                ]
            )
        return found

    def _coded(self, values: np.ndarray) -> tuple[np.ndarray, float, float]:
        """Values, or codes of them with the value of code 0 and the step from code to code."""
        if self.exact or values.dtype.kind in "iub":
            return narrow(values), 0.0, 0.0
        known = np.isfinite(values)
        low = float(values[known].min()) if known.any() else 0.0
        reach = float(values[known].max()) - low if known.any() else 0.0
        step = reach / (_STEPS - 1) or 1.0
        codes = np.full(values.shape, _STEPS + 1, np.uint16)
        codes[known] = ((values[known] - low) / step).round().astype(np.uint16)
        return codes, low, step


def _begins(column: Column, parts: tuple[str, ...]) -> bool:
    name = column.member_header
    return any(name.startswith(part) for part in parts) and not any(
        word in name for word in ("_sd", "probability")
    )


@cache
def _code() -> str:
    """All code of the browser as one function, whose names are nobody else's."""
    parts = "\n".join(_read(name) for name in SCRIPTS)
    return f'(function () {{\n"use strict";\n{parts}\n}})();\n'


@cache
def _read(name: str) -> str:
    return (resources.files("vaescope.explorer") / "browser" / name).read_text("utf-8")
