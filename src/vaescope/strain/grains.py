"""Divide the sites of an image into grains: regions in which the lattice turns only gradually.

A lattice is followed from site to site (``local_lattice``), and parted where its orientation steps
within a few spacings, as at a boundary of small angle. Parts with the same lattice in the same
orientation where they face each other are one grain, also across a gap or in another frame. Strain
may step as it likes: a film on its substrate is one grain.

Source of the idea of grains as regions that are connected by small misorientations: electron
backscatter diffraction, see F. Bachmann, R. Hielscher & H. Schaeben, Ultramicroscopy 111 (2011)
1720.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from vaescope import deformation
from vaescope.strain.lattice import Lattice, Pairs, find_pairs
from vaescope.strain.local_lattice import Domain, follow
from vaescope.strain.pairing import carrying, relate, size

FEWEST = 30  # sites without which there is no telling a lattice
_SAME = np.radians(4.0)  # misorientation below which facing parts are one grain
_STRETCH = 0.12  # norm of the strain between parts of one grain
_BESIDE = 1.5  # spacings: sites so near are next to each other
_AROUND = 2.1  # spacings about a site over which its lattice is compared
_RESTLESS = np.radians(3.5)  # range of turns (and strains) there, beyond which it is no calm place
_TIMES = 2.5  # and how much more than the usual range
_CORE = 12  # sites without which a calm region is none
_FACING = 15  # sites of a part, nearest to another one, that are compared with it
_FACED = 2.3  # spacings: a site so near to another grain's may be of that one
_OFF, _OUTLIER = 0.06, 4.0  # spacings that it may be out of place; times the usual ones
_NEXT = 1.15  # lattice vectors: a grain whose site is so near is next to this one
_COARSE = 6  # steps across a spacing in which the region of a grain is drawn
_CONTESTED = 1.3  # a site between two parts, nearer to one by less than this, is of neither


@dataclass
class Grain:
    """One grain: its ``sites`` (member,) among all, sorted, and their ``lattice``, whose pairs are
    numbered by the member."""

    sites: np.ndarray
    lattice: Lattice


def find_grains(position: np.ndarray, frame: np.ndarray) -> list[Grain]:
    """Find the grains of an image or movie, the largest first; none where there is no lattice.

    Parameters
    ----------
    position : (site, 2) px as (x, y).
    frame : (site,) the frame of each site; neighbours are of one frame.
    """
    if len(position) < FEWEST:
        return []
    pairs = find_pairs(position, frame)
    if pairs is None:
        return []
    domains = _uncontested(follow(position, frame, pairs, FEWEST), len(position))
    parts = [part for each in domains for part in _parted(each, position, pairs)]
    grains = _joined([part for part in parts if len(part.sites) >= _CORE], position, frame)
    grains = _without_strangers(grains, pairs)
    grains = [each for each in grains if len(each.sites) >= FEWEST]
    return [_grain(each, pairs) for each in sorted(grains, key=lambda each: -len(each.sites))]


def labels(grains: list[Grain], count: int) -> np.ndarray:
    """Number (site,) of the grain of every site, from 0; -1 where it is of none."""
    label = np.full(count, -1)
    for k, grain in enumerate(grains):
        label[grain.sites] = k
    return label


def at_boundary(
    grain: Grain, grains: list[Grain], position: np.ndarray, frame: np.ndarray
) -> np.ndarray:
    """Members (member,) bool of a grain with a site of another one next to them.

    ``position`` (site, 2) px and ``frame`` (site,) of all sites.
    """
    others = [other.sites for other in grains if other is not grain]
    if not others:
        return np.zeros(len(grain.sites), bool)
    reach = _NEXT * float(np.hypot(*grain.lattice.vectors.T).max())
    place = np.column_stack([position, frame * 1e6 * reach])  # frames lie out of reach
    tree = cKDTree(place[np.concatenate(others)])
    away, _ = tree.query(place[grain.sites], distance_upper_bound=reach)
    return np.asarray(np.isfinite(away))


def region_of(
    position: np.ndarray, member: np.ndarray, shape: tuple[int, ...], spacing: float
) -> np.ndarray:
    """The pixels (height, width) bool of an image that are nearer to members of a grain than to
    other sites, and within a spacing of them.

    Parameters
    ----------
    position : (site, 2) px as (x, y), of all sites of the image.
    member : (site,) bool, those of the grain.
    """
    step = max(int(spacing / _COARSE), 1)
    rows, across = (np.arange(0, side, step) + (step - 1) / 2 for side in shape)
    grid = np.stack(np.meshgrid(across, rows), -1).reshape(-1, 2)
    away, nearest = cKDTree(position).query(grid)
    inside = (member[nearest] & (away < spacing)).reshape(len(rows), len(across))
    whole = np.repeat(np.repeat(inside, step, axis=0), step, axis=1)
    return np.asarray(whole[: shape[0], : shape[1]])


def _uncontested(domains: list[Domain], count: int) -> list[Domain]:
    """Give every site to the domain in which most of its neighbours fit."""
    best, owner = np.zeros(count), np.full(count, -1)
    for k, domain in enumerate(domains):
        more = domain.share > best[domain.sites]
        best[domain.sites[more]], owner[domain.sites[more]] = domain.share[more], k
    kept = []
    for k, domain in enumerate(domains):
        own = owner[domain.sites] == k
        kept.append(Domain(domain.sites[own], domain.basis[own], domain.share[own]))
    return [domain for domain in kept if len(domain.sites) >= _CORE]


def _without_strangers(grains: list[Domain], pairs: Pairs) -> list[Domain]:
    """Leave out sites at boundaries that stand near a place of a lattice, but not on it."""
    owner = np.full(len(pairs.first) - 1, -1)
    for k, grain in enumerate(grains):
        owner[grain.sites] = k
    kept = []
    for k, grain in enumerate(grains):
        chosen, place = pairs.of(grain.sites)
        near = np.hypot(*pairs.difference[chosen].T) < _FACED * _spacing(grain)
        foreign = near & (owner[pairs.stop[chosen]] != k)
        faced = np.bincount(place[foreign], minlength=len(grain.sites)) > 0
        inside = near & ~foreign
        chosen, place = chosen[inside], place[inside]
        steps = np.einsum("ni,nij->nj", pairs.difference[chosen], np.linalg.inv(grain.basis)[place])
        left = np.einsum("ni,nij->nj", steps - np.rint(steps), grain.basis[place])
        number = np.maximum(np.bincount(place, minlength=len(grain.sites)), 1)
        mean = np.stack([np.bincount(place, part, len(grain.sites)) for part in left.T], 1)
        off = np.hypot(*(mean / number[:, None]).T)
        stays = ~faced | (off < max(_OFF * _spacing(grain), _OUTLIER * float(np.median(off))))
        kept.append(Domain(grain.sites[stays], grain.basis[stays], grain.share[stays]))
    return kept


def _spacing(domain: Domain) -> float:
    """Usual length in px of the lattice vectors."""
    return float(np.median(np.hypot(*np.moveaxis(domain.basis, -1, 0))))


def _beside(domain: Domain, pairs: Pairs, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Members (pair,) within ``reach`` spacings of each other, numbered from 0."""
    number = np.full(len(pairs.first) - 1, -1)
    number[domain.sites] = np.arange(len(domain.sites))
    near = np.hypot(*pairs.difference.T) < reach * _spacing(domain)
    start, stop = number[pairs.start[near]], number[pairs.stop[near]]
    inside = (start >= 0) & (stop >= 0)
    return start[inside], stop[inside]


