"""What is known of every site before any model, as columns: position, fit, truth, strain."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from vaescope.explorer import column
from vaescope.explorer.column import LONGEST, Column
from vaescope.figures.quantities import length_scale
from vaescope.figures.scene import Scene
from vaescope.text import plain

SITE, TRUTH, STRAIN = "Site", "Truth", "Strain of the lattice"

# In the order in which they are offered: name in the store -> words.
_WORDS = {
    "fit_quality": "quality of the fit",
    "amplitude": "amplitude",
    "width": "width",
    "background": "background",
    "score": "score of the detector",
    "score_spread": "spread of the score",
    "species": "species",
    "species_probability": "probability of the species",
    "near_edge": "too near the edge for a patch",
    "track": "track",
    "track_length": "length of the track",
}
_PLACE = ("frame", "y", "x", "y_error", "x_error", "y_physical", "x_physical")
_SPREADS = ("score_spread",)
_KNOWN_ANGLES = ("angle", "rotation")


def place_columns(scene: Scene) -> list[Column]:
    """Number, frame and position of every site, with errors where sites were fitted."""
    sites, found = scene.sites, []
    count = sites.sizes["site"]
    found.append(column.number("site", "site", SITE, sites["site"].values))
    if "frame" in sites:
        found.append(column.number("frame", "frame (from 0)", SITE, sites["frame"].values))
    for name in ("y", "x"):
        if name not in sites:
            continue
        error = f"{name}_error" if f"{name}_error" in sites else ""
        words = {"y": "y (down)", "x": "x (right)"}[name]
        found.append(column.number(name, words, SITE, sites[name].values, unit="px", error=error))
        if error:
            found.append(
                column.spread(
                    error,
                    f"standard error of {name}",
                    SITE,
                    sites[error].values,
                    unit="px",
                    cmap=scene.look.spread,
                )
            )
        physical = f"{name}_physical"
        if physical in sites and sites[physical].shape == (count,):
            unit = plain(sites[physical].attrs.get("units") or scene.unit, 12)
            made = column.number(
                physical, f"{name} in {unit}", SITE, sites[physical].values, unit=unit
            )
            found.append(made)
    return found


def site_columns(scene: Scene) -> list[Column]:
    """Everything else that the table of sites says: how well each was found, and the truth."""
    found = []
    names = [str(name) for name in scene.sites.variables]
    # Stores list their arrays in no fixed order.
    rest = sorted(n for n in names if n not in _WORDS and n not in _PLACE and n != "site")
    for name in [*(n for n in _WORDS if n in names), *rest]:
        values = scene.sites[name]
        if values.dims == ("site",):
            found.append(_one(scene, scene.sites, name, values.values))
    return found


def patch_truth(scene: Scene, rows: np.ndarray) -> list[Column]:
    """What is known of every patch and not in the table of sites: truth of stacks of pictures.

    ``rows`` (patch,): which site each patch belongs to.
    """
    found = []
    for name in sorted(map(str, scene.patches.variables)):
        values = scene.patches[name]
        if name.startswith("truth_") and name not in scene.sites and values.dims == ("site",):
            count = scene.sites.sizes["site"]
            if values.dtype.kind in "iufb":
                known = column.aligned(values.values, rows, count)
                made = _one(scene, scene.patches, name, known)
                found.append(made)
    return found


def _one(scene: Scene, where: xr.Dataset, name: str, values: np.ndarray) -> Column:
    attrs = where[name].attrs
    true = name.startswith("truth_")
    bare = name.removeprefix("truth_")
    words = plain(bare.replace("_", " "), LONGEST)
    label = f"true {words}" if true else _WORDS.get(name, words)
    unit = "" if str(attrs.get("units") or "1") == "1" else plain(attrs["units"], 12)
    group = TRUTH if true else SITE
    if unit == "rad" and bare in _KNOWN_ANGLES:
        fold = max(1, int(scene.attrs.get("truth_symmetry") or 1)) if true else 1
        return column.angle(name, label, group, values, scene, 360.0 / fold)
    more: dict[str, Any] = {"unit": unit}
    if unit == "rad":
        more |= {"unit": "°", "factor": float(np.degrees(1))}
    if bare.startswith("strain"):
        more |= {"unit": "%", "factor": 100.0}
        return column.signed(name, label, group, values, cmap=scene.look.diverging, **more)
    if name in _SPREADS:
        return column.spread(name, label, group, values, cmap=scene.look.spread, **more)
    names = scene.attrs.get(f"truth_{bare}_names") or where.attrs.get(f"{name}_names")
    if bare == "label" and names is None:
        names = scene.attrs.get("truth_classes")
    if name in ("track", "track_length"):
        return column.number(name, label, group, values, cmap=scene.look.colormap, **more)
    given = [str(item) for item in np.atleast_1d(names)] if names is not None else None
    return column.guessed(name, label, group, values, scene, given, **more)


def strain_columns(scene: Scene) -> list[Column]:
    """Strain and rotation of the lattice by every method, with their standard errors."""
    strain = scene.strain
    if strain is None:
        return []
    found, look = [], scene.look
    for k, method in enumerate(str(name) for name in strain["method"].values):
        own = strain.isel(method=k)
        for c, component in enumerate(str(name) for name in strain["component"].values):
            key, error = f"{method}_strain_{component}", f"{method}_strain_error_{component}"
            found += [
                column.signed(
                    key,
                    f"strain {component}, {plain(method, LONGEST)}",
                    STRAIN,
                    own["strain"].values[:, c],
                    unit="%",
                    factor=100.0,
                    cmap=look.diverging,
                    error=error,
                ),
                _error(error, key, own["strain_error"].values[:, c], "%", 100.0, look.spread),
            ]
        key, error = f"{method}_rotation", f"{method}_rotation_error"
        degrees = float(np.degrees(1))
        found += [
            column.signed(
                key,
                f"rotation, {plain(method, LONGEST)}",
                STRAIN,
                own["rotation"].values,
                unit="°",
                factor=degrees,
                cmap=look.diverging,
                error=error,
            ),
            _error(error, key, own["rotation_error"].values, "°", degrees, look.spread),
        ]
    return found


def _error(key: str, of: str, values: np.ndarray, unit: str, factor: float, cmap: str) -> Column:
    label = f"standard error of {plain(of.replace('_', ' '), LONGEST)}"
    return column.spread(key, label, STRAIN, values, unit=unit, factor=factor, cmap=cmap)


def scale(scene: Scene) -> tuple[float, str]:
    """Factor from pixels of the image to the unit of its axes, and that unit."""
    return length_scale(scene, float(max(scene.shape)))
