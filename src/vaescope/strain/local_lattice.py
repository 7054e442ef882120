"""Follow a lattice from site to site: the lattice vectors about every site.

From the sites about a seed, where differences between sites gather at lattice vectors, the lattice
is followed outwards: a site belongs to it if most of its neighbours stand where the vectors of the
sites next to it lead, and its own vectors, fitted to these neighbours, turn and stretch but little.
So a bent or strained crystal stays one, however far it bends, and a vector keeps its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope import deformation
from vaescope.strain.lattice import Pairs, basis_of
from vaescope.strain.pairing import carrying, reduced

_WINDOW = 4.0  # nearest distances about a seed within which a lattice is looked for
_SOME = 12  # sites there, without which there is none
_STEP = 1.5  # spacings: sites so near are next to each other
_FIT = 2.3  # spacings within which neighbours are fitted
_CATCH = 0.3  # nearest distances: a neighbour farther from its place is none
_TAKEN = 2.8  # of the four places one step away that have a site near a seed
_FEWEST = 5  # neighbours without which there is no fit
_SHARE = 0.65  # of the share of neighbours that fit near the seed, below which a site is no member
_ONWARDS = 0.8  # the same below which the lattice is not followed further from a site
_POOR = 0.75  # of the share at the first seed, below which seeds elsewhere are tried first
_TURN = np.radians(6.0)  # by which vectors may turn from those about
_STRETCH = 0.1  # and their largest strain
_TRIES = 4
_AT_ONCE = 4  # seeds of which the one whose lattice fits most neighbours is followed
_APART = 3.0  # nearest distances between them
_SEEDS = 24  # failures after which a frame is left as it is
_LEAST = 1e-3  # squared spacings: holds the shifts down where a shell lacks


@dataclass
class Domain:
    """A lattice as it was followed: its ``sites`` (member,), their ``basis`` (member, 2, 2) in px,
    one name for each vector all over, and the ``share`` (member,) of neighbours that fit."""

    sites: np.ndarray
    basis: np.ndarray
    share: np.ndarray


@dataclass
class _Seed:
    """The lattice about a seed: its ``vectors`` (2, 2), the sites ``near`` it with their own
    ``basis`` (site, 2, 2) and ``share`` (site,), and the ``usual`` one."""

    vectors: np.ndarray
    near: np.ndarray
    basis: np.ndarray
    share: np.ndarray
    usual: float


def follow(position: np.ndarray, frame: np.ndarray, pairs: Pairs, fewest: int) -> list[Domain]:
    """Follow every lattice of at least ``fewest`` sites in every frame.

    A site may be in several domains where they meet. ``position`` (site, 2) px as (x, y).
    """
    free = np.ones(len(position), bool)
    rank = _asymmetry(pairs, len(position))
    found: list[Domain] = []
    poor: list[Domain] = []
    first = 0.0
    for number in np.unique(frame):
        rows = np.flatnonzero(frame == number)
        tree = cKDTree(position[rows])
        untried, failed = free[rows].copy(), 0
        while untried.sum() >= fewest and failed < _SEEDS:
            chosen = _calmest(position[rows], rank[rows], untried, _APART * pairs.nearest)
            seeds = []
            for seed in chosen:
                about = rows[tree.query_ball_point(position[rows[seed]], _WINDOW * pairs.nearest)]
                seeds.append(_seed(position, pairs, about[free[about]], rows[seed]))
            best = max(range(len(seeds)), key=lambda k: getattr(seeds[k], "usual", 0.0))
            start = seeds[best]
            domain = None if start is None else _grow(pairs, start, len(position))
            if domain is None or len(domain.sites) < fewest:
                failed += 1
            elif start is not None and start.usual < _POOR * first:
                failed += 1
                poor.append(domain)
            else:
                first = first or (start.usual if start else 0.0)
                found.append(domain)
                free[domain.sites] = False
                untried &= free[rows]
            away = np.hypot(*(position[rows] - position[rows[chosen[best]]]).T)
            untried[away < _APART * pairs.nearest / 2] = False
    # Another phase, of which not every atom stands on its lattice, or vectors that are none.
    for domain in sorted(poor, key=lambda each: -float(np.median(each.share))):
        if free[domain.sites].sum() >= max(fewest, _POOR * len(domain.sites)):
            found.append(domain)
            free[domain.sites] = False
    return found


def _calmest(place: np.ndarray, rank: np.ndarray, untried: np.ndarray, apart: float) -> list[int]:
    """A few untried sites of least rank, at a distance (px) from each other."""
    left = untried.copy()
    chosen: list[int] = []
    while left.any() and len(chosen) < _AT_ONCE:
        rows = np.flatnonzero(left)
        chosen.append(int(rows[rank[rows].argmin()]))
        left &= np.hypot(*(place - place[chosen[-1]]).T) > apart
    return chosen


def _asymmetry(pairs: Pairs, count: int) -> np.ndarray:
    """How unlike each other the surroundings of neighbouring sites (site,) are: the variance of the
    distances to the six nearest sites, there and next to it."""
    length = np.hypot(*pairs.difference.T) / pairs.nearest
    order = np.lexsort((length, pairs.start))
    near = order[np.arange(len(order)) - pairs.first[pairs.start[order]] < 6]
    number = np.maximum(np.bincount(pairs.start[near], minlength=count), 1)
    mean = np.bincount(pairs.start[near], length[near], count) / number
    square = np.bincount(pairs.start[near], length[near] ** 2, count) / number
    own = square - mean**2 + np.where(number < 6, 1.0, 0.0)
    beside = np.bincount(pairs.start, own[pairs.stop], count)
    return (own + beside) / (1 + np.bincount(pairs.start, minlength=count))


def _seed(position: np.ndarray, pairs: Pairs, about: np.ndarray, seed: int) -> _Seed | None:
    """Find the lattice of the sites ``about`` a seed; None if they have none."""
    if len(about) < _SOME:
        return None
    chosen, _ = pairs.of(about)
    first = basis_of(pairs.difference[chosen], len(about), pairs.nearest)
    if first is None:
        return None
    first = reduced(first)
    near = about[np.hypot(*(position[about] - position[seed]).T) < 2.0 * pairs.nearest]
    fitted, share, steps = _fit(pairs, near, np.broadcast_to(first, (len(near), 2, 2)))
    good = np.isfinite(fitted).all((1, 2))
    # In a finer lattice than the true one every site has a place, but many places have no site.
    if good.sum() < 3 or steps[good].mean() < _TAKEN:
        return None
    return _Seed(first, near[good], fitted[good], share[good], float(np.median(share[good])))


def _grow(pairs: Pairs, start: _Seed, count: int) -> Domain:
    """Follow the lattice from a seed, in an image of ``count`` sites."""
    basis, share = np.full((count, 2, 2), np.nan), np.zeros(count)
    tries = np.zeros(count, int)
    least, onwards = _SHARE * start.usual, _ONWARDS * start.usual
    kept = start.share >= least
    new = start.near[kept]
    # Near the seed the vectors are those of all sites about it, which are better known.
    basis[new], share[new] = (start.basis[kept] + start.vectors) / 2, start.share[kept]
    while new.size:
        step = _STEP * max(np.hypot(*basis[new].mean(0).T))
        chosen, _ = pairs.of(new)
        chosen = chosen[np.hypot(*pairs.difference[chosen].T) < step]
        trial = np.unique(pairs.stop[chosen])
        trial = trial[np.isnan(basis[trial, 0, 0]) & (tries[trial] < _TRIES)]
        if not trial.size:
            break
        tries[trial] += 1
        expected = _mean_beside(pairs, basis, trial, step)
        fitted, part, _ = _fit(pairs, trial, expected)
        good = (part >= least) & _alike(expected, fitted)
        new = trial[good]
        basis[new], share[new] = fitted[good], part[good]
        new = new[share[new] >= onwards]
    sites = np.flatnonzero(np.isfinite(basis[:, 0, 0]))
    return Domain(sites, basis[sites], share[sites])


def _mean_beside(pairs: Pairs, basis: np.ndarray, site: np.ndarray, step: float) -> np.ndarray:
    """Mean basis (site, 2, 2) of the members next to sites, at least one each."""
    chosen, place = pairs.of(site)
    near = np.hypot(*pairs.difference[chosen].T) < step
    near &= np.isfinite(basis[pairs.stop[chosen], 0, 0])
    chosen, place = chosen[near], place[near]
    total = np.zeros((len(site), 2, 2))
    np.add.at(total, place, basis[pairs.stop[chosen]])
    number = np.bincount(place, minlength=len(site))
    return np.asarray(total / np.maximum(number, 1)[:, None, None])


def _fit(
    pairs: Pairs, site: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the lattice vectors about sites to their neighbours.

    As in ``neighbours.fit``, the neighbours at an even number of steps have one common shift, and
    the rest another.

    Returns
    -------
    (site, 2, 2), NaN where too few neighbours fit, the share (site,) of the neighbours that do, and
    how many (site,) of them are one step along a or b away, 4 at most.
    """
    chosen, place = pairs.of(site)
    difference = pairs.difference[chosen]
    length = np.hypot(*np.moveaxis(expected, -1, 0))  # (site, vector)
    near = np.hypot(*difference.T) < _FIT * length.mean(1)[place]
    difference, place = difference[near], place[near]
    index = np.einsum("ni,nij->nj", difference, np.linalg.inv(expected)[place])
    whole = np.rint(index)
    left = np.einsum("ni,nij->nj", index - whole, expected[place])
    fits = np.hypot(*left.T) < _CATCH * pairs.nearest
    fits &= whole.any(1)
    number = np.bincount(place, minlength=len(site))
    share = np.bincount(place[fits], minlength=len(site)) / np.maximum(number, 1)
    odd = whole.sum(1) % 2
    design = np.column_stack([1 - odd, odd, whole])[fits]
    normal = np.tile(np.diag([_LEAST, _LEAST, 1e-9, 1e-9]), (len(site), 1, 1))
    np.add.at(normal, place[fits], design[:, :, None] * design[:, None, :])
    right = np.zeros((len(site), 4, 2))
    np.add.at(right, place[fits], design[:, :, None] * difference[fits][:, None, :])
    spread = np.linalg.eigvalsh(normal[:, 2:, 2:])[:, 0]
    good = (np.bincount(place[fits], minlength=len(site)) >= _FEWEST) & (spread > 1.5)
    fitted = np.linalg.solve(normal, right)[:, 2:]
    one = fits & (np.abs(whole).sum(1) == 1)
    steps = np.bincount(place[one], minlength=len(site))
    return np.where(good[:, None, None], fitted, np.nan), share, steps


def _alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    strain, turn = deformation.split(carrying(one, other))
    with np.errstate(invalid="ignore"):
        return (np.abs(turn) < _TURN) & (np.abs(strain).max(-1) < _STRETCH)