def _parted(domain: Domain, position: np.ndarray, pairs: Pairs) -> list[Domain]:
    """Part a domain where its orientation steps."""
    place = position[domain.sites]
    start, stop = _beside(domain, pairs, _BESIDE)
    cores = _cores(domain, start, stop, *_beside(domain, pairs, _AROUND))
    if len(cores) < 2:
        return [domain]
    groups = _grouped(cores, place, domain.basis)
    if len(groups) < 2:
        return [domain]
    away = np.stack([cKDTree(place[group]).query(place)[0] for group in groups], 1)
    nearest, second = np.sort(away, axis=1)[:, :2].T
    own = np.where(second > _CONTESTED * nearest, away.argmin(1), -1)
    return [
        Domain(domain.sites[own == k], domain.basis[own == k], domain.share[own == k])
        for k in range(len(groups))
    ]


def _cores(
    domain: Domain, start: np.ndarray, stop: np.ndarray, middle: np.ndarray, around: np.ndarray
) -> list[np.ndarray]:
    """Regions, each the numbers of its members, within which the lattice changes only gradually.

    ``start`` and ``stop`` (pair,): members next to each other; ``middle`` and ``around`` (pair,): a
    member and those over which its lattice is compared.
    """
    count = len(domain.sites)
    strain, turn = deformation.split(carrying(np.median(domain.basis, axis=0), domain.basis))
    values = np.column_stack([strain, turn])
    smooth = values.copy()
    np.add.at(smooth, start, values[stop])
    smooth /= (1 + np.bincount(start, minlength=count))[:, None]
    high, low = smooth.copy(), smooth.copy()
    np.maximum.at(high, middle, smooth[around])
    np.minimum.at(low, middle, smooth[around])
    span = high - low
    usual = _TIMES * np.median(span, axis=0)
    quiet = (span <= np.maximum(_RESTLESS, usual)).all(1)
    both = quiet[start] & quiet[stop]
    graph = coo_array((np.ones(both.sum()), (start[both], stop[both])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    sizes = np.bincount(label[quiet], minlength=label.max() + 1)
    return [np.flatnonzero(quiet & (label == k)) for k in np.flatnonzero(sizes >= _CORE)]


def _grouped(cores: list[np.ndarray], place: np.ndarray, basis: np.ndarray) -> list[np.ndarray]:
    """Put regions (each the numbers of its members) together whose lattices are alike where they
    face each other."""
    linked = np.eye(len(cores), dtype=bool)
    for i in range(len(cores)):
        for j in range(i):
            ends = _facing(place[cores[i]], place[cores[j]])
            sides = [cores[k][end] for k, end in zip((i, j), ends, strict=True)]
            one, other = (np.median(basis[side], axis=0) for side in sides)
            strain, turn = deformation.split(carrying(one, other))
            linked[i, j] = abs(turn) < _SAME
            if size(strain) > _STRETCH:  # the same vectors, or others that happen to lie near them?
                linked[i, j] &= abs(relate(one, other)[2]) < _SAME
    _, label = connected_components(linked, directed=False)
    return [
        np.concatenate([core for core, own in zip(cores, label, strict=True) if own == k])
        for k in range(label.max() + 1)
    ]


def _facing(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The members (member, 2) px of each of two parts that are nearest to the other part."""
    away = cKDTree(other).query(one)[0]
    back = cKDTree(one).query(other)[0]
    return np.argsort(away, kind="stable")[:_FACING], np.argsort(back, kind="stable")[:_FACING]


def _joined(parts: list[Domain], position: np.ndarray, frame: np.ndarray) -> list[Domain]:
    """Join parts that have one lattice in one orientation, and name their vectors alike."""
    grains: list[Domain] = []
    for part in sorted(parts, key=lambda each: -len(each.sites)):
        for k, grain in enumerate(grains):
            change = _same_grain(grain, part, position, frame)
            if change is not None:
                grains[k] = Domain(
                    np.concatenate([grain.sites, part.sites]),
                    np.concatenate([grain.basis, change @ part.basis]),
                    np.concatenate([grain.share, part.share]),
                )
                break
        else:
            grains.append(part)
    return grains


def _same_grain(
    grain: Domain, part: Domain, position: np.ndarray, frame: np.ndarray
) -> np.ndarray | None:
    """The change of basis by which a part belongs to a grain; None if it does not."""
    common = np.isin(frame[grain.sites], frame[part.sites])
    one, other = grain.basis, part.basis
    if common.any():
        # Next to a boundary vectors are drawn towards those beyond.
        calm = [common & _whole(grain), _whole(part)]
        sides = [np.flatnonzero(each) for each in calm]
        if min(len(side) for side in sides) >= _CORE:
            ends = _facing(position[grain.sites[sides[0]]], position[part.sites[sides[1]]])
            one, other = one[sides[0][ends[0]]], other[sides[1][ends[1]]]
    change, strain, turn = relate(np.median(one, axis=0), np.median(other, axis=0))
    return change if abs(turn) < _SAME and size(strain) < _STRETCH else None


def _whole(domain: Domain) -> np.ndarray:
    """Members (member,) bool with at least as many neighbours that fit as most others."""
    return np.asarray(domain.share >= np.median(domain.share))


def _grain(domain: Domain, pairs: Pairs) -> Grain:
    """A grain with its lattice: the median of its vectors, and the pairs of its own sites."""
    order = np.argsort(domain.sites)
    sites, basis = domain.sites[order], domain.basis[order]
    vectors = np.median(basis, axis=0)
    number = np.full(len(pairs.first) - 1, -1)
    number[sites] = np.arange(len(sites))
    start, stop = number[pairs.start], number[pairs.stop]
    inside = (start >= 0) & (stop >= 0)
    lattice = Lattice(
        vectors, carrying(vectors, basis), start[inside], stop[inside], pairs.difference[inside]
    )
    return Grain(sites, lattice)
