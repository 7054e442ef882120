"""The picture that walls make: two states, the profile of a wall, and the blur of the tip.

The response across a wall is a hyperbolic tangent of the distance convolved with the tip: S. Jesse
and others, arXiv:0801.4086. The tip is a Gaussian, and the blur is two-dimensional, so that bent
walls and walls beside each other are what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter

REACH = 4.0  # widths and tips to which a wall is seen
LEAST = 0.05  # px: a narrower tip blurs nothing
_SIZE = 2.0  # px, with which the search for the profile begins
_SIZES = np.log(0.6), np.log(50.0)  # of px: pixels do not show where a narrower wall lies
_NARROWEST = 0.1  # px
_TO_HALF = np.sqrt(12) / np.pi  # from the standard deviation of a hyperbolic tangent
_BALANCE = 1.5  # standard deviation of the balance beforehand
_FARTHEST = 0.5  # by which size and balance change in one step
_DIFFERENCE = 0.02  # over which derivatives by numbers of the shape are taken
_AROUND = 12.0  # px, of the Gaussian in which the two states are local
_PRIOR = 400.0, 1e6  # least and most pixels by which those of the whole picture count in them


@dataclass(frozen=True)
class DomainStates:
    """Middle and half difference (y, x) of the two domain states, each from so many ``pixels``."""

    middle: np.ndarray
    half: np.ndarray
    pixels: float

    def error(self, noise: float) -> float:
        """Standard error of the difference of the states, for white noise."""
        return float(2 * noise / np.sqrt(self.pixels))


@dataclass(frozen=True)
class WallProfile:
    """Profile of a wall: ``size`` px, its standard deviation, and ``balance``, the logit of the
    share that the tip has in the variance; ``known`` px is the tip where it need not be found.

    A hyperbolic tangent of half width w has the variance (pi w)² / 12.
    """

    size: float
    balance: float = 0.0
    known: float | None = None

    @classmethod
    def start(cls, known: float | None) -> WallProfile:
        """A shape with which to begin."""
        return cls(np.log(_SIZE), 0.0, known)

    @property
    def tip(self) -> float:
        """Standard deviation in px of the blur."""
        if self.known is not None:
            return self.known
        return float(np.exp(self.size) / np.sqrt(1 + np.exp(-self.balance)))

    @property
    def width(self) -> float:
        """Half width in px of the wall itself."""
        whole = np.exp(self.size)
        own = whole if self.known is not None else whole / np.sqrt(1 + np.exp(self.balance))
        return float(max(own * _TO_HALF, _NARROWEST))

    @property
    def reach(self) -> float:
        """Distance in px to which a wall is seen."""
        return REACH * (self.width + self.tip)

    def profile(self, distance: np.ndarray) -> np.ndarray:
        """Response (y, x) from -1 to 1 of pixels at a signed ``distance`` px from the walls."""
        own = np.tanh(distance / self.width)
        return gaussian_filter(own, self.tip, mode="nearest") if self.tip > LEAST else own

    def slopes(self, distance: np.ndarray) -> list[np.ndarray]:
        """Derivatives (y, x) of the profile by each number that is not known."""
        found = []
        for name in self.free:
            more, less = (self.beside(name, step) for step in (_DIFFERENCE, -_DIFFERENCE))
            found.append((more.profile(distance) - less.profile(distance)) / (2 * _DIFFERENCE))
        return found

    def beside(self, name: str, step: float) -> WallProfile:
        """The shape with one of its free numbers changed."""
        return replace(self, **{name: getattr(self, name) + step})

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the numbers that are to be found."""
        return ("size", "balance") if self.known is None else ("size",)

    @property
    def numbers(self) -> np.ndarray:
        """The numbers that are to be found (number,)."""
        return np.array([getattr(self, name) for name in self.free])

    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Precision of the prior of each number that is to be found, and its pull."""
        precision = np.array([1e-6, _BALANCE**-2])[: len(self.free)]
        return precision, -precision * np.array([0.0, self.balance])[: len(self.free)]

    def changed(self, step: np.ndarray) -> WallProfile:
        """The shape with its free numbers changed by ``step``."""
        numbers = (float(number) for number in self.numbers + step)
        return replace(self, **dict(zip(self.free, numbers, strict=True)))

    def moved(self, step: np.ndarray) -> WallProfile:
        """The shape with its free numbers changed by ``step``, or by as much as is safe."""
        step = np.clip(step, -_FARTHEST, _FARTHEST)
        size = np.clip(self.size + step[0], *_SIZES)
        if self.known is not None:
            return replace(self, size=float(size))
        balance = np.clip(self.balance + step[1], -6, 6)
        return replace(self, size=float(size), balance=float(balance))


def states(
    response: np.ndarray, measured: np.ndarray, profile: np.ndarray, noise: float
) -> DomainStates:
    """The states by which a profile (y, x) becomes the response, by least squares about each pixel,
    and the more those of the whole picture, the less they vary from place to place beyond what a
    ``noise`` of that standard deviation makes of them."""
    seen = measured.astype(float)
    value = np.where(measured, response, 0.0)
    sums = [seen, seen * profile, seen * profile**2, value, value * profile]
    count, first, second, plain, product = (part.sum() for part in sums)
    spread = max(count * second - first**2, 1e-9 * count**2)
    half = (count * product - first * plain) / spread
    middle = (plain - half * first) / max(count, 1)
    area = 4 * np.pi * _AROUND**2
    local = [area * gaussian_filter(part, _AROUND, mode="constant") for part in sums]
    prior = _prior(local, middle, half, noise)
    count, first, second, plain, product = local
    count, second = count + prior, second + prior
    plain, product = plain + prior * middle, product + prior * half
    here = (count * product - first * plain) / (count * second - first**2)
    pixels = min(prior + area, max(float(measured.sum()), 1.0))
    return DomainStates((plain - here * first) / count, here, pixels)


def _prior(local: list[np.ndarray], middle: float, half: float, noise: float) -> float:
    """Pixels by which the whole picture counts in local states: the variance of the noise over that
    of the states from place to place, from moments of the sums (y, x) about each pixel: of the
    pixels, of the profile and its square, of the response and its product with the profile."""
    count, first, second, plain, product = local
    variance = []
    for weight, total in (
        (count, plain - middle * count - half * first),
        (second, product - middle * first - half * second),
    ):
        # In a sum over a Gaussian so normalised the weights add up to as much as their squares.
        excess = (total**2).mean() - noise**2 * weight.mean()
        variance.append(excess / max((weight**2).mean(), 1e-12))
    varied = max(float(np.mean(variance)), 1e-12)
    return float(np.clip(noise**2 / varied, *_PRIOR))


def blur(band: np.ndarray, tip: float) -> list[sparse.csr_matrix]:
    """The tip's blur among the pixels of a ``band`` (y, x) as matrices to apply one after the
    other, along each axis; none where nothing is blurred."""
    if tip <= LEAST:
        return []
    number = np.full(band.shape, -1)
    number[band] = np.arange(band.sum())
    reach = int(np.ceil(REACH * tip))
    offset = np.arange(-reach, reach + 1)
    share = np.exp(-0.5 * (offset / tip) ** 2)
    share /= share.sum()
    found = []
    for axis in (0, 1):
        rows, columns, values = [], [], []
        place = list(np.nonzero(band))
        moved = place[axis]
        for step, value in zip(offset, share, strict=True):
            place[axis] = np.clip(moved + step, 0, band.shape[axis] - 1)
            other = number[tuple(place)]
            rows.append(np.flatnonzero(other >= 0))
            columns.append(other[other >= 0])
            values.append(np.full(len(rows[-1]), value))
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        found.append(sparse.csr_matrix(entries, (len(moved), len(moved))))
    return found
