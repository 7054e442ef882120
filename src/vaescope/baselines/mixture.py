"""Linear unmixing of spectra: end members, and the share of each in every site with its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.baselines import posterior, simplex, subspace
from vaescope.baselines.rows import Rows, blocks
from vaescope.baselines.unmixing import abundances, n_findr, vca

_STARTS = 3  # random starts of VCA among the first guesses
_EVEN = 4000  # sites among which outermost points are sought


@dataclass(frozen=True)
class Unmixed:
    """Result of ``unmix``.

    ``spectra`` (corner, channel) in units of the signal; ``shares`` (site, corner), which are not
    negative and add up to 1, with ``errors`` (site, corner), their posterior standard deviations,
    NaN where shares are those of least squares because the posterior was not found; ``amount``
    (site,) by which shares are to be multiplied, 1 where ``free`` is false.
    """

    spectra: np.ndarray
    shares: np.ndarray
    errors: np.ndarray
    amount: np.ndarray
    free: bool


def unmix(
    values: Rows,
    sites: int,
    channels: int,
    count: int,
    *,
    counts: bool,
    around: subspace.Directions | None = None,
    free: bool | None = None,
    method: str = "likelihood",
    seed: int = 0,
) -> Unmixed:
    """Unmix spectra into ``count`` end members.

    Parameters
    ----------
    values : gives spectra (site, channel) of a slice of the ``sites``, not normalised each.
    counts : whether they are counts, with Poisson noise; otherwise the noise of a channel is what
        ``count`` components leave of it.
    around : principal directions of the spectra about their mean, if they are known.
    free : whether the amount of a site is free. If not, spectra are averages of the end members.
        None: as the data have it, whether spectra fill a cone or a flat simplex.
    method : ``likelihood``, end members by maximum likelihood (``simplex.fit``), which no site has
        to consist of alone; ``n-findr`` or ``vca``: the spectra of the purest sites.
    """
    if around is None:
        average = subspace.mean_of(values, sites)
        scale = subspace.channel_scale(average, counts=counts)
        around = subspace.directions(values, sites, scale, average, count, seed)
    scale, mean = around.scale, around.mean * around.scale
    noise = None if counts else subspace.channel_noise(values, sites, around, count)
    if free is None:
        drawn = subspace.drawn(values, sites, seed)
        free = subspace.significant(drawn, scale, count, counts=counts, seed=seed) >= count
    if free:
        origin = np.zeros(channels)
        around = subspace.directions(values, sites, scale, origin, count, seed)
        around = subspace.Directions(np.zeros(channels), around.vectors, around.sizes, scale)
        points, spread, amount, back = _on_plane(
            *subspace.places(values, sites, around, count, _with_mean(noise, mean, scale)),
            around.vectors @ scale,
        )
    else:
        points, spread = subspace.places(values, sites, around, count - 1, noise)
        amount, back = np.ones(sites), None
    corners, concentration = _corners(points, spread, method, seed)
    found, error = np.zeros((2, sites, count))
    for some in blocks(sites):
        here = posterior.shares(points[some], spread[some], corners, concentration)
        found[some] = here.mean
        error[some] = np.sqrt(np.maximum(np.einsum("njj->nj", here.covariance), 0))
        lost = some.start + np.flatnonzero(~np.isfinite(here.evidence))
        if len(lost):
            found[lost], error[lost] = abundances(points[lost], corners), np.nan
    found = np.clip(np.nan_to_num(found, nan=1 / count), 0, None)
    found /= np.maximum(found.sum(1, keepdims=True), 1e-12)
    if back is None:
        spectra = (around.mean + corners @ around.vectors[: count - 1]) * scale
    else:
        spectra = (back[0] + corners @ back[1]) @ around.vectors * scale
    return Unmixed(np.maximum(spectra, 0) if counts else spectra, found, error, amount, free)


def _with_mean(noise: np.ndarray | None, mean: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """Variances (channel,) for places that are not counted from the mean."""
    return (mean / scale**2 + 1e-9) if noise is None else noise


def _on_plane(
    place: np.ndarray, spread: np.ndarray, total: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Spectra divided by their sum over all channels: a plane with one dimension less.

    Parameters
    ----------
    place : (site, count) on directions. spread : their covariance. total : (count,) sum over all
        channels of each direction.

    Returns
    -------
    Points (site, count − 1), their covariance, the amount (site,), and the way back: a point of the
    plane and its axes (count − 1, count).
    """
    amount = place @ total
    least = 1e-3 * max(float(np.median(amount)), 1e-30)
    amount = np.maximum(amount, least)
    flat = place / amount[:, None]
    middle = total / (total @ total)
    axes = np.linalg.svd(total[None])[2][1:]
    points = (flat - middle) @ axes.T
    by_place = (axes[None] - np.einsum("ad,nd,e->nae", axes, flat, total)) / amount[:, None, None]
    noise = np.einsum("nad,nde,nbe->nab", by_place, spread, by_place)
    return points, noise, amount, (middle, axes)


def _corners(
    points: np.ndarray, spread: np.ndarray, method: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Corners (corner, dimension) and the concentrations of their shares."""
    count = points.shape[1] + 1
    # Sites with little signal lie far out by their noise alone.
    error = np.trace(spread, axis1=1, axis2=2)
    usable = np.flatnonzero(error <= 4 * np.median(error))
    rng = np.random.default_rng(seed)
    some = rng.permutation(usable)[:_EVEN]
    points_seen = points[some]
    even = np.ones(count)
    outermost = points_seen[n_findr(points_seen, seed)]
    if method == "n-findr":
        return outermost, even
    raised = np.concatenate([np.full((len(some), 1), np.abs(points_seen).max()), points_seen], 1)
    purest = [points_seen[vca(raised, seed + k)] for k in range(_STARTS)]
    if method == "vca":
        return purest[0], even
    volumes = [abs(np.linalg.det(one[1:] - one[0])) for one in purest]
    found = simplex.fit(
        points_seen, spread[some], [outermost, purest[int(np.argmax(volumes))]], seed
    )
    return found.corners, found.concentration
