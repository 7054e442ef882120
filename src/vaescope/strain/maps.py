"""Map strain and rotation of every site by three methods, with one zero for each grain.

The methods: vectors to the neighbours (``neighbours``), geometric phase analysis (``gpa``), and the
pose of a model that has strain. All give the deformation that carries an unstrained lattice onto
the image (conventions: ``vaescope.deformation``). Unstrained is what most sites of a grain
(``grains``) agree on: the densest cluster of strains and rotations from the neighbours is its
reference region, the same for all methods, and each method's median over it is its zero. Strains of
two grains do not compare: a distortion of the image does not turn with the grain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns, deformation
from vaescope.deformation import COMPONENTS
from vaescope.quantities import FIT, STRAIN, TRUTH, attributes
from vaescope.results.coverage import with_gaps
from vaescope.strain import between_grains, gpa, neighbours, of_model, scatter
from vaescope.strain.grains import Grain, at_boundary, find_grains, labels, region_of
from vaescope.strain.lattice import Lattice
from vaescope.strain.neighbours import RESOLUTION, Deformed
from vaescope.strain.pairing import fold
from vaescope.strain.reference import Map, of_covariance, reference_region, relative

if TYPE_CHECKING:
    import xarray as xr

NEIGHBOURS, GPA = "neighbours", "GPA"
_MARGIN = 2.0  # widths: nearer to the edge of the image, a half-seen site is out of place
_WHOLE = 0.97  # share of the image that a crystal covers without an edge worth minding
_FEWEST = 10  # sites with enough neighbours without which a grain has no map
_NEARLY = 0.12  # norm of the strain within which poses may take one lattice vector for another
# A method has failed where it differs from the neighbours' vectors by more: at half of the sites of
# a grain, or at a site.
_FAILED = (0.03, 0.1)
_ERRORS = 4.0  # and by more than so many times the stated errors


@dataclass
class _Mapped:
    """Maps of one grain by method, with their own zeros; its ``reference`` region (member,)."""

    grain: Grain
    fitted: Deformed
    maps: dict[str, Map]
    reference: np.ndarray
    failed: list[str]
    scaled: dict[str, list[float]]


def map_strain(
    image: xr.Dataset, sites: xr.Dataset, models: Mapping[str, xr.Dataset] | None = None
) -> xr.Dataset:
    """Map strain and rotation of every site, grain by grain.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    sites : Dataset over `site`, as in a sites store.
    models : name -> Dataset of ``latents.zarr``; those without strain are left out.

    Returns
    -------
    Dataset with `strain`, `strain_error` (method, site, component), `rotation`, `rotation_error`
    (method, site) in rad, `grain` (site,) from 1, 0 where a site is of none, `reference` (site,),
    `neighbours` and `misfit` (site,), and where it is known the truth with the same zeros. The
    attributes say how the grains lie to each other (``between_grains``), and where a method failed.
    Strain is measured between strong columns: those of a weak sublattice are of no grain.
    Where the sites stand on no lattice, an empty Dataset whose attribute ``ordered`` is False and
    ``why`` says why.
    """
    position = np.stack([sites["x"].values, sites["y"].values], 1).astype(float)
    frame = sites["frame"].values.astype(int)
    grains = []
    if sites.attrs.get("periodic", True):
        strong = _strong(sites)
        found = find_grains(position[strong], frame[strong])
        grains = [replace(grain, sites=strong[grain.sites]) for grain in found]
    if not grains:
        return _nothing(sites, "the sites stand on no common lattice")
    error = np.stack([sites["x_error"].values, sites["y_error"].values], 1).astype(float)
    width = _width(sites, grains[0].lattice)
    usable = _inside(position, image, _MARGIN * width)
    if np.isfinite(error).all(1).mean() > 0.5:
        usable &= np.isfinite(error).all(1)
    number = {int(site): k for k, site in enumerate(sites["site"].values)}
    rows = {
        name: np.array([number[int(site)] for site in latents["site"].values], int)
        for name, latents in (models or {}).items()
        if "strain" in latents
    }
    mapped = []
    for grain in grains:
        own = grain.sites
        fitted = neighbours.fit(grain.lattice, position[own], error[own], width, usable[own])
        boundary = at_boundary(grain, grains, position, frame)
        fitted.deformation[boundary] = np.nan
        if np.isfinite(fitted.misfit).sum() < _FEWEST:
            continue
        maps = {NEIGHBOURS: of_covariance(fitted.deformation, fitted.covariance)}
        if (phases := _phases(image, position, frame, grain, grains)) is not None:
            maps[GPA] = phases
        for name, where in rows.items():
            assert models is not None
            maps[name] = _of_model(models[name], where, grain, fitted)
        for each in maps.values():
            each.drop(boundary)
        mapped.append(_zeroed(grain, fitted, maps, position, frame))
    if not mapped:
        return _nothing(sites, "too few sites have neighbours on a common lattice")
    dataset = _dataset(mapped, [NEIGHBOURS, GPA, *rows], sites)
    largest = mapped[0]
    dataset.attrs |= {
        "ordered": True,
        "lattice_vectors": [[float(v) for v in row] for row in largest.grain.lattice.vectors],
        "resolution": RESOLUTION * largest.grain.lattice.spacing,
        "position_errors_widened": [float(v) for v in largest.fitted.widened],
        "scan_noise": [float(v) for v in largest.fitted.rows],
        "errors_scaled": json.dumps([each.scaled for each in mapped]),
        "failed": json.dumps([each.failed for each in mapped]),
        **between_grains.described(dataset, [each.grain for each in mapped], position),
    }
    if all(f"truth_strain_{name}" in sites for name in COMPONENTS):
        _add_truth(dataset, sites)
    return dataset


def _strong(sites: xr.Dataset) -> np.ndarray:
    """Indices of the sites of those sublattices that were found one by one; a weak one adds
    neighbours, but little precision."""
    most = int(sites.attrs.get("strong_sublattices", 0))
    if not most or "sublattice" not in sites:
        return np.arange(sites.sizes["site"])
    return np.flatnonzero(sites["sublattice"].values < most)


def _zeroed(
    grain: Grain, fitted: Deformed, maps: dict[str, Map], position: np.ndarray, frame: np.ndarray
) -> _Mapped:
    """Maps of a grain with its own zero, errors that agree with their scatter, and without what
    plainly failed."""
    measured = maps[NEIGHBOURS]
    triples = scatter.opposite(grain.lattice, position[grain.sites], frame[grain.sites])
    reference = reference_region(measured, fitted, grain.lattice)
    zeroed: dict[str, Map] = {}
    scaled: dict[str, list[float]] = {}
    failed: list[str] = []
    for name, found in maps.items():
        if name != NEIGHBOURS:
            scaled[name] = _calibrate(found, measured, triples)
        own = Map(relative(found.deformation, reference), found.strain_error, found.rotation_error)
        if name != NEIGHBOURS and _drop_failures(own, zeroed[NEIGHBOURS]):
            failed.append(name)
        zeroed[name] = own
    return _Mapped(grain, fitted, zeroed, reference, failed, scaled)


def _drop_failures(found: Map, measured: Map) -> bool:
    """Drop the sites of a map whose strain differs from the neighbours' by far more than either
    error; return whether the whole grain was dropped."""
    (values, error), (others, own) = found.values(), measured.values()
    apart = np.abs(values - others)[:, :3].max(1)
    sure = np.hypot(error, own)[:, :3].max(1)
    both = np.isfinite(apart)
    if not both.any():
        return False
    usual = float(np.median(apart[both]))
    whole = usual > max(_FAILED[0], _ERRORS * float(np.median(own[both][:, :3])))
    with np.errstate(invalid="ignore"):
        gone = (apart > np.maximum(_FAILED[1], _ERRORS * sure)) | whole
    found.drop(gone)
    return bool(whole)


def _of_model(latents: xr.Dataset, rows: np.ndarray, grain: Grain, fitted: Deformed) -> Map:
    """A model's map of one grain; NaN where none of its sites can be compared."""
    count = len(grain.sites)
    place = np.searchsorted(grain.sites, rows)
    inside = grain.sites[np.minimum(place, count - 1)] == rows
    place = place[inside]
    if np.isfinite(fitted.deformation[place, 0, 0]).sum() < _FEWEST:
        nothing = np.full((count, 3), np.nan)
        return Map(np.full((count, 2, 2), np.nan), nothing, nothing[:, 0].copy())
    order = fold(grain.lattice.vectors, _NEARLY)
    own = latents.isel(site=np.flatnonzero(inside))
    return Map(*of_model.of_model(own, place, fitted.deformation, order))


