"""What is known of walls beforehand: their curvature changes little along them.

The curvature is a Gaussian process whose derivative along the wall is white; how much it changes is
found from all walls of the picture by the update of S. N. Wood and M. Fasiolo, Biometrics 73 (2017)
1071, which raises the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from vaescope.walls.spline import CurveFrame, Spline

START = 1e3  # px³, stiffness with which the search begins
_STEP = 10.0  # factor by which the stiffness changes at most in one update


def change(spline: Spline, frame: CurveFrame) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray]:
    """Changes of the curvature per px along a curve (difference,), their derivatives (difference,
    coefficient) by what coefficients move along the normal, and the lengths in px over which they
    are taken."""
    part = frame.speed * spline.intervals / len(spline.at)
    count = len(part)
    this = sparse.eye(count, format="csr")
    if spline.closed:
        follows = np.roll(np.arange(count), -1)
        length = 0.5 * (part + part[follows])
        apart = this[follows] - this
    else:
        length = 0.5 * (part[1:] + part[:-1])
        apart = this[1:] - this[:-1]
    apart = sparse.diags(1 / length) @ apart
    return apart @ frame.curvature, (apart @ frame.bending(spline.normals)).tocsr(), length


def stiffer(stiffness: float, roughness: float, spread: float, splines: Sequence[Spline]) -> float:
    """The stiffness after one update.

    Parameters
    ----------
    stiffness : before it, px³.
    roughness : integral of the squared change of curvature along all walls.
    spread : expectation of what the errors of the coefficients add to it.
    """
    modes = sum(len(spline.coefficient) - (3 if spline.closed else 4) for spline in splines)
    left = max(modes - stiffness * spread, 1e-3 * modes)
    return float(np.clip(left / max(roughness, 1e-12), stiffness / _STEP, stiffness * _STEP))
