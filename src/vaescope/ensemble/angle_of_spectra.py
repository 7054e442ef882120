"""The angle of a structure that its spectrum alone says, learned from the angles of patches.

Nobody says which symmetry a spectrum has: polarised light knows an axis and not which way round it
lies, an unpolarised spectrum knows nothing. Readouts of several harmonics of the angle are compared
by how much they say of sites that they were not fitted on, in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vaescope import circular
from vaescope.ensemble.angle_of_patches import sharper_angles
from vaescope.ensemble.readout import (
    Doubt,
    LeadingComponents,
    Noise,
    features,
    log_density,
    weights,
)

MULTIPLES = (1, 2, 3, 4, 6)  # of the symmetry of the patches: harmonics that are tried
RANKS = (3, 4, 6, 8, 12, 16, 24)  # components that a readout may use
SQUARED = (3, 4, 6, 8)  # of which it may use the products too
FOLDS = 5
MOST = 2048  # sites that readouts are fitted on
FEWEST = 20  # sites without which nothing is learned
SURE = 3.0  # standard errors by which what a spectrum says has to exceed nothing
LEAST = 0.05  # nats that count as something
NEARLY = 0.15  # nats: a lower harmonic that says less by no more than this is preferred
SHARP = 0.05  # nats by which a readout is worse that counts a factor of e less
SHARPER = (1, 2)  # the same, of patches
BLOCK = 2048  # sites read at once
DRAWS = 24  # of noise and of the sites fitted on, for errors
NEAR = 4  # neighbours in spectra by which readouts are checked for errors that follow the spectrum


@dataclass(frozen=True)
class SpectrumAngle:
    """``angle``, ``error`` (site,) in rad, modulo 2π/``order``; ``nats``: the mean of what a
    spectrum says of the angle, on sites apart; 0 where it does not know the angle, and the errors
    are then those of any angle."""

    angle: np.ndarray
    error: np.ndarray
    order: int
    nats: float


@dataclass(frozen=True)
class _Readout:
    """One of them: of which harmonic, of how many components, with products or not, and its
    ``share`` in the mean of all."""

    order: int
    rank: int
    squares: bool
    share: float = 1.0


@dataclass(frozen=True)
class _Tried:
    """What readouts of one harmonic say of sites that they were not fitted on: complex numbers
    (site,), how far their phases are ``apart`` from the known ones, and nats (site,)."""

    readouts: tuple[_Readout, ...]
    number: np.ndarray
    apart: np.ndarray
    said: np.ndarray

    @property
    def order(self) -> int:
        return self.readouts[0].order

    @property
    def nats(self) -> float:
        return float(self.said.mean())

    @property
    def sure(self) -> bool:
        """Whether it says anything, beyond chance."""
        error = float(self.said.std() / np.sqrt(len(self.said)))
        return self.nats > max(SURE * error, LEAST)


Spectra = Callable[[np.ndarray], np.ndarray]
"""Spectra (row, channel), finite, of sites (row,)."""
Pictures = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Patches (row, channel, side, side) of sites (row,), and how far their structures are from the
middle, (row, 2) as (y, x) in px."""