def _calibrate(found: Map, measured: Map, triples: np.ndarray) -> list[float]:
    """Scale the errors of a map to its own scatter and to its disagreement with the neighbours'."""
    values, error = found.values()
    factor = scatter.calibration(values, error, triples, np.stack(measured.values()))
    found.strain_error = found.strain_error * factor[:3]
    found.rotation_error = found.rotation_error * factor[3]
    return [float(value) for value in factor]


def _phases(
    image: xr.Dataset,
    position: np.ndarray,
    frame: np.ndarray,
    grain: Grain,
    grains: list[Grain],
) -> Map | None:
    """Geometric phase analysis of a grain in every frame, about its own reciprocal vectors."""
    count = len(grain.sites)
    found = np.full((count, 2, 2), np.nan)
    covariance = np.full((count, 2, 2, 2), np.nan)
    label = labels(grains, len(position))
    resolution = RESOLUTION * grain.lattice.spacing
    for number in np.unique(frame[grain.sites]):
        rows = np.flatnonzero(frame[grain.sites] == number)
        picture = np.asarray(with_gaps(image)[int(number), 0].values, float)
        here = frame == number
        own = label[here] == label[grain.sites[0]]
        near = region_of(position[here], own, picture.shape, grain.lattice.spacing)
        region = _without_holes(near, grain.lattice.spacing) if len(grains) == 1 else near
        seen = gpa.analyse(
            picture, position[grain.sites[rows]], grain.lattice.vectors, resolution, region
        )
        if seen is not None:
            # Its own reciprocal vectors are another zero for each frame: the lattice's is for all.
            found[rows], covariance[rows] = seen.deformation, seen.covariance
    return of_covariance(found, covariance) if np.isfinite(found).any() else None


