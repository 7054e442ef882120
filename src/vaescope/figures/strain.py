"""Strain and rotation of the lattice: every method's maps, their errors, and the truth."""

from __future__ import annotations

import json

import numpy as np

from vaescope import quantities
from vaescope.figures import grains
from vaescope.figures.colours import Coloured
from vaescope.figures.panels import (
    BAR,
    RASTER_FROM,
    bare,
    colour_bar,
    enlarge_marks,
    polygons,
    scale_bar,
)
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.quantities import STRAIN, Quantity, robust_limits
from vaescope.text import plain

_GAP, _SIDE, _ROW = 0.1, 0.78, 0.5  # inches between panels, for a colour bar, above a row
_CLASSICAL = ("neighbours", "GPA")
_COMPONENTS = ("xx", "yy", "xy")
_OUTERMOST = 4.0  # per cent of the values beyond the colours


def maps(scene: Scene) -> FinishedFigure | None:
    """Strain and rotation by every method, in common colours."""
    if scene.strain is None:
        return None
    methods = _different(scene)
    strain = 100 * _values(scene, "strain")[methods]
    turn = np.rad2deg(_values(scene, "rotation")[methods])
    look = scene.look.diverging
    # Of the first row: what another method says of its failures must not pale all the rest, nor
    # must an interface or a distorted edge of the scan.
    most, far = (robust_limits(np.abs(v[0]), _OUTERMOST)[1] or 1.0 for v in (strain, turn))
    shared = Coloured("strain (%)", strain[0].ravel(), look, -most, most)
    turned = Coloured("rotation (°)", turn[0].ravel(), look, -far, far)
    title = "Strain and rotation of the lattice"
    title += ", grain by grain" if grains.count(scene) > 1 else ""
    names = [str(scene.strain["method"].values[k]) for k in methods]
    sheet = _sheet(scene, title, names, strain, turn, shared, turned)
    sizes = [int(scene.strain["reference"].values.sum()), scene.strain.sizes["site"]]
    caption = (
        grains.sentences(scene)
        + "The lattice at every site relative to an unstrained one, which is the median of the"
        f" reference region: the densest cluster of strains{_each(scene)}, {sizes[0]} of {sizes[1]}"
        " sites, the same for every method. xx along the rows of the image, yy down its columns; a"
        " positive xy stretches the diagonal from the upper left to the lower right; rotations"
        " count counter-clockwise. "
        + _methods_in_words(scene)
        + f" Grey: not known. Colours are those of the first row, up to its outermost"
        f" {_OUTERMOST:g} % of sites." + _failures(scene)
    )
    left = [str(name) for name in scene.strain["method"].values if str(name) not in names]
    if left:
        caption += (
            f" Not drawn, since equal within the errors to {_name(scene, names[-1])}: "
            + ", ".join(_name(scene, name) for name in left)
            + "."
        )
    _keep(sheet, _drawn(scene))
    return sheet.drawn("strain-maps", caption)


def _each(scene: Scene) -> str:
    return " of each grain" if grains.count(scene) > 1 else ""


def _different(scene: Scene) -> list[int]:
    """Methods (as numbers) whose maps differ from those of the models before them by more than the
    errors, for the most part."""
    assert scene.strain is not None
    strain, error = _values(scene, "strain"), _values(scene, "strain_error")
    chosen: list[int] = []
    for k, name in enumerate(str(method) for method in scene.strain["method"].values):
        others = [j for j in chosen if scene.strain["method"].values[j] not in _CLASSICAL]
        same = False
        for j in others if name not in _CLASSICAL else []:
            apart = np.abs(strain[k] - strain[j]) / np.hypot(error[k], error[j])
            known = np.isfinite(apart)
            same |= bool(known.any() and np.quantile(apart[known], 0.9) < 1)
        if not same:
            chosen.append(k)
    return chosen


def _failures(scene: Scene) -> str:
    """Which methods are left out of which grains."""
    assert scene.strain is not None
    failed = json.loads(str(scene.strain.attrs.get("failed") or "[]"))
    said = ""
    for number, names in enumerate(failed, start=1):
        for name in names:
            where = f" in grain {number}" if len(failed) > 1 else ""
            said += (
                f" {_name(scene, name).capitalize()} failed{where}, far from the neighbours'"
                " vectors, and are left out there."
            )
    return said


