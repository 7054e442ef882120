"""Strain and rotation of every site by three methods, in one frame and with one zero.

The methods: vectors to the neighbours (``neighbours``), geometric phase analysis (``gpa``), and the
pose of a model that has strain. All give the deformation that carries an unstrained lattice onto
the image (conventions: ``vaescope.deformation``). Unstrained is what most sites agree on: the
densest cluster of strains and rotations from the neighbours is the reference region, the same for
all methods, and each method's median over it is its zero.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope import deformation
from vaescope.analyse import gpa, neighbours, posed, scatter
from vaescope.analyse.lattice import REACH, Lattice, find_lattice
from vaescope.deformation import COMPONENTS

if TYPE_CHECKING:
    import xarray as xr

NEIGHBOURS, GPA = "neighbours", "GPA"
CARRIED = ("pixel_size", "pixel_unit", "calibrated", "source_sha256")
# Standard deviation, in lattice spacings, of the Gaussian of the phases: that of eight neighbours
# in a square lattice is 0.7, of a disc of 1.6 spacings (a patch) 0.8.
RESOLUTION = 0.75
_MARGIN = 2.0  # widths: nearer to the edge of the image, a half-seen site is out of place
_CLUSTER = 0.004  # least radius of the reference region, in strain and rad
_CALM = 0.7  # share of the sites, those most like their neighbours, that may be in it
_ENOUGH = 0.2  # share of these that must lie in a sphere of its radius


@dataclass
class Map:
    """One method's map: ``deformation`` (site, 2, 2), and the standard errors of its strain
    (site, 3) and rotation (site,)."""

    deformation: np.ndarray
    strain_error: np.ndarray
    rotation_error: np.ndarray


def map_strain(
    image: xr.Dataset, sites: xr.Dataset, models: Mapping[str, xr.Dataset] | None = None
) -> xr.Dataset:
    """Strain and rotation of every site.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    sites : Dataset over `site`, as in a sites store.
    models : name -> Dataset of ``latents.zarr``; those without strain are left out.

    Returns
    -------
    Dataset with `strain`, `strain_error` (method, site, component), `rotation`, `rotation_error`
    (method, site) in rad, `reference` (site,), `neighbours` and `misfit` (site,), and where it is
    known the truth with the same zero. Where the sites stand on no lattice, an empty Dataset whose
    attribute ``ordered`` is False and ``why`` says why.
    """
    position = np.stack([sites["x"].values, sites["y"].values], 1).astype(float)
    frame = sites["frame"].values.astype(int)
    lattice = find_lattice(position, frame) if sites.attrs.get("periodic", True) else None
    if lattice is None:
        return _nothing(sites, "the sites stand on no common lattice")
    error = np.stack([sites["x_error"].values, sites["y_error"].values], 1).astype(float)
    width = _width(sites, lattice)
    usable = _inside(position, image, _MARGIN * width)
    if np.isfinite(error).all(1).mean() > 0.5:
        usable &= np.isfinite(error).all(1)
    fitted = neighbours.fit(lattice, position, error, width, usable)
    maps = {NEIGHBOURS: of_covariance(fitted.deformation, fitted.covariance)}
    if np.isfinite(fitted.misfit).sum() < 10:
        return _nothing(sites, "too few sites have neighbours on a common lattice")
    phases, facts = _phases(image, position, frame, lattice)
    if phases is not None:
        maps[GPA] = phases
    number = {int(site): k for k, site in enumerate(sites["site"].values)}
    for name, latents in (models or {}).items():
        if "strain" in latents:
            rows = np.array([number[int(site)] for site in latents["site"].values])
            maps[name] = Map(*posed.of_model(latents, rows, fitted.deformation, lattice.fold))
    triples = scatter.opposite(lattice, position, frame)
    scaled = {
        name: _calibrate(found, maps[NEIGHBOURS], triples)
        for name, found in maps.items()
        if name != NEIGHBOURS
    }
    reference = reference_region(maps[NEIGHBOURS], fitted, lattice)
    dataset = _dataset(maps, reference, fitted, sites)
    dataset.attrs |= {
        "ordered": True,
        "lattice_vectors": [[float(v) for v in row] for row in lattice.vectors],
        "resolution": RESOLUTION * lattice.spacing,
        "position_errors_widened": [float(v) for v in fitted.widened],
        "scan_noise": [float(v) for v in fitted.rows],
        "errors_scaled": json.dumps(scaled),
        "fold": lattice.fold,
        **facts,
    }
    if all(f"truth_strain_{name}" in sites for name in COMPONENTS):
        _add_truth(dataset, sites)
    return dataset


def by_site(dataset: xr.Dataset) -> xr.Dataset:
    """The same with one variable for each method, over `site` first, as tables want it."""
    if not dataset.attrs["ordered"]:
        return dataset
    names = ("strain", "strain_error", "rotation", "rotation_error")
    flat = dataset.drop_vars([*names, "method"])
    for k, method in enumerate(dataset["method"].values):
        for name in names:
            flat[f"{method}_{name}"] = dataset[name].isel(method=k)
    return flat


def of_covariance(found: np.ndarray, covariance: np.ndarray) -> Map:
    """Standard errors of strain and rotation from those of a deformation's rows (site, 2, 2, 2)."""
    _, turn = deformation.split(found)
    upright = deformation.turning(np.nan_to_num(turn))
    rows = upright[:, None] @ covariance @ upright[:, None].swapaxes(-1, -2)
    mixed = np.sqrt(rows[:, 0, 1, 1] + rows[:, 1, 0, 0]) / 2
    error = np.stack([np.sqrt(rows[:, 0, 0, 0]), np.sqrt(rows[:, 1, 1, 1]), mixed], 1)
    return Map(found, error, mixed)