def _without_holes(region: np.ndarray, spacing: float) -> np.ndarray | None:
    """The pixels of the only grain, vacancies included; None where hardly any lie outside."""
    from scipy.ndimage import binary_closing

    reach = int(np.ceil(spacing / 2))
    wide = np.pad(region, 2 * reach, mode="edge")
    disc = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    region = binary_closing(wide, disc)[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    return None if region.mean() > _WHOLE else region


def _inside(position: np.ndarray, image: xr.Dataset, margin: float) -> np.ndarray:
    last = np.array([image.sizes["x"], image.sizes["y"]]) - 1
    return np.asarray(((position >= margin) & (position <= last - margin)).all(1))


def _width(sites: xr.Dataset, lattice: Lattice) -> float:
    width = float(sites.attrs.get("width", np.nan))
    return width if np.isfinite(width) and width > 0 else 0.15 * lattice.spacing


def _dataset(mapped: list[_Mapped], methods: list[str], sites: xr.Dataset) -> xr.Dataset:
    import xarray as xr

    count = sites.sizes["site"]
    methods = [name for name in methods if any(name in each.maps for each in mapped)]
    strains, errors = (np.full((len(methods), count, 3), np.nan) for _ in range(2))
    turns, sway = (np.full((len(methods), count), np.nan) for _ in range(2))
    reference, label = np.zeros(count, bool), np.zeros(count, int)
    number, misfit = np.zeros(count, int), np.full(count, np.nan)
    for index, each in enumerate(mapped):
        own = each.grain.sites
        label[own], reference[own] = index + 1, each.reference
        number[own], misfit[own] = each.fitted.count, each.fitted.misfit
        for k, name in enumerate(methods):
            if name in each.maps:
                values, sure = each.maps[name].values()
                strains[k, own], turns[k, own] = values[:, :3], values[:, 3]
                errors[k, own], sway[k, own] = sure[:, :3], sure[:, 3]
    of_method, tensor = ("method", "site"), ("method", "site", "component")
    names = ["none", *(f"grain {k + 1}" for k in range(len(mapped)))]
    about = {
        "strain": attributes("strain", "1", "diverging", error="strain_error", group=STRAIN),
        "rotation": attributes(
            "rotation, counter-clockwise", "rad", "diverging", error="rotation_error", group=STRAIN
        ),
        "grain": attributes("grain", "1", "categorical", meanings=names, group=STRAIN),
        "reference": attributes(
            "site of a region whose strain is taken as zero", "1", "categorical", group=FIT
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
        "grain": ("site", label, about["grain"]),
        "reference": ("site", reference, about["reference"]),
        "neighbours": ("site", number, about["neighbours"]),
        "misfit": ("site", misfit, about["misfit"]),
    }
    coords: dict[str, Any] = {"method": methods, "component": list(COMPONENTS)}
    coords |= {
        name: ("site", sites[name].values, sites[name].attrs) for name in ("frame", "y", "x")
    }
    return xr.Dataset(
        variables, coords | {"site": sites["site"].values}, attrs=columns.carried(sites.attrs)
    )


def _add_truth(dataset: xr.Dataset, sites: xr.Dataset) -> None:
    """Add the truth, with the zeros of the other maps."""
    strain = np.stack([sites[f"truth_strain_{name}"].values for name in COMPONENTS], 1)
    carried = deformation.join(strain, sites["truth_angle"].values.astype(float))
    grain, reference = dataset["grain"].values, dataset["reference"].values
    true, turn = np.full(strain.shape, np.nan), np.full(len(strain), np.nan)
    for k in np.unique(grain[grain > 0]):
        own = grain == k
        true[own], turn[own] = deformation.split(relative(carried[own], reference[own]))
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