def angle_of_spectra(
    spectra: Spectra,
    angle: np.ndarray,
    trained: np.ndarray,
    symmetry: int,
    counts: bool = False,
    pictures: Pictures | None = None,
) -> SpectrumAngle:
    """Learn from some sites how spectra say the angle, and read it off all of them.

    Parameters
    ----------
    spectra : of sites, read some at a time.
    angle : (site,) rad, as the patches say it, modulo 2π/``symmetry``.
    trained : (site,) bool, sites to learn from. What is said of them is that of readouts fitted on
        the others.
    symmetry : of the patches.
    counts : whether the spectra are counts, with the noise of Poisson.
    pictures : from which the known angles are made sharper, if spectra then say more of them.
    """
    count = len(angle)
    rows = np.flatnonzero(trained & np.isfinite(angle))
    rows = rows[:: max(-(-len(rows) // MOST), 1)]
    unknown = np.zeros(count), np.full(count, _any_angle(symmetry))
    known = spectra(rows).astype(float)
    if len(rows) < FEWEST or not known.std(0).any():
        return SpectrumAngle(*unknown, symmetry, 0.0)
    found = []
    for labels in _labels(angle[rows], symmetry, None if pictures is None else pictures(rows)):
        learned = _Learned.of(known, *labels, Noise.of(known, counts))
        if (best := learned.best(symmetry)) is not None:
            found.append((learned, best))
    if not found:
        return SpectrumAngle(*unknown, symmetry, 0.0)
    learned, best = max(found, key=lambda pair: pair[1].nats)
    number, variance = np.empty(count, complex), np.empty(count)
    for start in range(0, count, BLOCK):
        some = np.arange(start, min(start + BLOCK, count))
        values = spectra(some).astype(float)
        number[some] = learned.number(best, values)
        variance[some] = learned.variance(best, values, np.random.default_rng(start))
    number[rows] = best.number
    error = np.minimum(np.sqrt(variance + learned.misfit(best)), _any_angle(1)) / best.order
    return SpectrumAngle(np.angle(number) / best.order, error, best.order, best.nats)


def _labels(
    angle: np.ndarray, symmetry: int, pictures: tuple[np.ndarray, np.ndarray] | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Known angles (site,) to learn from, with the trust (site,) to put in them: as they are, and
    by harmonics of the patches."""
    plain = angle, np.ones(len(angle))
    if pictures is None:
        return [plain]
    sharper = [sharper_angles(*pictures, angle, symmetry * m) for m in SHARPER]
    return [plain, *(one for one in sharper if one is not None)]


@dataclass(frozen=True)
class _Learned:
    """Spectra (site, channel) and angles (site,) to learn from, in ``parts`` held apart."""

    spectra: np.ndarray
    angle: np.ndarray
    trust: np.ndarray
    noise: Noise
    parts: list[np.ndarray]
    basis: LeadingComponents
    scores: list[np.ndarray]

    @classmethod
    def of(
        cls, spectra: np.ndarray, angle: np.ndarray, trust: np.ndarray, noise: Noise
    ) -> _Learned:
        parts = np.array_split(np.arange(len(spectra)), FOLDS)
        most = max(RANKS)
        scores = [
            LeadingComponents.of(np.delete(spectra, part, 0), most, noise).scores(spectra)
            for part in parts
        ]
        basis = LeadingComponents.of(spectra, most, noise)
        return cls(spectra, angle, trust, noise, parts, basis, scores)

    def best(self, symmetry: int) -> _Tried | None:
        """The harmonic that says most, or the lowest of several; None where none says anything."""
        found = [self._harmonic(symmetry * m) for m in MULTIPLES]
        sure = [one for one in found if one.sure]
        most = max((one.nats for one in sure), default=0.0)
        return next((one for one in sure if one.nats >= most - NEARLY), None)

    def _harmonic(self, order: int) -> _Tried:
        """All readouts of one harmonic that the sites can bear, and their mean."""
        count = len(self.spectra)
        ranks = [(rank, False) for rank in RANKS if 4 * rank <= count]
        ranks += [(rank, True) for rank in SQUARED if 2 * rank**2 <= count]
        each = [self._tried(_Readout(order, *rank)) for rank in ranks]
        nats = np.array([one.nats for one in each])
        share = np.exp((nats - nats.max()) / SHARP)
        share = np.where(share < 0.05, 0.0, share)
        share /= share.sum()
        used = [k for k in range(len(each)) if share[k] > 0]
        readouts = tuple(replace(each[k].readouts[0], share=float(share[k])) for k in used)
        return self._judged(readouts, sum(share[k] * each[k].number for k in used))

    def _tried(self, readout: _Readout) -> _Tried:
        number = np.empty(len(self.angle), complex)
        for part, scores in zip(self.parts, self.scores, strict=True):
            given = features(scores, readout.rank, readout.squares)
            phase, trust = np.delete(readout.order * self.angle, part), np.delete(self.trust, part)
            number[part] = given[part] @ weights(np.delete(given, part, 0), phase, trust)
        return self._judged((readout,), number)

    def _judged(self, readouts: tuple[_Readout, ...], number: np.ndarray) -> _Tried:
        apart = circular.wrap(np.angle(number) - readouts[0].order * self.angle, 2 * np.pi)
        size = np.abs(number)
        said = log_density(apart, Doubt.of(apart, size).variance(size)) + np.log(2 * np.pi)
        return _Tried(readouts, number, apart, said)

    def number(
        self, tried: _Tried, spectra: np.ndarray, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Complex numbers (site,) of spectra (site, channel) by readouts fitted on all sites, or on
        ``rows`` of them."""
        chosen = np.arange(len(self.spectra)) if rows is None else rows
        known, scores = self.basis.scores(self.spectra[chosen]), self.basis.scores(spectra)
        total = np.zeros(len(spectra), complex)
        for one in tried.readouts:
            given = features(known, one.rank, one.squares)
            found = weights(given, one.order * self.angle[chosen], self.trust[chosen])
            total += one.share * (features(scores, one.rank, one.squares) @ found)
        return total

    def variance(
        self, tried: _Tried, spectra: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Variance (site,) in rad² of the phase, by the noise of spectra (site, channel) and by the
        choice of sites fitted on (the bootstrap)."""
        sd = self.noise.sd(spectra)
        middle = self.number(tried, spectra)
        turn = np.zeros(len(spectra), complex)
        for _ in range(DRAWS):
            rows = random.integers(len(self.spectra), size=len(self.spectra))
            drawn = self.number(tried, spectra + sd * random.normal(size=spectra.shape), rows)
            turn += np.exp(1j * np.angle(drawn * middle.conj()))
        length = np.clip(np.abs(turn) / DRAWS, 1e-9, 1 - 1e-12)
        return -2 * np.log(length)

    def misfit(self, tried: _Tried) -> float:
        """Variance in rad² of what is wrong alike at sites with like spectra and angles, or follows
        the angle: noise of the spectra and errors of the known angles do not."""
        from scipy.spatial import cKDTree

        phase = tried.order * self.angle
        scores = self.basis.scores(self.spectra)[:, : max(one.rank for one in tried.readouts)]
        place = np.column_stack([scores, np.sqrt(2) * np.cos(phase), np.sqrt(2) * np.sin(phase)])
        _, near = cKDTree(place).query(place, NEAR + 1)
        apart = circular.wrap(tried.apart - circular.mean(tried.apart, 2 * np.pi), 2 * np.pi)
        alike = float((apart * apart[near[:, 1:]].mean(1)).mean())
        # Two angles with one spectrum, as those behind a single polariser, differ by the angle.
        waves = np.exp(1j * np.outer(phase, np.arange(-2, 3)))
        found = np.linalg.lstsq(waves, np.exp(1j * apart), rcond=None)[0]
        return max(alike, float((np.angle(waves @ found) ** 2).mean()))


def _any_angle(order: int) -> float:
    """Standard deviation in rad of an angle modulo 2π/``order`` of which nothing is known."""
    return float(np.pi / np.sqrt(3) / order)
