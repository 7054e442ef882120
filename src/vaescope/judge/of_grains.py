"""Findings about grains, the distortion that they share, and strains too large to be believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from vaescope.results.facts import Finding, Measure
from vaescope.strain.between_grains import distortion_of, grains_of, misorientations_of

if TYPE_CHECKING:
    import xarray as xr

MEASURES = (
    Measure("grains", "grains"),
    Measure("misorientation_deg", "misorientation of the two largest grains", "°"),
    Measure("misorientation_error_deg", "standard deviation of it", "°", "less"),
    Measure("misorientation_period_deg", "misorientation known modulo", "turn", place="details"),
    Measure("image_distortion", "distortion that the grains share, ratio of axes"),
    Measure("image_distortion_direction_deg", "direction of this stretch", "°", place="details"),
)
"""Of the lattices of grains (``strain.zarr``)."""

_LARGE = 0.1  # strain beyond which crystals of one kind do not coexist
_DOMAIN = 20  # neighbouring sites with so large a strain that they are no outliers
_WHOLE = 0.1  # share of the sites from which such a domain concerns the whole image
_STARTS = 5.0  # spacings from the left edge within which a scan settles
_DISTORTED = 0.02  # ratio of the axes of a distortion less 1 from which lengths are wrong
_SURE = 3.0  # times its error
_MOST = 4  # pairs of grains that are listed


def scores_of_grains(strain: xr.Dataset) -> dict[str, float]:
    """Count grains, and measure the angle between the two largest and the distortion they share.

    Nothing of a single grain.
    """
    found: dict[str, float] = {}
    pairs = misorientations_of(strain.attrs)
    if pairs:
        found = {
            "grains": len(grains_of(strain.attrs)),
            "misorientation_deg": abs(pairs[0]["angle_deg"]),
            "misorientation_error_deg": pairs[0]["error_deg"],
            "misorientation_period_deg": pairs[0]["period_deg"],
        }
    if distortion := distortion_of(strain.attrs):
        found["image_distortion"] = distortion["ratio"]
        found["image_distortion_direction_deg"] = distortion["direction_deg"]
    return found


def of_grains(strain: xr.Dataset) -> list[Finding]:
    """Judge the grains of a map of strain (``strain.zarr``)."""
    if "grain" not in strain:
        return []
    said = [
        *_misoriented(strain),
        *_distorted(strain),
        *_either(strain),
        *_too_large(strain),
        *_other_lattices(strain),
    ]
    return said + _failed(strain)


def _misoriented(strain: xr.Dataset) -> list[Finding]:
    pairs = misorientations_of(strain.attrs)
    count = len(grains_of(strain.attrs))
    if count < 2:
        return []
    touching = [pair for pair in pairs if pair["touching"]] or pairs
    listed = "; ".join(
        f"grain {pair['grains'][0]} and {pair['grains'][1]}: {abs(pair['angle_deg']):.1f} ±"
        f" {pair['error_deg']:.1f}° (modulo {pair['period_deg']:g}°)"
        for pair in touching[:_MOST]
    )
    more = f"; {len(touching) - _MOST} more" if len(touching) > _MOST else ""
    return [
        Finding(
            "grains",
            "note",
            "strain: neighbours",
            f"The lattice has {count} orientations. Misorientation of {listed}{more}.",
            "Strain and rotation count from a reference region in each grain; values of two grains"
            " do not compare. Sites at a boundary have no strain. The ± is the standard deviation"
            " of the rotation within the two grains.",
            "Nothing to do; column `grain` of the table of sites says which site is of which.",
        )
    ]


def _distorted(strain: xr.Dataset) -> list[Finding]:
    known = distortion_of(strain.attrs)
    if not known or known["ratio"] - 1 < max(_DISTORTED, 2 * _SURE * known["error"]):
        return []
    return [
        Finding(
            "distorted image",
            "care",
            "strain: neighbours",
            f"The grains differ as by one distortion of the image: stretched by"
            f" {known['ratio']:.3f} : 1 along {known['direction_deg']:.0f}° (from the x axis,"
            " counter-clockwise). Without it their lattices are alike within"
            f" {100 * known['left']:.1f} %.",
            "Lengths and angles measured in this image are off by as much. Strain within a grain"
            " counts from the grain itself and is right all the same.",
            "Correct the calibration of the scan (both directions and the angle between them) or"
            " the drift, and record the image again; or take distances along one direction only.",
        )
    ]


def _either(strain: xr.Dataset) -> list[Finding]:
    """Grains whose angle depends on which distortion of the image is taken to be the true one."""
    said = []
    for pair in misorientations_of(strain.attrs):
        if not pair["rivals_deg"]:
            continue
        others = " or ".join(f"{abs(angle):.1f}°" for angle in pair["rivals_deg"])
        first, second = pair["grains"]
        own = abs(pair["angle_deg"])
        said.append(
            Finding(
                "misorientation is ambiguous",
                "serious",
                "strain: neighbours",
                f"The misorientation of grains {first} and {second} is {own:.1f}° or {others}: two"
                " distortions of the image explain the lattices equally well.",
                "Neither the angle nor the distortion of the image can be quoted. Strain within"
                " each grain is right all the same.",
                "Calibrate the scan in both directions, or record the image again with the scan"
                " turned by 90°.",
            )
        )
    return said


def _too_large(strain: xr.Dataset) -> list[Finding]:
    """Strains beyond a tenth over a whole domain, by any method: said once."""
    spacing = float(np.hypot(*np.asarray(strain.attrs["lattice_vectors"], float).T).max())
    position = np.column_stack([strain["x"].values, strain["y"].values]).astype(float)
    position = np.column_stack([position, strain["frame"].values * 1e6 * spacing])
    domains: dict[str, np.ndarray] = {}
    for k, method in enumerate(str(name) for name in strain["method"].values):
        rows = np.flatnonzero(np.abs(strain["strain"].values[k]).max(1) > _LARGE)
        domain = rows[_largest_domain(position[rows], spacing)]
        if len(domain) >= _DOMAIN:
            domains[method] = domain
    if not domains:
        return []
    method, domain = max(domains.items(), key=lambda both: len(both[1]))
    number = [str(name) for name in strain["method"].values].index(method)
    much = 100 * float(np.median(np.abs(strain["strain"].values[number]).max(1)[domain]))
    known = int(np.isfinite(strain["strain"].values[number]).all(1).sum())
    edge = np.median(position[domain, 0]) - np.nanmin(position[:, 0]) < _STARTS * spacing
    start = ", or a scan that has not settled at the start of its lines" if edge else ""
    others = [name for name in domains if name != method]
    also = f"; so say {', '.join(others)}" if others else ""
    return [
        Finding(
            "strain beyond a tenth",
            "serious" if len(domain) > _WHOLE * known else "care",
            f"strain: {method}",
            f"A domain of {len(domain)} sites is strained by {much:.0f} % (near x ="
            f" {position[domain, 0].mean():.0f}, y = {position[domain, 1].mean():.0f} px){also}.",
            "No crystal is strained so much over a domain: it is another phase with another"
            f" lattice, sites were found between the atoms, vectors were paired wrongly{start}.",
            "Look at the figure of the sites there. Of another phase, analyse a crop of each by"
            " itself; if atoms are missing or doubled, change `sites: spacing`"
            + ("; cut the start of the lines off the image." if edge else "."),
        )
    ]


def _largest_domain(position: np.ndarray, spacing: float) -> np.ndarray:
    """Rows of the largest group of sites at ``position`` (site, 3) that are neighbours."""
    count = len(position)
    if count < _DOMAIN:
        return np.zeros(0, int)
    pairs = cKDTree(position).query_pairs(1.5 * spacing, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group = connected_components(graph, directed=False)[1]
    return np.flatnonzero(group == np.bincount(group).argmax())


def _other_lattices(strain: xr.Dataset) -> list[Finding]:
    """Grains whose lattices differ by more than any distortion of the image explains."""
    left: Any = distortion_of(strain.attrs).get("left")
    apart = {}
    for pair in misorientations_of(strain.attrs):
        most = float(np.abs(pair["strain"]).max()) if left is None else left
        if most > _LARGE:
            apart[tuple(pair["grains"])] = most
    if not apart:
        return []
    first, most = next(iter(apart.items()))
    return [
        Finding(
            "lattices of grains differ",
            "care",
            "strain: neighbours",
            f"The lattices of grains {first[0]} and {first[1]} differ by {100 * most:.0f} %, which"
            " no rotation and no distortion of the image explains.",
            "They are two phases, or in one of them some atoms were not found. Each counts from its"
            " own reference: how they are strained against each other is on no map.",
            "Look at the figure of the sites; change `sites: spacing` if atoms are missing.",
        )
    ]


def _failed(strain: xr.Dataset) -> list[Finding]:
    """Methods without a map of some grain."""
    failed = json.loads(str(strain.attrs.get("failed") or "[]"))
    said = []
    for method in sorted({name for names in failed for name in names}):
        where = [str(k + 1) for k, names in enumerate(failed) if method in names]
        place = f" in grain {' and '.join(where)}" if len(failed) > 1 else ""
        said.append(
            Finding(
                "method of strain failed",
                "note",
                f"strain: {method}",
                f"{method} differs from the neighbours' vectors by far more than either error"
                f"{place}, and is left out there.",
                "Its phases slip, or the peaks of another structure lie near its own.",
                "Read the strain from the neighbours' vectors.",
            )
        )
    return said
