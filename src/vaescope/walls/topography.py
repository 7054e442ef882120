"""Topography that leaks into a piezoresponse: what of it the height and its slopes surely explain.

On a slope the cantilever bends and twists, so that a share of the height and of its slopes is added
to both components of the response. It is found by least squares beside the two states and their
walls. The response also varies within domains, over distances at which heights vary too; a share
therefore counts only where parts of the picture agree in it (jackknife over blocks).

Sources: S. Jesse, B. Mirman and S. V. Kalinin, Appl. Phys. Lett. 89 (2006) 022906 (crosstalk of the
topography); H. R. Künsch, Ann. Stat. 17 (1989) 1217 (jackknife over blocks).
"""

from __future__ import annotations

import numpy as np

_EVEN = 1.0  # px, of the height, whose slopes are taken
_BEYOND = 5  # px to which it is continued beyond the rim
_FEWEST = 100  # pixels from which on the share of the topography is found
_BLOCKS = 4  # of the picture along each axis
_SURE = 6.0  # standard errors of a share, from which on it counts: domains vary with grains
_TINY = 1e-9  # of the largest singular value


def leaked(
    response: np.ndarray,
    height: np.ndarray,
    measured: np.ndarray,
    sides: np.ndarray | None = None,
) -> np.ndarray:
    """What topography adds to a response, (y, x) in its unit.

    Parameters
    ----------
    response, height : (y, x). measured : (y, x) bool.
    sides : (y, x, parameter) on which side of the walls a pixel lies; None where the response does
        not depend on it.
    """
    from scipy.ndimage import gaussian_filter

    known = measured & np.isfinite(height) & np.isfinite(response)
    if known.sum() < _FEWEST or not np.ptp(height[known]) > 0:
        return np.zeros(response.shape)
    level = np.where(np.isfinite(height), height - height[known].mean(), 0.0) / height[known].std()
    # Odd about the rim, where slopes go on.
    beyond = np.pad(level, _BEYOND, mode="reflect", reflect_type="odd")
    smooth = gaussian_filter(beyond, _EVEN)
    inside = (slice(_BEYOND, -_BEYOND),) * 2
    sources = np.stack([smooth, *np.gradient(smooth)], axis=-1)[inside]
    sources = sources / np.maximum(sources[known].std(axis=0), _TINY)
    others = [np.ones((*level.shape, 1)), *([] if sides is None else [sides])]
    share = _sure(sources, np.concatenate(others, axis=-1), response, known)
    return sources @ share


def _sure(
    sources: np.ndarray, others: np.ndarray, response: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """The share of each source (y, x, source) in a response beside others (y, x, other); zero where
    blocks of the picture do not agree in it."""
    count = sources.shape[-1]
    chosen = np.arange(count)
    block = _blocks(known.shape)[known]
    design = np.concatenate([sources, others], axis=-1)[known]
    values = response[known]
    squares = np.zeros((block.max() + 1, design.shape[1], design.shape[1]))
    products = np.zeros((block.max() + 1, design.shape[1]))
    for part in np.unique(block):
        own = design[block == part]
        squares[part], products[part] = own.T @ own, own.T @ values[block == part]
    while chosen.size:
        used = np.concatenate([chosen, np.arange(count, design.shape[1])])
        square, product = squares[:, used][:, :, used], products[:, used]
        amount = _solved(square.sum(0), product.sum(0))[: chosen.size]
        without = [
            _solved(square.sum(0) - a, product.sum(0) - b)[: chosen.size]
            for a, b in zip(square, product, strict=True)
        ]
        error = np.sqrt((len(without) - 1) * np.var(without, axis=0))
        doubt = np.abs(amount) <= _SURE * error
        if not doubt.any():
            found = np.zeros(count)
            found[chosen] = amount
            return found
        # The least sure goes first: what remains may be surer without it.
        chosen = np.delete(chosen, np.argmin(np.abs(amount) / np.maximum(error, 1e-300)))
    return np.zeros(count)


def _solved(square: np.ndarray, product: np.ndarray) -> np.ndarray:
    return np.linalg.pinv(square, rcond=_TINY, hermitian=True) @ product


def _blocks(shape: tuple[int, ...]) -> np.ndarray:
    """The number of the block in which each pixel lies, (y, x)."""
    rows, columns = (np.arange(side) * _BLOCKS // side for side in shape)
    return rows[:, None] * _BLOCKS + columns[None]