def _calibrate(found: Map, measured: Map, triples: np.ndarray) -> list[float]:
    """Scale the errors of a map to its own scatter and to its disagreement with the neighbours'."""
    values, error = _values(found)
    factor = scatter.calibration(values, error, triples, np.stack(_values(measured)))
    found.strain_error = found.strain_error * factor[:3]
    found.rotation_error = found.rotation_error * factor[3]
    return [float(value) for value in factor]


def _values(found: Map) -> tuple[np.ndarray, np.ndarray]:
    """Strain and rotation (site, 4) of a map, and their standard errors."""
    strain, turn = deformation.split(found.deformation)
    error = np.column_stack([found.strain_error, found.rotation_error])
    return np.column_stack([strain, turn]), error


def reference_region(found: Map, fitted: neighbours.Deformed, lattice: Lattice) -> np.ndarray:
    """Sites (site,) bool of the densest cluster of strain and rotation.

    Only sites that are like their neighbours and have all of them count, not those at interfaces.
    The cluster is as wide as the errors make it, and wider where strain varies so much that few
    sites would be left.
    """
    place, error = _values(found)
    known = np.isfinite(place).all(1) & np.isfinite(error).all(1)
    whole = known & (fitted.count >= np.quantile(fitted.count[known], 0.5))
    change = np.linalg.norm(place[lattice.start] - place[lattice.stop], axis=1)
    near = np.hypot(*lattice.difference.T) < REACH * lattice.spacing
    near &= np.isfinite(change)
    number = np.bincount(lattice.start[near], minlength=len(place))
    restless = np.bincount(lattice.start[near], change[near], len(place)) / np.maximum(number, 1)
    calm = whole & (restless <= np.quantile(restless[whole], _CALM))
    points = place[calm]
    tree = cKDTree(points)
    radius = max(2.0 * float(np.median(error[known][:, :3])), _CLUSTER)
    crowd = tree.query_ball_point(points, radius, return_length=True)
    while crowd.max() < _ENOUGH * len(points) and radius < 1:
        radius *= 1.3
        crowd = tree.query_ball_point(points, radius, return_length=True)
    middle = points[crowd >= np.quantile(crowd, 0.95)]
    middle = np.median(middle[np.linalg.norm(middle - middle[0], axis=1) < 2 * radius], axis=0)
    region = np.zeros(len(place), bool)
    rows = np.flatnonzero(calm)
    for _ in range(3):
        chosen = np.linalg.norm(points - middle, axis=1) < 1.5 * radius
        if chosen.any():
            middle = np.median(points[chosen], axis=0)
            region[:] = False
            region[rows[chosen]] = True
    return region


