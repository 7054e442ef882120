"""Which classes the members of an ensemble find again, and what to do with those they do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.ensemble.blocks import blocks

DISSOLVED = 0.5  # mean Jaccard similarity up to which a class counts as not found again


def stability(probability: np.ndarray, among: list[int] | None = None) -> np.ndarray:
    """How far the members agree which sites belong to each class.

    Parameters
    ----------
    probability : (member, site, class), classes matched between members.
    among : classes that count; a site is compared between two members only if both put it into
        one of these. None: all.

    Returns
    -------
    (among,) Jaccard similarity of the class between two members, sites in both over sites in
    either, averaged over the pairs in which at least one uses it; 0 for a class that no member
    uses, since nobody finds it, and 1 for a single member.

    Source: Hennig, Comput. Stat. Data Anal. 52 (2007) 258.
    """
    members, sites, classes = probability.shape
    chosen = list(range(classes)) if among is None else among
    if members < 2:
        return np.ones(len(chosen))
    both, size = (np.zeros((members, members, len(chosen))) for _ in range(2))
    for rows in blocks(sites):
        own = np.eye(classes)[probability[:, rows].argmax(2)][:, :, chosen]
        both += np.einsum("msk,nsk->mnk", own, own)
        size += np.einsum("msk,ns->mnk", own, own.sum(2))
    either = size + size.swapaxes(0, 1) - both
    pair = np.triu_indices(members, 1)
    both, either = both[pair], either[pair]
    similarity = both / np.maximum(either, 1)
    # Two members that both do without a class agree on nothing about it.
    return np.asarray(similarity.sum(0) / np.maximum((either > 0).sum(0), 1))


@dataclass
class Dissolved:
    """Classes after those that the members do not find again were taken away."""

    probability: np.ndarray  # (member, site, fewer classes), largest class first
    left: np.ndarray  # (fewer classes,) numbers that these had among the classes asked for
    stability: np.ndarray  # (asked class,) when it went, or at the end


def dissolve(
    probability: np.ndarray, voting: np.ndarray, counted: np.ndarray | None = None
) -> Dissolved:
    """Take away classes that the members do not find again; their sites go where others see them.

    A model asked for more classes than there are puts the surplus anywhere, each member elsewhere.
    So a vote for such a class is no vote: where a member gives it, the site gets what the votes of
    the other members say. The least stable class up to ``DISSOLVED`` goes first, until all that
    are left are stable.

    Parameters
    ----------
    probability : (member, site, class), classes matched between members.
    voting : (member,) bool, members that count.
    counted : (site,) bool, sites from which it follows which classes there are; None: all.
    """
    left = list(range(probability.shape[2]))
    every = probability[voting]
    if counted is not None and not counted.all():
        every = every[:, counted]
    score = stability(every)
    while len(left) > 1:
        score[left] = stability(every, left)
        if score[left].min() > DISSOLVED:
            break
        left.pop(int(score[left].argmin()))
    # Where no member sees any class that is left: the one that is largest.
    size = every.sum(1, dtype=float).sum(0)[left]
    largest = np.eye(len(left))[size.argmax()]
    out = np.empty((*probability.shape[:2], len(left)))
    for rows in blocks(len(out[0])):
        rest = probability[:, rows][:, :, left]
        lost = np.clip(1 - rest.sum(2, keepdims=True), 0, 1)
        votes = rest[voting].sum(0)
        total = votes.sum(1, keepdims=True)
        others = np.where(total > 1e-3, votes / np.maximum(total, 1e-3), largest)
        out[:, rows] = rest + lost * others
    seen = out if counted is None else out[:, counted]
    order = np.argsort(-seen.sum(1)[voting].sum(0), kind="stable")
    for rows in blocks(len(out[0])):
        out[:, rows] = out[:, rows][:, :, order]
    return Dissolved(out, np.array(left)[order], score)
