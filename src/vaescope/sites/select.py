"""Choose which maxima of a filtered image are sites: one threshold for a whole frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope.sites.detect import Candidates
from vaescope.sites.scale import Scale
from vaescope.sites.skewness import mirrored

CLOSEST = 0.45  # of the spacing: of two maxima nearer than this the weaker is dropped
# Local contrast is measured against at least this share of the strongest region, so that in an
# empty region nothing is compared with its own noise only.
_CONTRAST_FLOOR = 0.1
_NOISE_SHARE = 0.02  # of the sites of a crystal that white noise alone may make
# Closer and narrower atoms than this (px) look like noise to an estimate from differences of
# pixels; their threshold is the valley alone.
_NOISE_SPACING, _NOISE_WIDTH = 8.0, 2.0
_VALLEY = (0.15, 0.4)  # where the threshold of a crystal is sought, relative to its strong sites
_ROUGHER = 1.25  # times the usual spread, from which on a vicinity is judged by its own
_FALSE_SHARE = 0.05  # of sites without order that may be noise
_SKEWED = 1.5  # times the deepest minimum, to which noise may rise where it is skewed
_EMPTY = 0.5  # of the density of the scores of sites, at most, between these and noise
# Times as high as minima of the same rank are deep: bare textures reached 1.35, at three counts,
# and heavy atoms on a thick support were at 1.37; what is between is left to findings.
_CLEAR = 1.25


@dataclass(frozen=True)
class Selected:
    """Sites chosen among the maxima of a frame; ``score`` (site,) about 1 for a strong site.

    ``clear`` : without order, how many times higher the median site is than minima of the same rank
    are deep; else not a number.
    """

    sites: Candidates
    score: np.ndarray
    clear: float = np.nan


def select(
    found: Candidates,
    depths: np.ndarray,
    scale: Scale,
    *,
    area: float,
    threshold: float | None = None,
    skewed: float = 0.0,
) -> Selected:
    """Choose the sites among the maxima of a frame.

    In a crystal, a maximum counts by its height over the local contrast, so that the dim side of an
    interface is judged by itself; the threshold lies in the emptiest place between noise and
    sites. Without order, sites are few and noise is everywhere: the depths of the minima say
    how high noise goes, and the threshold leaves a share of 5 % of false sites, or fewer where a
    little higher there is a gap. The bright spots of a texture are a little higher than its dark
    ones are deep: there is no site unless sites are clearly so.

    Parameters
    ----------
    depths : (2, minimum) as `detect.candidates` gives them.
    area : of the frame, in squares of the filter's blob.
    threshold : share of a strong site's score below which a maximum is dropped; None: as above.
    skewed : third cumulant of the filtered noise, by which it rises higher than it falls.
    """
    if not len(found.y):
        return Selected(found, np.zeros(0))
    clear = np.nan
    if scale.periodic:
        strongest = np.percentile(found.contrast, 95)
        contrast = np.hypot(found.contrast, _CONTRAST_FLOOR * strongest)
        score = found.height / contrast
        score = score / np.percentile(score, 90)
        keep = np.ones(len(found.y), bool)
        if scale.spacing >= _NOISE_SPACING or scale.width >= _NOISE_WIDTH:
            ratio = found.height / np.maximum(found.noise, np.finfo(float).tiny)
            keep = ratio > _noise_factor(ratio, area)
        lowest = _valley(score[keep]) if threshold is None else threshold
    else:
        keep = np.ones(len(found.y), bool)
        # Where noise or texture is stronger than elsewhere, more is needed.
        usual = _ROUGHER * float(np.median(found.spread))
        height = found.height / np.maximum(found.spread, usual)
        depth = mirrored(depths[0], depths[1], skewed)
        depth = depth / np.maximum(depths[1], usual) / np.percentile(height, 99)
        score = height / np.percentile(height, 99)
        lowest, clear = _decoy(score, depth) if threshold is None else (threshold, np.nan)
    keep &= score >= lowest
    found, score = found.where(keep), score[keep]
    alone = apart(np.stack([found.y, found.x], axis=1), score, CLOSEST * scale.spacing)
    return Selected(found.where(alone), score[alone], clear)


def _noise_factor(ratio: np.ndarray, area: float) -> float:
    """Compute by how many standard deviations a site of a crystal must exceed white noise.

    The expected number of maxima of filtered white noise above u deviations is
    area × 1.5 / (2 pi)^1.5 × u exp(-u^2 / 2), the second spectral moment of a Laplacian
    of Gaussian being 1.5 per axis; that may be 2 % of the sites.

    Source: R. J. Adler, The Geometry of Random Fields (1981), chapter 6.
    """
    for level in np.arange(2.5, 5.0, 0.1):
        noise = area * 1.5 / (2 * np.pi) ** 1.5 * level * np.exp(-(level**2) / 2)
        if noise <= _NOISE_SHARE * (ratio > level).sum():
            return float(level)
    return 5.0


def _valley(score: np.ndarray) -> float:
    """Find the emptiest interval of scores between noise and strong sites."""
    grid = np.linspace(np.log(_VALLEY[0]), np.log(_VALLEY[1]), 51)
    logs = np.log(np.maximum(score, 1e-6))
    density = np.exp(-0.5 * ((grid[:, None] - logs[None, :]) / 0.1) ** 2).sum(axis=1)
    # In an empty stretch the middle is as safe as it gets.
    least = np.flatnonzero(density <= density.min() + 0.05)
    return float(np.exp(grid[least[len(least) // 2]]))


def _decoy(score: np.ndarray, depth: np.ndarray) -> tuple[float, float]:
    """Find the lowest threshold at which, judged by minima as decoys, few of the sites are noise;
    with it, ``Selected.clear``.

    One more decoy than there are is counted, so that chance alone makes no sites; a few lonely
    atoms are found by being twice as high as the deepest minimum.

    Source: L. Käll et al., Journal of Proteome Research 7 (2008) 29 (decoys).
    """
    order, deepest = np.sort(score), np.sort(depth)
    above = len(order) - np.arange(len(order))
    false = len(depth) - np.searchsorted(deepest, order)
    good = np.flatnonzero(false + 1 <= _FALSE_SHARE * above)
    if not len(depth):
        return (float(order[good[0]]) if len(good) else np.inf), np.nan
    if len(good):
        lowest = _emptiest(order, float(order[good[0]]), _SKEWED * float(deepest[-1]))
        sites = order[order >= lowest]
        clear = float(np.median(sites) / np.median(deepest[-len(sites) :]))
        if clear >= _CLEAR:
            return lowest, clear
    return 2 * float(deepest[-1]), np.nan


def _emptiest(score: np.ndarray, lowest: float, highest: float) -> float:
    """Find the emptiest place between two thresholds, if the sites above it stand out from noise:
    the lower one where there is no such place.

    Noise of few counts, or of a support of uneven thickness, rises higher than its minima are deep,
    and some of it lies above the lower threshold.
    """
    if highest <= lowest:
        return lowest
    logs = np.log(score[score > lowest / 2])
    grid = np.arange(np.log(lowest), logs.max() + 0.01, 0.01)
    density = np.exp(-0.5 * ((grid[:, None] - logs) / 0.1) ** 2).sum(axis=1)
    within = density[grid <= np.log(highest)]
    least = int(np.argmin(within))
    if within[least] > _EMPTY * density[least:].max():
        return lowest
    empty = np.flatnonzero(within <= within[least] + 0.05)
    return float(np.exp(grid[empty[len(empty) // 2]]))


def apart(position: np.ndarray, score: np.ndarray, closest: float) -> np.ndarray:
    """Remove the weaker of any two sites that are too close: a mask of the others."""
    keep = np.ones(len(position), bool)
    if len(position) < 2:
        return keep
    pairs = cKDTree(position).query_pairs(closest, output_type="ndarray")
    if not len(pairs):
        return keep
    swap = score[pairs[:, 0]] < score[pairs[:, 1]]
    pairs[swap] = pairs[swap][:, ::-1]
    for strong, weak in pairs[np.lexsort((pairs[:, 1], pairs[:, 0], -score[pairs[:, 0]]))]:
        if keep[strong]:
            keep[weak] = False
    return keep
