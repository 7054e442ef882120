"""How empty it is between two groups of sites in the content of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

VALLEY = 0.5  # of the lower of two peaks, which the density of sites falls below between groups
_ACROSS = 0.25  # of the window in which sites are counted, from one place to the next
_BESIDE = 0.75  # of the smaller group: so far from the line through both, sites are counted
_PRIOR = 5  # sites of a group whose scatter is taken from both, for each dimension
_FEW = 24  # sites, and fewer, too few for a count to be sure, that a clear gap sets apart
_SMALLEST = 5
_EMPTY = 16.0  # sites that would lie in such a gap if the tail of the others went on
_COMPACT = 1.2  # of such a gap, which the few sites are apart at most
_ITERATIONS = 12  # towards a spatial median
_EMPTY_LINE = 0.25  # of the lower peak, which a valley that needs no count is filled at most
_CLEAR = 99.0  # standard deviations that stand for a gap that needs no count


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
    halves = [max(2 * deviation(sample), 1e-6 * (high - low), 1e-300) for sample in (one, other)]
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


def deviation(values: np.ndarray) -> float:
    """Median absolute deviation from the median."""
    return float(np.median(np.abs(values - np.median(values))))


def spatial_median(points: np.ndarray) -> np.ndarray:
    """The place (latent,) from which the sum of distances to points (point, latent) is least, in
    whatever frame (E. Weiszfeld, Tohoku Math. J. 43 (1937) 355)."""
    middle = np.asarray(points.mean(0))
    least = 1e-6 * float(np.sqrt(points.var(0).sum())) + 1e-300
    for _ in range(_ITERATIONS):
        weight = 1 / np.maximum(np.linalg.norm(points - middle, axis=1), least)
        middle = weight @ points / weight.sum()
    return middle


def far_end(values: np.ndarray) -> float | None:
    """The border before a few values that lie close together, far above where the others end; None
    where there are none such.

    Without a gap, distances between the outermost values would be those of an exponential tail, as
    long as the values just inside say.
    """
    down = np.sort(values)[::-1]
    for count in range(min(_FEW, len(down) // 4), _SMALLEST - 1, -1):
        inner = down[count : 3 * count + 10]
        gap = down[count - 1] - inner[0]
        tail = float(np.mean(inner[:-1] - inner[-1])) + 1e-12
        if count * gap > _EMPTY * tail and down[0] - down[count - 1] < _COMPACT * gap:
            return float((down[count - 1] + inner[0]) / 2)
    return None


def gap(content: np.ndarray, one: np.ndarray, other: np.ndarray, few: int = 0) -> Gap:
    """``valley`` between two groups (rows) of a member's content (site, latent).

    It is looked for along the line through the middles of both. Sites far from that line, as most
    of a large group in several latents are from the line to a small one, are between no two
    groups: they count no more than they would if the other latents did not exist. Of a group of
    ``few`` sites or less, that hardly any lie between is enough.
    """
    if len(one) > len(other):
        one, other = other, one
    small, large = content[one], content[other]
    latents = content.shape[1]
    scatter = [np.atleast_2d(np.cov(part.T, bias=True)) for part in (small, large)]
    within = (scatter[0] + scatter[1]) / 2
    floor = (1e-3 * float(np.trace(within)) / latents + 1e-12) * np.eye(latents)
    prior = _PRIOR * latents
    own = (len(small) * scatter[0] + prior * (within + floor)) / (len(small) + prior) + floor
    # In these axes the smaller group is round.
    axes = np.linalg.cholesky(np.linalg.inv(own))
    middle = spatial_median(small)
    small, large = (small - middle) @ axes, (large - middle) @ axes
    way = spatial_median(large)
    way /= np.linalg.norm(way) + 1e-12
    along = [part @ way for part in (small, large)]
    off = [
        np.linalg.norm(part - np.outer(place, way), axis=1)
        for part, place in zip((small, large), along, strict=True)
    ]
    share = _BESIDE if len(small) > _FEW else 1.0
    reach = float(np.quantile(off[0], share)) if latents > 1 else np.inf
    beside = [
        place[far <= reach] if (far <= reach).sum() >= _SMALLEST else place
        for place, far in zip(along, off, strict=True)
    ]
    found = valley(*beside)
    if found.filled <= _EMPTY_LINE and len(one) <= few:
        return Gap(_CLEAR, found.filled)
    return found