def relative(found: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strain (site, 3) and rotation (site,) of deformations relative to their median over a region
    (site,) bool."""
    strain, turn = deformation.split(found)
    chosen = reference & np.isfinite(turn)
    if not chosen.any():
        return np.full_like(strain, np.nan), np.full_like(turn, np.nan)
    zero = deformation.join(np.median(strain[chosen], axis=0), np.median(turn[chosen]))
    return deformation.split(found @ np.linalg.inv(zero))


def _phases(
    image: xr.Dataset, position: np.ndarray, frame: np.ndarray, lattice: Lattice
) -> tuple[Map | None, dict[str, Any]]:
    """Geometric phase analysis of every frame with the peaks of its first one."""
    count = len(position)
    found = np.full((count, 2, 2), np.nan)
    covariance = np.full((count, 2, 2, 2), np.nan)
    facts: dict[str, Any] = {}
    for number in np.unique(frame):
        rows = np.flatnonzero(frame == number)
        picture = np.asarray(image["image"][int(number), 0].values, float)
        resolution = RESOLUTION * lattice.spacing
        seen = gpa.analyse(picture, position[rows], lattice.vectors, resolution)
        if seen is None:
            continue
        # Its own reciprocal vectors are another zero for each frame: the lattice's is one for all.
        facts.setdefault("bragg_peaks", [[float(v) for v in row] for row in seen.g])
        found[rows], covariance[rows] = seen.deformation, seen.covariance
    if not np.isfinite(found).any():
        return None, facts
    return of_covariance(found, covariance), facts


def _inside(position: np.ndarray, image: xr.Dataset, margin: float) -> np.ndarray:
    last = np.array([image.sizes["x"], image.sizes["y"]]) - 1
    return ((position >= margin) & (position <= last - margin)).all(1)


def _width(sites: xr.Dataset, lattice: Lattice) -> float:
    width = float(sites.attrs.get("width", np.nan))
    return width if np.isfinite(width) and width > 0 else 0.15 * lattice.spacing


def _dataset(
    maps: dict[str, Map], reference: np.ndarray, fitted: neighbours.Deformed, sites: xr.Dataset
) -> xr.Dataset:
    import xarray as xr

    seen = [relative(found.deformation, reference) for found in maps.values()]
    table = {
        "strain": ("component", [strain for strain, _ in seen], "strain", "1"),
        "strain_error": (
            "component",
            [found.strain_error for found in maps.values()],
            "standard error of the strain",
            "1",
        ),
        "rotation": ("", [turn for _, turn in seen], "rotation, counter-clockwise", "rad"),
        "rotation_error": (
            "",
            [found.rotation_error for found in maps.values()],
            "standard error of the rotation",
            "rad",
        ),
    }
    variables: dict[str, Any] = {
        name: (
            ("method", "site", *([last] if last else [])),
            np.stack(values),
            {"long_name": words, "units": unit},
        )
        for name, (last, values, words, unit) in table.items()
    }
    for name, values, words in (
        ("reference", reference, "site of the region whose strain is taken as zero"),
        ("neighbours", fitted.count, "neighbours on the lattice"),
        ("misfit", fitted.misfit, "mean square of what the neighbours' fit leaves over"),
    ):
        variables[name] = ("site", values, {"long_name": words, "units": "1"})
    coords: dict[str, Any] = {"method": list(maps), "component": list(COMPONENTS)}
    coords |= {name: ("site", sites[name].values) for name in ("frame", "y", "x")}
    return xr.Dataset(variables, coords | {"site": sites["site"].values}, attrs=_facts(sites))


def _add_truth(dataset: xr.Dataset, sites: xr.Dataset) -> None:
    """The truth with the zero of the others, and scores against it (JSON in ``scores``)."""
    strain = np.stack([sites[f"truth_strain_{name}"].values for name in COMPONENTS], 1)
    carried = deformation.join(strain, sites["truth_angle"].values.astype(float))
    true, turn = relative(carried, dataset["reference"].values)
    about = {"long_name": "true strain", "units": "1"}
    dataset["truth_strain"] = (("site", "component"), true, about)
    dataset["truth_rotation"] = ("site", turn, {"long_name": "true rotation", "units": "rad"})
    dataset.attrs["scores"] = json.dumps(scores(dataset))


def pulls(dataset: xr.Dataset, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors against truth (site, 4) of xx, yy, xy and rotation, their stated standard errors, and
    the sites (site,) that all methods know."""
    known = np.isfinite(dataset["truth_strain"].values).all(1)
    for name in dataset["method"].values:
        known &= np.isfinite(dataset["strain_error"].sel({"method": name}).values).all(1)
        known &= np.isfinite(dataset["strain"].sel({"method": name}).values).all(1)
    own = dataset.sel({"method": method})
    strain = own["strain"].values - dataset["truth_strain"].values
    period = 2 * np.pi / int(dataset.attrs["fold"])
    turn = own["rotation"].values - dataset["truth_rotation"].values
    turn = np.mod(turn + period / 2, period) - period / 2
    error = np.column_stack([own["strain_error"].values, own["rotation_error"].values])
    return np.column_stack([strain, turn]), error, known


def scores(dataset: xr.Dataset) -> dict[str, dict[str, float]]:
    """Method -> root mean square errors (strain in per cent, rotation in degrees), and the shares
    of strains and rotations whose error is below the stated standard error."""
    found: dict[str, dict[str, float]] = {}
    for method in dataset["method"].values:
        off, error, known = pulls(dataset, str(method))
        if known.sum() < 3:
            continue
        off, error = off[known], error[known]
        rmse = np.sqrt((off**2).mean(0))
        found[str(method)] = {
            **{f"rmse_{name}": float(100 * rmse[k]) for k, name in enumerate(COMPONENTS)},
            "rmse_strain": float(100 * math.sqrt((rmse[:3] ** 2).mean())),
            "rmse_rotation": float(np.degrees(rmse[3])),
            "coverage_strain": float((np.abs(off[:, :3]) < error[:, :3]).mean()),
            "coverage_rotation": float((np.abs(off[:, 3]) < error[:, 3]).mean()),
            "sites": int(known.sum()),
        }
    return found


def _facts(sites: xr.Dataset) -> dict[str, Any]:
    return {key: sites.attrs[key] for key in CARRIED if key in sites.attrs}


def _nothing(sites: xr.Dataset, why: str) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        coords={"site": sites["site"].values},
        attrs={**_facts(sites), "ordered": False, "why": why},
    )
