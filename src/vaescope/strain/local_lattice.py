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
_CATCH = 0.3  # of the shorter lattice vector: a neighbour farther from its place is none
_FEWEST = 5  # neighbours without which there is no fit
_SHARE = 0.65  # of the share of neighbours that fit near the seed, below which a site is no member
_TURN = np.radians(6.0)  # by which vectors may turn from those about
_STRETCH = 0.1  # and their largest strain
_TRIES = 4
_SEEDS = 24  # failures after which a frame is left as it is
_LEAST = 1e-3  # squared spacings: holds the shifts down where a shell lacks


@dataclass
class Domain:
    """A lattice as it was followed: its ``sites`` (member,), their ``basis`` (member, 2, 2) in px,
    one name for each vector all over, and the ``share`` (member,) of neighbours that fit."""

    sites: np.ndarray
    basis: np.ndarray
    share: np.ndarray


def follow(position: np.ndarray, frame: np.ndarray, pairs: Pairs, fewest: int) -> list[Domain]:
    """Follow every lattice of at least ``fewest`` sites in every frame.

    A site may be in several domains where they meet. ``position`` (site, 2) px as (x, y).
    """
    free = np.ones(len(position), bool)
    rank = _asymmetry(pairs, len(position))
    found = []
    for number in np.unique(frame):
        rows = np.flatnonzero(frame == number)
        tree = cKDTree(position[rows])
        untried, failed = free[rows].copy(), 0
        while untried.sum() >= fewest and failed < _SEEDS:
            seed = rows[untried][rank[rows[untried]].argmin()]
            about = rows[tree.query_ball_point(position[seed], _WINDOW * pairs.nearest)]
            domain = _grow(position, pairs, about[free[about]], seed)
            if domain is not None and len(domain.sites) >= fewest:
                found.append(domain)
                free[domain.sites] = False
                untried &= free[rows]
            else:
                failed += 1
            untried[np.hypot(*(position[rows] - position[seed]).T) < 1.5 * pairs.nearest] = False
    return found


def _asymmetry(pairs: Pairs, count: int) -> np.ndarray:
    """How little (site,) the surroundings of a site look like those of the sites next to it: the
    variance of the distances to its six nearest sites, with theirs."""
    length = np.hypot(*pairs.difference.T) / pairs.nearest
    order = np.lexsort((length, pairs.start))
    near = order[np.arange(len(order)) - pairs.first[pairs.start[order]] < 6]
    number = np.maximum(np.bincount(pairs.start[near], minlength=count), 1)
    mean = np.bincount(pairs.start[near], length[near], count) / number
    square = np.bincount(pairs.start[near], length[near] ** 2, count) / number
    own = square - mean**2 + np.where(number < 6, 1.0, 0.0)
    beside = np.bincount(pairs.start, own[pairs.stop], count)
    return (own + beside) / (1 + np.bincount(pairs.start, minlength=count))


def _grow(position: np.ndarray, pairs: Pairs, about: np.ndarray, seed: int) -> Domain | None:
    """Follow the lattice of the sites ``about`` a seed; None if they have none."""
    if len(about) < _SOME:
        return None
    chosen, _ = pairs.of(about)
    first = basis_of(pairs.difference[chosen], len(about), pairs.nearest)
    if first is None:
        return None
    first = reduced(first)
    count = len(position)
    basis, share = np.full((count, 2, 2), np.nan), np.zeros(count)
    tries = np.zeros(count, int)
    near = about[np.hypot(*(position[about] - position[seed]).T) < 2.0 * pairs.nearest]
    fitted, usual = _fit(pairs, near, np.broadcast_to(first, (len(near), 2, 2)))
    good = np.isfinite(fitted).all((1, 2))
    if good.sum() < 3:
        return None
    least = _SHARE * float(np.median(usual[good]))
    # Near the seed the vectors are those of all sites about it, which are better known.
    kept = good & (usual >= least)
    new = near[kept]
    basis[new], share[new] = (fitted[kept] + first) / 2, usual[kept]
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
        fitted, part = _fit(pairs, trial, expected)
        good = (part >= least) & _alike(expected, fitted)
        new = trial[good]
        basis[new], share[new] = fitted[good], part[good]
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


def _fit(pairs: Pairs, site: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the lattice vectors about sites to their neighbours.

    As in ``neighbours.fit``, the neighbours at an even number of steps have one common shift, and
    the rest another.

    Returns
    -------
    (site, 2, 2), NaN where too few neighbours fit, and the share (site,) of the neighbours that do.
    """
    chosen, place = pairs.of(site)
    difference = pairs.difference[chosen]
    length = np.hypot(*np.moveaxis(expected, -1, 0))  # (site, vector)
    near = np.hypot(*difference.T) < _FIT * length.mean(1)[place]
    difference, place = difference[near], place[near]
    steps = np.einsum("ni,nij->nj", difference, np.linalg.inv(expected)[place])
    whole = np.rint(steps)
    left = np.einsum("ni,nij->nj", steps - whole, expected[place])
    fits = np.hypot(*left.T) < _CATCH * length.min(1)[place]
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
    return np.where(good[:, None, None], fitted, np.nan), share


def _alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    strain, turn = deformation.split(carrying(one, other))
    with np.errstate(invalid="ignore"):
        return (np.abs(turn) < _TURN) & (np.abs(strain).max(-1) < _STRETCH)
