"""How well walls that were found agree with the true ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from vaescope.walls import Wall

REACH = 3.0  # px from the true wall beyond which a place is false
RIM = 6.0  # px at the rim in which nothing counts


def scores(found: Sequence[Wall], truth: xr.Dataset, frame: int = 0) -> dict[str, float]:
    """Numbers of one frame: root mean square distance across the wall, its mean (bias), the stated
    error, shares of truths within one and two of them, shares of false places and of truth that was
    found, the same of curvature, and its correlation with the true one."""
    chosen = truth["truth_frame"].values == frame
    names = ("y", "x", "direction", "curvature", "apart")
    y, x, direction, curvature, apart = (truth[f"truth_{name}"].values[chosen] for name in names)
    place = np.stack([y, x], axis=1)
    parts = ("place", "normal_error", "curvature", "curvature_error", "direction")
    if not found:
        return {"recall": 0.0}
    at, error, bend, bend_error, turn = (
        np.concatenate([getattr(wall, name) for wall in found]) for name in parts
    )
    distance, near = cKDTree(place).query(at)
    normal = np.stack([np.cos(direction), -np.sin(direction)], axis=1)[near]
    across = ((at - place[near]) * normal).sum(1)
    last = np.array(truth["image"].shape[-2:]) - 1
    inside = ((at >= RIM) & (at <= last - RIM)).all(1) & ~apart[near]
    good = inside & (distance <= REACH)
    missed = cKDTree(at).query(place[~apart])[0] > REACH
    z, kappa = across[good] / error[good], curvature[near][good]
    off = bend[good] - kappa
    varies = kappa.std() > 1e-6
    return {
        "rms": rms(across[good]),
        "mean": float(across[good].mean()),
        "stated": rms(error[good]),
        "within_1": float((np.abs(z) < 1).mean()),
        "within_2": float((np.abs(z) < 2).mean()),
        "within_3": float((np.abs(z) < 3).mean()),
        "false": float((inside & ~good).sum() / max(inside.sum(), 1)),
        "recall": float(1 - missed.mean()),
        "curvature_r": float(np.corrcoef(kappa, bend[good])[0, 1]) if varies else np.nan,
        "curvature_rms": rms(off),
        "curvature_stated": rms(bend_error[good]),
        "curvature_within_1": float((np.abs(off) < bend_error[good]).mean()),
        "direction_rms": rms(np.angle(np.exp(1j * (turn[good] - direction[near][good])))),
        "places": float(good.sum()),
    }


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))
