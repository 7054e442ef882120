"""How many classes a model's content supports: groups of sites with a gap between them.

Members of an ensemble are trained on the same sites, so they agree on chance as well as on
structure: that all of them draw a border is no evidence for two classes. Evidence is a gap. Two
groups are two classes if, along the line from one to the other, far fewer sites lie between them
than in either, beyond chance, for most members (``train.valleys``). Sites start in the components
of a mixture of normals, and the two groups that are least apart become one until all are apart and
are found again by the members. So rare classes stay, and a continuous variation stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from itertools import combinations, product

import numpy as np
from scipy.spatial import cKDTree

from vaescope.models.part_settings import MOST_CLASSES
from vaescope.train.neighbourhood import chosen_rows
from vaescope.train.normals import components
from vaescope.train.valleys import Gap, gap

APART = 3.2  # standard deviations by which the valley between two classes is lower than chance
FOUND_AGAIN = 0.6  # Jaccard similarity from which a member finds a class again
ENOUGH = 0.5  # share of the members that find each class again
NEAREST = 6  # sites of a member's content that say where a site belongs
_LARGE = 0.15  # of a group, share of a component by which it may be joined with another
_SHOWN = 0.98  # share of the members' variance in the space in which sites start in groups
_DIMENSIONS = 6  # of that space, at most


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
    apart: float = APART,
    few: int = 0,
) -> Separated:
    """Sort sites into as many classes as there are gaps for.

    Parameters
    ----------
    contents : (site, latent) of every member; axes and scales may differ between members.
    most : number of classes at which merging stops at the latest.
    seed : of the choice of sites where there are more than ``LOOKED_AT``.
    among : which sites (site,) bool say how many classes there are; the others join the nearest of
        these. None: all.
    apart : standard deviations by which the valley between two classes is lower than chance.
    few : sites of a class, and fewer, of which a valley that hardly any site lies in is enough.

    Sources: J. F. Magland & A. H. Barnett, arXiv:1508.04841 (merging groups that have no gap
    between them along a line); C. Hennig, Adv. Data Anal. Classif. 4 (2010) 3 (merging components
    of a mixture); C. Hennig, Comput. Stat. Data Anal. 52 (2007) 258 (classes found
    again).
    """
    every = _combined(contents)
    rows = chosen_rows(len(every), seed, among)
    space = every[rows]
    start = components(space, seed)
    merging = _Merging(
        [np.asarray(content)[rows] for content in contents], space, start, apart, few
    )
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
    apart: float
    few: int
    component: np.ndarray = field(init=False)  # (site,) number of the group in which it started
    known: dict[tuple[int, int], _Between] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.next = int(self.label.max()) + 1
        self.component = self.label.copy()
        near = min(NEAREST, len(self.label) - 1)
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
            if len(groups) > most and weakest < self.apart:
                self._join(pair)
                continue
            similar = self._similarity(groups)
            share = (similar >= FOUND_AGAIN).mean(0)
            holds = weakest >= self.apart and share.min() >= ENOUGH
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
            if weakest >= self.apart and share.min() < ENOUGH and chosen is None:
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
        """The two groups to merge next, and how far the two are apart that are least so."""
        if len(groups) == 1:
            return (groups[0], groups[0]), float("inf")  # nothing is too near to it
        pairs = list(combinations(groups, 2))
        pair = min(pairs, key=lambda both: self._between(*both))
        return pair, min(self._between(*both).deeper for both in pairs)

    def _between(self, one: int, other: int) -> _Between:
        """What the median member sees between two groups.

        The line between the ends of a bow runs beside it. So groups are not apart either if large
        components of both pass into each other.
        """
        key = (min(one, other), max(one, other))
        if key not in self.known:
            first, second = (np.flatnonzero(self.label == group) for group in key)
            found = self._gap(first, second)
            if found.deeper >= self.apart:
                for near, beyond in product(self._large(first), self._large(second)):
                    if len(near) < len(first) or len(beyond) < len(second):
                        passing = self._gap(near, beyond)
                        if passing.deeper == 0:
                            found = passing
                            break
            way = self.space[first].mean(0) - self.space[second].mean(0)
            self.known[key] = _Between(
                found.deeper >= self.apart,
                1 - found.filled,
                float(np.linalg.norm(way)),
                found.deeper,
            )
        return self.known[key]

    def _gap(self, first: np.ndarray, second: np.ndarray) -> Gap:
        gaps = [gap(content, first, second, self.few) for content in self.contents]
        return Gap(*(float(np.median([astuple(each)[k] for each in gaps])) for k in (0, 1)))

    def _large(self, own: np.ndarray) -> list[np.ndarray]:
        """Rows of the components that have a fair share of a group."""
        parts = [own[self.component[own] == k] for k in np.unique(self.component[own])]
        return [part for part in parts if len(part) >= _LARGE * len(own)]

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
