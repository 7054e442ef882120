"""The facts of one dataset as plain numbers and words: what went in, what came out, what to doubt.

They are kept beside every version of the figures, so that an old result can be compared with a new
one after its stores are gone, and the pages are made from them.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.judge import findings
from vaescope.judge.findings import Finding
from vaescope.results import Results, layout
from vaescope.store import json_attribute
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

FILE = "facts.json"
LAYOUT = 1
"""Of the file; a reader that knows another one does not compare."""
_MOST_DIGESTS = 50  # of the files of a movie; the rest is one digest over all


def gather(results: Results, recipe: dict[str, Any], models: list[str]) -> dict[str, Any]:
    """The facts of a finished dataset, in types that JSON has.

    Parameters
    ----------
    results : of the dataset.
    recipe : the resolved recipe.
    models : names of the models.

    Returns
    -------
    ``layout``, ``dataset``, ``code_version``, ``packages``, ``recipe``, ``data`` (files and their
    SHA-256, reader, size, pixel), ``stores`` (which code made each), ``numbers`` (a list of
    ``about``, ``name`` and ``value``; lengths in pixels, angles in degrees, shares from 0 to 1) and
    ``findings``, the worst first.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    image, sites, patches, strain = results.image, results.sites, results.patches, results.strain
    latents = {name: results.latents(name) for name in models}
    histories = {name: results.history(name) for name in models}
    found = findings.of_sites(image, sites, patches)
    numbers = _numbers("sites", of_sites(sites, patches))
    if strain is not None:
        found += findings.of_strain(strain)
        for name, values in of_strain(strain).items():
            numbers += _numbers(f"strain: {name}", values)
    for name in models:
        own = [*findings.of_latents(latents[name]), *findings.of_history(name, histories[name])]
        found += own
        trained = int((recipe.get("ensemble") or {}).get("members", 1))
        numbers += _numbers(name, of_model(latents[name], histories[name], trained))
    found += findings.of_maps(latents)
    facts = {
        "layout": LAYOUT,
        "dataset": results.dataset,
        "code_version": store.code_version(),
        "packages": store.provenance(sites).get("packages") or {},
        "recipe": recipe,
        "data": of_data(image) | {"site_channel": sites.attrs.get("channel")},
        "stores": _stores(results, models),
        "numbers": numbers,
        "findings": [asdict(finding) for finding in findings.ordered(found)],
    }
    return json.loads(json.dumps(facts, default=str))


