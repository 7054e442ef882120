"""Describe the grains of an image, for the attributes of ``strain.zarr``: their lattices, by how
much they are turned against each other, and the distortion of the image that they share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope.strain.grains import Grain
from vaescope.strain.misorientation import Measured, misorientations, shared_distortion
from vaescope.strain.pairing import fold

if TYPE_CHECKING:
    import xarray as xr

_BESIDE = 2.0  # spacings: grains with sites so near touch each other
_ROBUST = 1.4826  # a standard deviation over the median of deviations
_SYMMETRIC = 0.04


def described(dataset: xr.Dataset, grains: list[Grain], position: np.ndarray) -> dict[str, str]:
    """Attributes ``grains``, ``misorientations`` and ``image_distortion`` of ``strain.zarr``, as
    JSON (``grains_of``, ``misorientations_of``, ``distortion_of`` read them)."""
    measured = [_measured(dataset, k, grain) for k, grain in enumerate(grains)]
    listed = [
        {
            "grain": k + 1,
            "sites": each.sites,
            "lattice_vectors": each.vectors.tolist(),
            "fold": fold(each.vectors, _SYMMETRIC),
            "strain_sd": each.strain,
            "rotation_sd_deg": float(np.degrees(each.turn)),
        }
        for k, each in enumerate(measured)
    ]
    distortion = shared_distortion(measured)
    pairs = [
        {
            "grains": [each.first + 1, each.second + 1],
            "angle_deg": float(np.degrees(each.angle)),
            "error_deg": float(np.degrees(each.error)),
            "period_deg": round(float(np.degrees(each.period)), 6),
            "strain": [float(v) for v in each.strain],
            "rivals_deg": [float(np.degrees(rival)) for rival in each.rivals],
            "touching": _touch(grains[each.first], grains[each.second], position),
        }
        for each in misorientations(measured, distortion)
    ]
    about = {}
    if distortion is not None:
        about = {
            "ratio": distortion.ratio,
            "direction_deg": float(np.degrees(distortion.direction)),
            "error": distortion.error,
            "left": distortion.left,
        }
    return {
        "grains": json.dumps(listed),
        "misorientations": json.dumps(pairs),
        "image_distortion": json.dumps(about),
    }


def grains_of(attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each grain: its number from 1, ``sites``, ``lattice_vectors`` (px), ``fold``, and standard
    deviations ``strain_sd`` and ``rotation_sd_deg``."""
    return list(json.loads(str(attrs.get("grains") or "[]")))


def misorientations_of(attrs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every two grains: ``grains``, ``angle_deg``, ``error_deg``, ``period_deg``, ``strain`` (3,),
    ``rivals_deg`` (angles that a similar distortion explains as well), and whether they are
    ``touching``."""
    return list(json.loads(str(attrs.get("misorientations") or "[]")))


def distortion_of(attrs: Mapping[str, Any]) -> dict[str, float]:
    """The distortion that grains share: ``ratio`` of its axes, ``direction_deg`` from x,
    counter-clockwise, ``error`` of a strain, ``left`` between the grains; empty where there is
    none to tell."""
    return dict(json.loads(str(attrs.get("image_distortion") or "{}")))


def _measured(dataset: xr.Dataset, index: int, grain: Grain) -> Measured:
    """The mean lattice vectors of a grain, with the scatter by the neighbours' vectors."""
    own = dataset.isel(method=0, site=grain.sites)
    known = np.isfinite(own["rotation"].values)
    middle = np.median(grain.lattice.deformation[known], axis=0)
    strain, turn = own["strain"].values, own["rotation"].values
    return Measured(
        np.asarray(grain.lattice.vectors @ middle.T),
        float(np.mean([_deviation(part) for part in strain.T])),
        _deviation(turn),
        int((dataset["grain"].values == index + 1).sum()),
    )


def _deviation(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return _ROBUST * float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def _touch(one: Grain, other: Grain, position: np.ndarray) -> bool:
    reach = _BESIDE * one.lattice.spacing
    away, _ = cKDTree(position[one.sites]).query(position[other.sites], distance_upper_bound=reach)
    return bool(np.isfinite(away).any())