def errors(scene: Scene) -> FinishedFigure | None:
    """Draw the standard errors of strain and rotation."""
    if scene.strain is None:
        return None
    strain = 100 * _values(scene, "strain_error")
    turn = np.rad2deg(_values(scene, "rotation_error"))
    most, far = (robust_limits(values, 5.0)[1] * 1.15 or 1.0 for values in (strain, turn))
    shared = Coloured("%", strain.ravel(), scene.look.spread, 0.0, most)
    turned = Coloured("°", turn.ravel(), scene.look.spread, 0.0, far)
    names = [str(name) for name in scene.strain["method"].values]
    title = "Standard errors of strain and rotation"
    sheet = _sheet(scene, title, names, strain, turn, shared, turned)
    widened = float(np.max(scene.strain.attrs["position_errors_widened"]))
    rows = float(np.max(scene.strain.attrs["scan_noise"]))
    medians = ", ".join(
        f"{_name(scene, method)} {np.nanmedian(strain[k]):.2g} %"
        for k, method in enumerate(scene.strain["method"].values)
    )
    caption = (
        f"Median standard errors of a strain: {medians}. Those of the neighbours' vectors come from"
        " the position errors"
        + (f", which had to grow by {widened:.2g} to agree with the fits" if widened > 1.02 else "")
        + (f"; {rows:.2g} px are shared by sites at one height (scan noise)" if rows > 0.01 else "")
        + ", and from what changes within the resolution. Those of geometric phases come from the"
        " floor of the spectrum, those of a model from"
        " its posterior and the spread of its members."
    )
    _keep(sheet, [q.error for q in _drawn(scene) if q.error is not None])
    return sheet.drawn("strain-errors", caption)


def _drawn(scene: Scene) -> list[Quantity]:
    """Strain and rotation of the drawn frame, by every method."""
    assert scene.strain is not None
    return [q for q in quantities.of(scene.strain, scene.on_frame) if q.group == STRAIN]


def _keep(sheet: Sheet, drawn: list[Quantity]) -> None:
    """The values drawn, for their table."""
    for quantity in drawn:
        sheet.figure_data.of_scene(sheet.scene, quantity.column, quantity.values)
    sheet.figure_data.store("strain.zarr", *dict.fromkeys(quantity.name for quantity in drawn))


def truth(scene: Scene) -> FinishedFigure | None:
    """Found against true strain, and errors over stated errors, for every method."""
    if scene.strain is None or "truth_strain_from_reference" not in scene.strain:
        return None
    from vaescope.strain.truth import pulls

    methods = [str(name) for name in scene.strain["method"].values]
    wide = min((WIDTH - 2 * MARGIN) / len(methods), 3.4)
    sheet = Sheet(
        scene,
        "Strain against the truth",
        1.8 * wide + 0.35,
        width=max(2 * MARGIN + len(methods) * wide, 7.2),
        sites=int(pulls(scene.strain, methods[0])[2].sum()),
        notes=("sites that all methods measure",),
    )
    found = [pulls(scene.strain, name) for name in methods]
    true = 100 * scene.strain["truth_strain_from_reference"].values
    everything = np.concatenate([(true + 100 * off[:, :3])[known] for off, _, known in found])
    low, high = robust_limits(np.concatenate([everything, true[found[0][2]]]), 0.3)
    pad = 0.06 * (high - low)
    said = []
    for k, (name, (off, error, known)) in enumerate(zip(methods, found, strict=True)):
        left, inner = MARGIN + k * wide + 0.5, wide - 0.75
        axes = sheet.axes(left, 0.3, inner, inner)
        for part, component in enumerate(_COMPONENTS):
            axes.scatter(
                true[known, part],
                true[known, part] + 100 * off[known, part],
                s=float(np.clip(3000 / max(known.sum(), 1), 1, 9)),
                color=CATEGORIES[part],
                alpha=0.6,
                linewidths=0,
                label=component,
                rasterized=int(known.sum()) > RASTER_FROM // 3,
            )
        axes.plot([low - pad, high + pad], [low - pad, high + pad], color=INK, lw=0.8, ls="--")
        axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
        axes.set(xlabel="true strain (%)", ylabel="found (%)" if k == 0 else "")
        axes.set_title(_name(scene, name))
        if k == 0:
            enlarge_marks(axes.legend(loc="upper left", handletextpad=0.0, borderpad=0.2))
        rmse = 100 * float(np.sqrt((off[known, :3] ** 2).mean()))
        inside = float((np.abs(off[known, :3]) < error[known, :3]).mean())
        _pulls(sheet, (off / error)[known], left, wide + 0.42, inner, k == 0, inside)
        said.append(f"{_name(scene, name)} {rmse:.2g} %, {100 * inside:.0f} %")
    caption = (
        "Above, the strain found at every site against the simulation's; below, errors in units of"
        " the stated standard error, with the normal distribution that they should follow. Root"
        " mean square error, and share of errors below the stated one (68 % wanted): "
        + "; ".join(said)
        + "."
    )
    for name, (off, error, known) in zip(methods, found, strict=True):
        own = {"method": name, "site": scene.strain["site"].values[known]}
        for part, component in enumerate(_COMPONENTS):
            own[f"truth_strain_from_reference_{component}_percent"] = true[known, part]
            own[f"found_strain_{component}_percent"] = true[known, part] + 100 * off[known, part]
            own[f"found_strain_{component}_error_percent"] = 100 * error[known, part]
        sheet.figure_data.rows(own)
    sheet.figure_data.store("strain.zarr", "strain", "strain_error", "truth_strain_from_reference")
    return sheet.drawn("strain-truth", caption)


