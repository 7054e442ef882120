"""How many classes a model's content supports: groups of sites with a gap between them.

Members of an ensemble are trained on the same sites, so they agree on chance as well as on
structure: that all of them draw a border is no evidence for two classes. Evidence is a gap. Two
groups are two classes if, along the line that separates them best, far fewer sites lie between
them than in either, beyond chance, for most members. Sites start in many small groups, the peaks of
their density, and the two groups that are least apart become one until all are apart and are found
again by the members. So rare classes stay, and a continuous variation stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from vaescope.models.part_settings import MOST_CLASSES
from vaescope.train.density import chosen_rows, density_modes

APART = 3.2  # standard deviations by which the valley between two classes is lower than chance
VALLEY = 0.5  # of the lower of two peaks, which the density of sites falls below between classes
FOUND_AGAIN = 0.6  # Jaccard similarity from which a member finds a class again
ENOUGH = 0.5  # share of the members that find each class again
NEAREST = 6  # sites of a member's content that say where a site belongs
_STARTS = 400  # groups in which sites start, at most
_SHOWN = 0.98  # share of the members' variance in the space in which sites start in groups
_DIMENSIONS = 6  # of that space, at most
_ACROSS = 0.25  # of the window in which sites are counted, from one place to the next


@dataclass
class Separated:
    """Classes of the sites, and what each smaller or larger number of them would be like."""

    label: np.ndarray  # (site,) class, largest first
    stability: np.ndarray  # (class,) mean Jaccard similarity with what each member finds
    number: np.ndarray  # (number,) 1, 2, … of classes
    separation: np.ndarray  # (number,) of the two least apart, standard deviations; NaN of one
    found_again: np.ndarray  # (number,) share of the members that find the least stable class
    more: bool  # there are more than could be told apart

    @property
    def count(self) -> int:
        """Number of classes that the content supports."""
        return len(self.stability)


def separated(
    contents: Sequence[np.ndarray],
    most: int = MOST_CLASSES,
    seed: int = 0,
    among: np.ndarray | None = None,
) -> Separated:
    """Sort sites into as many classes as there are gaps for.

    Parameters
    ----------
    contents : (site, latent) of every member; axes and scales may differ between members.
    most : number of classes at which merging stops at the latest.
    seed : of the choice of sites where there are more than ``LOOKED_AT``.
    among : which sites (site,) bool say how many classes there are; the others join the nearest of
        these. None: all.

    Sources: J. F. Magland & A. H. Barnett, arXiv:1508.04841 (merging groups that have no gap
    between them along a line); C. Hennig, Comput. Stat. Data Anal. 52 (2007) 258 (classes found
    again).
    """
    every = _combined(contents)
    rows = chosen_rows(len(every), seed, among)
    space = every[rows]
    start, _ = density_modes(space, np.zeros_like(space), most=_STARTS)
    placed = start >= 0
    start = start[placed][cKDTree(space[placed]).query(space)[1]]
    merging = _Merging([np.asarray(content)[rows] for content in contents], space, start)
    found = merging.run(most)
    if len(rows) < len(every):
        found.label = found.label[cKDTree(space).query(every)[1]]
    return found


def class_shares(content: np.ndarray, label: np.ndarray, seed: int = 0) -> np.ndarray:
    """Probability (site, class) of the class of each site by a member's content (site, latent):
    the share of its nearest sites that are labelled so, itself not counted."""
    classes = int(label.max()) + 1
    rows = chosen_rows(len(content), seed)
    scale = content.std(0) + 1e-12
    near = min(NEAREST, len(rows) - 1)
    index = cKDTree(content[rows] / scale).query(content / scale, near + 1)[1]
    own = rows[index] == np.arange(len(content))[:, None]
    own[~own.any(1), -1] = True  # of equal or unlabelled sites, the farthest is left out
    index = rows[index[~own].reshape(len(content), near)]
    return np.eye(classes)[label[index]].mean(1)


@dataclass(frozen=True)
class Gap:
    """What is between two groups: how much ``deeper`` it is than the sparser of the two, in
    standard deviations of chance (0 if it is not clearly lower), and how far it is ``filled``, as a
    share of that."""

    deeper: float
    filled: float


def valley(one: np.ndarray, other: np.ndarray) -> Gap:
    """How much emptier a line is between two samples than in them.

    A sample's density is that of its middle half. Sites between are counted in windows as wide as
    the middle half of the narrower sample. The square root of a count scatters by one half,
    whatever the count.
    """
    low, high = sorted((float(np.median(one)), float(np.median(other))))
    halves = [max(2 * _deviation(sample), 1e-6 * (high - low), 1e-300) for sample in (one, other)]
    width = min(halves)
    dense = min(
        len(sample) / 2 * width / half for sample, half in zip((one, other), halves, strict=True)
    )
    line = np.sort(np.concatenate([one, other]))
    steps = int(np.clip((high - low) / (_ACROSS * width), 2, 400)) + 1
    centre = np.linspace(low, high, steps)
    above = np.searchsorted(line, centre + width / 2, "right")
    least = float((above - np.searchsorted(line, centre - width / 2, "left")).min())
    filled = least / max(dense, 1e-12)
    return Gap(float(2**0.5 * (dense**0.5 - least**0.5)) if filled <= VALLEY else 0.0, filled)


def _deviation(values: np.ndarray) -> float:
    return float(np.median(np.abs(values - np.median(values))))


def gap(content: np.ndarray, one: np.ndarray, other: np.ndarray) -> Gap:
    """``valley`` between two groups (rows) along the line that separates them best in a member's
    content (Fisher's discriminant)."""
    first, second = content[one], content[other]
    within = np.atleast_2d(np.cov(first.T, bias=True) + np.cov(second.T, bias=True)) / 2
    floor = 1e-3 * float(np.trace(within)) / len(within) + 1e-12
    line = np.linalg.solve(within + floor * np.eye(len(within)), second.mean(0) - first.mean(0))
    return valley(first @ line, second @ line)


def _combined(contents: Sequence[np.ndarray]) -> np.ndarray:
    """Principal components (site, component) of the contents of all members side by side, each at
    the same total variance: no member's axes have to mean the same as another's."""
    scaled = []
    for content in contents:
        centred = np.asarray(content, float) - np.mean(content, axis=0)
        scaled.append(centred / (float(centred.var(0).sum()) ** 0.5 + 1e-12))
    left, size, _ = np.linalg.svd(np.concatenate(scaled, 1), full_matrices=False)
    shown = np.cumsum(size**2) / max(float((size**2).sum()), 1e-300)
    wanted = int((shown < _SHOWN).sum()) + 1
    return (left * size)[:, : min(wanted, _DIMENSIONS)]


@dataclass(frozen=True, order=True)
class _Between:
    """Two groups, in the order in which they are merged: what is not apart first, of that the
    fullest valley."""

    apart: bool
    emptiness: float  # 1 less the share to which the valley is filled
    distance: float
    deeper: float


@dataclass
class _Merging:
    """Groups of sites on their way to classes."""

    contents: list[np.ndarray]
    space: np.ndarray
    label: np.ndarray  # (site,) number of the group
    known: dict[tuple[int, int], _Between] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next = int(self.label.max()) + 1
        near = min(NEAREST, len(self.label) - 1)
        self.beside = cKDTree(self.space).query(self.space, near + 1)[1][:, 1:]
        self.near = []
        for content in self.contents:
            scaled = content / (content.std(0) + 1e-12)
            self.near.append(cKDTree(scaled).query(scaled, near + 1)[1][:, 1:])

    def run(self, most: int) -> Separated:
        """Merge down to one group, and retain the first state in which all are classes."""
        chosen, more = None, False
        numbers, separation, again = [], [], []
        while True:
            groups = np.unique(self.label).tolist()
            pair, weakest = self._weakest(groups)
            if len(groups) > most and weakest < APART:
                self._join(pair)
                continue
            similar = self._similarity(groups)
            share = (similar >= FOUND_AGAIN).mean(0)
            holds = weakest >= APART and share.min() >= ENOUGH
            if holds and chosen is None and len(groups) > most:
                more = True
            if len(groups) <= most:
                numbers.append(len(groups))
                separation.append(weakest)
                again.append(float(share.min()))
                if chosen is None and (holds or more):
                    chosen = self.label.copy(), similar.mean(0)
            if len(groups) == 1:
                break
            if weakest >= APART and share.min() < ENOUGH and chosen is None:
                lost = groups[int(share.argmin())]
                pair = min(
                    ((lost, other) for other in groups if other != lost),
                    key=lambda both: self._between(*both),
                )
            self._join(pair)
        assert chosen is not None, "a single class always holds"
        label, stability = chosen
        _, index, size = np.unique(label, return_inverse=True, return_counts=True)
        order = np.argsort(-size, kind="stable")
        rank = np.argsort(order, kind="stable")
        return Separated(
            label=rank[index],
            stability=stability[order],
            number=np.array(numbers[::-1]),
            separation=np.where(np.isinf(separation[::-1]), np.nan, separation[::-1]),
            found_again=np.array(again[::-1]),
            more=more,
        )

    def _join(self, pair: tuple[int, int]) -> None:
        """Make one group of two."""
        self.label[np.isin(self.label, pair)] = self.next
        self.next += 1

    def _weakest(self, groups: list[int]) -> tuple[tuple[int, int], float]:
        """The two groups to merge next, and how far the two are apart that are least so.

        Groups that are no neighbours lie farther apart than each from what is between them.
        """
        if len(groups) == 1:
            return (groups[0], groups[0]), float("inf")  # nothing is too near to it
        index = np.searchsorted(groups, self.label)
        touch = np.zeros((len(groups), len(groups)), bool)
        touch[np.repeat(index, self.beside.shape[1]), index[self.beside.ravel()]] = True
        middle = np.stack([self.space[index == k].mean(0) for k in range(len(groups))])
        nearest = cKDTree(middle).query(middle, 2)[1]
        touch[nearest[:, 0], nearest[:, 1]] = True
        touch |= touch.T
        pairs = [(groups[one], groups[other]) for one, other in np.argwhere(np.tril(touch, -1))]
        pair = min(pairs, key=lambda both: self._between(*both))
        return pair, min(self._between(*both).deeper for both in pairs)

    def _between(self, one: int, other: int) -> _Between:
        """What the median member sees between two groups."""
        key = (min(one, other), max(one, other))
        if key not in self.known:
            first, second = (np.flatnonzero(self.label == group) for group in key)
            gaps = [gap(content, first, second) for content in self.contents]
            deeper = float(np.median([each.deeper for each in gaps]))
            filled = float(np.median([each.filled for each in gaps]))
            way = self.space[first].mean(0) - self.space[second].mean(0)
            distance = float(np.linalg.norm(way))
            self.known[key] = _Between(deeper >= APART, 1 - filled, distance, deeper)
        return self.known[key]

    def _similarity(self, groups: list[int]) -> np.ndarray:
        """Jaccard similarity (member, group) of each group with the sites that most of their
        neighbours in a member's content put there."""
        index = np.searchsorted(groups, self.label)
        own = np.eye(len(groups), dtype=bool)[index]
        found = []
        for near in self.near:
            votes = np.eye(len(groups))[index[near]].sum(1)
            seen = np.eye(len(groups), dtype=bool)[votes.argmax(1)]
            found.append((own & seen).sum(0) / np.maximum((own | seen).sum(0), 1))
        return np.array(found)
