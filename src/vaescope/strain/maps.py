"""Map strain and rotation of every site by three methods, in one frame and with one zero.

The methods: vectors to the neighbours (``neighbours``), geometric phase analysis (``gpa``), and the
pose of a model that has strain. All give the deformation that carries an unstrained lattice onto
the image (conventions: ``vaescope.deformation``). Unstrained is what most sites agree on: the
densest cluster of strains and rotations from the neighbours is the reference region, the same for
all methods, and each method's median over it is its zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns, deformation
from vaescope.deformation import COMPONENTS
from vaescope.quantities import FIT, STRAIN, TRUTH, attributes
from vaescope.strain import gpa, neighbours, of_model, scatter
from vaescope.strain.lattice import Lattice, find_lattice
from vaescope.strain.neighbours import RESOLUTION
from vaescope.strain.reference import Map, of_covariance, reference_region, relative

if TYPE_CHECKING:
    import xarray as xr

NEIGHBOURS, GPA = "neighbours", "GPA"
_MARGIN = 2.0  # widths: nearer to the edge of the image, a half-seen site is out of place


def map_strain(
    image: xr.Dataset, sites: xr.Dataset, models: Mapping[str, xr.Dataset] | None = None
) -> xr.Dataset:
    """Map strain and rotation of every site.

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
            maps[name] = Map(*of_model.of_model(latents, rows, fitted.deformation, lattice.fold))
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


def _calibrate(found: Map, measured: Map, triples: np.ndarray) -> list[float]:
    """Scale the errors of a map to its own scatter and to its disagreement with the neighbours'."""
    values, error = found.values()
    factor = scatter.calibration(values, error, triples, np.stack(measured.values()))
    found.strain_error = found.strain_error * factor[:3]
    found.rotation_error = found.rotation_error * factor[3]
    return [float(value) for value in factor]


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
    return np.asarray(((position >= margin) & (position <= last - margin)).all(1))


def _width(sites: xr.Dataset, lattice: Lattice) -> float:
    width = float(sites.attrs.get("width", np.nan))
    return width if np.isfinite(width) and width > 0 else 0.15 * lattice.spacing


def _dataset(
    maps: dict[str, Map], reference: np.ndarray, fitted: neighbours.Deformed, sites: xr.Dataset
) -> xr.Dataset:
    import xarray as xr

    seen = [relative(found.deformation, reference) for found in maps.values()]
    strains, turns = (np.stack(parts) for parts in zip(*seen, strict=True))
    errors = np.stack([found.strain_error for found in maps.values()])
    sway = np.stack([found.rotation_error for found in maps.values()])
    of_method, tensor = ("method", "site"), ("method", "site", "component")
    about = {
        "strain": attributes("strain", "1", "diverging", error="strain_error", group=STRAIN),
        "rotation": attributes(
            "rotation, counter-clockwise", "rad", "diverging", error="rotation_error", group=STRAIN
        ),
        "reference": attributes(
            "site of the region whose strain is taken as zero", "1", "categorical", group=FIT
        ),
        "neighbours": attributes("neighbours on the lattice", "1", "sequential", group=FIT),
        "misfit": attributes(
            "mean square residual of the neighbours' fit", "1", "sequential", group=FIT
        ),
    }
    variables: dict[str, Any] = {
        "strain": (tensor, strains, about["strain"]),
        "strain_error": (tensor, errors, attributes("standard error of the strain", "1")),
        "rotation": (of_method, turns, about["rotation"]),
        "rotation_error": (of_method, sway, attributes("standard error of the rotation", "rad")),
        "reference": ("site", reference, about["reference"]),
        "neighbours": ("site", fitted.count, about["neighbours"]),
        "misfit": ("site", fitted.misfit, about["misfit"]),
    }
    coords: dict[str, Any] = {"method": list(maps), "component": list(COMPONENTS)}
    coords |= {
        name: ("site", sites[name].values, sites[name].attrs) for name in ("frame", "y", "x")
    }
    return xr.Dataset(
        variables, coords | {"site": sites["site"].values}, attrs=columns.carried(sites.attrs)
    )


def _add_truth(dataset: xr.Dataset, sites: xr.Dataset) -> None:
    """Add the truth, with the zero of the other maps."""
    strain = np.stack([sites[f"truth_strain_{name}"].values for name in COMPONENTS], 1)
    carried = deformation.join(strain, sites["truth_angle"].values.astype(float))
    true, turn = relative(carried, dataset["reference"].values)
    about = attributes("true strain from that of the reference", "1", "diverging", group=TRUTH)
    dataset["truth_strain_from_reference"] = (("site", "component"), true, about)
    about = attributes("true rotation from that of the reference", "rad", "diverging", group=TRUTH)
    dataset["truth_rotation_from_reference"] = ("site", turn, about)


def _nothing(sites: xr.Dataset, why: str) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        coords={"site": sites["site"].values},
        attrs={**columns.carried(sites.attrs), "ordered": False, "why": why},
    )