def _pulls(
    sheet: Sheet, pull: np.ndarray, x: float, y: float, side: float, first: bool, inside: float
) -> None:
    axes = sheet.axes(x, y, side, side * 0.8)
    bins = np.linspace(-5, 5, 41)
    for part, component in enumerate((*_COMPONENTS, "rotation")):
        axes.hist(
            np.clip(pull[:, part], -5, 5),
            bins.tolist(),
            density=True,
            histtype="step",
            color=(*CATEGORIES[:3], FAINT)[part],
            label=component,
        )
    at = np.linspace(-5, 5, 200)
    axes.plot(at, np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi), color=INK, lw=0.8, ls="--")
    axes.set(xlabel="error ÷ stated error", ylabel="density" if first else "")
    axes.set_title(f"{100 * inside:.0f} % within ± 1")


def _sheet(
    scene: Scene,
    title: str,
    methods: list[str],
    strain: np.ndarray,
    turn: np.ndarray,
    shared: Coloured,
    turned: Coloured,
) -> Sheet:
    """One row for each method: xx, yy, xy with one colour bar, rotation with its own."""
    aspect = scene.shape[0] / scene.shape[1]
    wide = (WIDTH - 2 * MARGIN - 2 * _SIDE - 2 * _GAP) / 4
    if wide * aspect > 3.2:
        wide = 3.2 / aspect
    high = wide * aspect
    row = _ROW + high
    sheet = Sheet(
        scene,
        title,
        len(methods) * row + BAR + 0.1,
        width=max(2 * MARGIN + 4 * wide + 2 * _SIDE + 2 * _GAP, 6.4),
        sites=len(scene.on_frame),
        notes=(grains.note(scene), scene.frame_words),
    )
    for k, name in enumerate(methods):
        y = _ROW + k * row
        sheet.text(MARGIN, y - 0.27, _name(scene, name), size=9.5, weight="bold")
        x = MARGIN
        for part in range(4):
            quantity = turned if part == 3 else shared
            values = turn[k] if part == 3 else strain[k][:, part]
            drawn = Coloured(quantity.label, values, quantity.cmap, quantity.low, quantity.high)
            axes = sheet.axes(x, y, wide, high)
            label = "rotation (°)" if part == 3 else f"strain {_COMPONENTS[part]} (%)"
            axes.set_title(label, size=8.5, pad=3)
            bare(axes, scene)
            marks = polygons(axes, scene.cells, drawn)
            grains.draw_borders(axes, scene, numbered=part == 0 and k == 0)
            if part == 0 and k == len(methods) - 1:
                scale_bar(axes, scene, wide)
            x += wide + _GAP
            if part >= 2:
                colour_bar(sheet, marks, quantity, x - _GAP + 0.08, y, high)
                x += _SIDE - _GAP
    return sheet


def _values(scene: Scene, name: str) -> np.ndarray:
    """A variable of the strain on the drawn frame, (method, site, …)."""
    assert scene.strain is not None
    return np.asarray(scene.strain[name].isel(site=scene.on_frame).values, float)


def _name(scene: Scene, method: str) -> str:
    named = {"neighbours": "neighbours' vectors", "GPA": "geometric phases"}
    return named.get(method, f"poses of {plain(method, 20)}")


def _methods_in_words(scene: Scene) -> str:
    assert scene.strain is not None
    size = float(scene.strain.attrs["resolution"])
    words = (
        "Neighbours' vectors: least squares on the lattice vectors around a site, smoothed as by a"
        f" Gaussian of {size:.3g} px."
    )
    methods = [str(name) for name in scene.strain["method"].values]
    if "GPA" in methods:
        words += " Geometric phases: a Gaussian of the same size."
    if set(methods) - {"neighbours", "GPA"}:
        words += (
            " Poses of a model: the zero of each kind of content is taken from the neighbours'"
            " vectors, what varies within a kind is the model's own."
        )
    return words
