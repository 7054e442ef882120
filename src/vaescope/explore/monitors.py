"""Whether what a search believes can be trusted: bands, learning, deep kernels that over-fit."""

from __future__ import annotations

import numpy as np

COVERED = 0.95
"""Share of values that two standard deviations are to hold."""
_FEWEST = 20
"""Values left out from which a quantile of their errors is taken."""
_LIMITS = (0.9, 2.0)
"""Between which bands are rescaled: more than that says that the model is wrong."""


def band_factor(left_out: np.ndarray, parameters: int = 0) -> float:
    """By what standard deviations are multiplied, so that two of them hold 95 % of what is left
    out.

    Parameters
    ----------
    left_out : (n,) errors of values, each predicted from all the others, in standard deviations.
    parameters : of the model, which were fitted to the values that are left out as well: errors
        come out too small by √(1 − parameters / n).

    Source of the quantile, which counts the value to come: V. Vovk, A. Gammerman and G. Shafer,
    Algorithmic Learning in a Random World (2005).
    """
    size = np.abs(np.asarray(left_out, float))
    size = size[np.isfinite(size)]
    if len(size) < _FEWEST:
        return 1.0
    fitted = np.sqrt(1 - min(parameters / len(size), 0.5))
    share = min(1.0, np.ceil((len(size) + 1) * COVERED) / len(size))
    return float(np.clip(np.quantile(size, share, method="higher") / 2 / fitted, *_LIMITS))


def scores(
    mean: np.ndarray, sd: np.ndarray, truth: np.ndarray, seen: np.ndarray
) -> tuple[float, float]:
    """Root mean square error, and share within two standard deviations, where nothing was measured.

    Parameters
    ----------
    mean, sd, truth : (site,); sites without a true value do not count. seen : sites that were
        measured.
    """
    rest = np.isfinite(truth) & np.isfinite(mean)
    rest[seen] = False
    if not rest.any():
        return float("nan"), float("nan")
    off = np.abs(mean - truth)[rest]
    return float(np.sqrt((off**2).mean())), float((off <= 2 * sd[rest]).mean())