def read(folder: Path) -> dict[str, Any]:
    """The facts kept in a folder; empty if there are none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("layout") == LAYOUT else {}


def findings_of(facts: dict[str, Any]) -> list[Finding]:
    """The findings of kept facts."""
    return [Finding(**each) for each in facts.get("findings", [])]


def of_data(image: xr.Dataset) -> dict[str, Any]:
    """What the image was made from (``image.zarr``)."""
    attrs = image.attrs
    digests = [str(value) for value in attrs.get("source_sha256") or []]
    if len(digests) > _MOST_DIGESTS:
        digests = [*digests[:_MOST_DIGESTS], f"all {len(digests)}: {store.digest(digests)}"]
    return {
        "files": [str(name) for name in attrs.get("source_files") or []][:_MOST_DIGESTS],
        "sha256": digests,
        "reader": str(attrs.get("reader") or ""),
        "width_px": int(image.sizes["x"]),
        "height_px": int(image.sizes["y"]),
        "frames": int(image.sizes.get("time", 1)),
        "channels": [str(name) for name in np.atleast_1d(image["channel"].values)],
        "calibrated": bool(attrs.get("calibrated")),
        "pixel_size": float(attrs.get("pixel_size") or 1.0),
        "pixel_unit": str(attrs.get("pixel_unit") or "px"),
        "dose": float(attrs["dose"]) if attrs.get("dose") else None,
    }


def of_sites(sites: xr.Dataset, patches: xr.Dataset) -> dict[str, float]:
    """Numbers of detection, fits and patches, and their scores against truth."""
    numbers: dict[str, float] = {}
    if traits_of(sites.attrs).placed:
        numbers["sites_found"] = int(sites.sizes["site"])
    if "track" in sites:
        numbers["atoms_followed"] = int(sites.attrs.get("tracks", 0))
    numbers["patches"] = int(patches.sizes["site"])
    numbers["patch_samples"] = int(patches.sizes["px"])
    if "y_error" in sites:
        error = np.hypot(sites["y_error"].values, sites["x_error"].values) / math.sqrt(2)
        numbers |= {
            "spacing_px": float(sites.attrs.get("spacing", math.nan)),
            "patch_size_px": float(patches.attrs.get("size", math.nan)),
            "fit_quality_median": median(sites["fit_quality"].values),
            "coordinate_error_px": median(error),
        }
    scores = json_attribute(sites, "truth_scores", {})
    return numbers | {name: v for name, v in scores.items() if name != "n_found"}


def of_strain(strain: xr.Dataset) -> dict[str, dict[str, float]]:
    """Numbers of each method of strain, and its scores against truth."""
    scored = json_attribute(strain, "scores", {})
    found = {}
    for k, name in enumerate(str(method) for method in strain["method"].values):
        own = strain.isel(method=k)
        found[name] = {
            "strain_known_share": float(np.isfinite(own["rotation"].values).mean()),
            "strain_error_median": median(own["strain_error"].values),
            "rotation_error_median_deg": math.degrees(median(own["rotation_error"].values)),
            **scored.get(name, {}),
        }
    return found


def of_model(latents: xr.Dataset, history: Any, trained: int) -> dict[str, float]:
    """Numbers of one model: members, training, scores, spreads.

    history : the table of ``history.csv``. trained : members that the recipe asks for.
    """
    attrs = latents.attrs
    kept = attrs.get("members_kept")
    numbers: dict[str, float] = {
        "members_kept": int(latents.sizes.get("member", 1)) if kept is None else len(kept),
        "members_trained": max(trained, int(latents.sizes.get("member", 1))),
        "latents": int(latents.sizes.get("latent", 0)),
    }
    if "consensus_class" in latents and "class" in latents.sizes:
        numbers["classes_used"] = len(set(latents["consensus_class"].values.tolist()) - {-1})
    for name in ("step", "epoch"):
        if name in history and len(history):
            numbers[f"training_{name}s"] = float(np.nanmax(history[name].to_numpy(float)))
    scores = json_attribute(latents, "scores", {})
    numbers |= {name: v for name, v in scores.items() if name not in {"n_sites", "members_kept"}}
    if "consensus_angle" in latents:
        numbers["angle_period_deg"] = 360 / max(int(attrs.get("symmetry", 1)), 1)
    if "angle_spread" in latents:
        numbers["angle_spread_median_deg"] = math.degrees(median(latents["angle_spread"].values))
    if "content_spread" in latents:
        numbers["latent_spread_median"] = median(latents["content_spread"].values)
    if "class_entropy" in latents:
        # Rounding, not doubt, is what lies below a millionth.
        numbers["class_entropy_median"] = round(median(latents["class_entropy"].values), 6)
    return numbers


def median(values: np.ndarray) -> float:
    """Median of what is finite; NaN where nothing is."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if finite.size else math.nan


def _numbers(about: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Finite numbers in a list; JSON has no others."""
    return [
        {"about": about, "name": name, "value": value}
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    ]


def _stores(results: Results, models: list[str]) -> dict[str, str]:
    """Which code made each store."""
    names = [layout.IMAGE, layout.SITES, layout.PATCHES]
    names += [layout.LATENTS.format(model=name) for name in models]
    if results.has(layout.STRAIN):
        names.append(layout.STRAIN)
    made = {name: store.provenance(results.path(name)) for name in names}
    return {name: str(facts.get("code_version", "")) for name, facts in made.items()}
