"""Spectra of known shift: features of several shapes on a power law or a constant, as counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import erf

ENERGY = np.arange(480.0, 600.0, 0.5)  # eV
ONSET = 530.0  # eV
EXPONENT = 3.0
GAIN, BACKGROUND, STEEP = 0.1, 0.1, 0.1  # standard deviations of what varies from site to site
BEFORE = ENERGY < ONSET - 15

Feature = Callable[[np.ndarray, float], np.ndarray]
"""(energy less shift, content) -> the feature, relative to the background at the onset."""


def _bell(energy: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp(-0.5 * ((energy - ONSET - centre) / width) ** 2)


def _falling(energy: np.ndarray) -> np.ndarray:
    return (np.maximum(energy, ONSET) / ONSET) ** -EXPONENT


def arctangent(energy: np.ndarray, content: float) -> np.ndarray:
    """An edge with a white line of fixed height."""
    step = 0.5 + np.arctan((energy - ONSET) / 3.0) / np.pi
    return 0.6 * step * _falling(energy) + 0.48 * _bell(energy, 4, 2.5)


def step(energy: np.ndarray, content: float) -> np.ndarray:
    """An edge without fine structure."""
    return 0.8 * 0.5 * (1 + erf((energy - ONSET) / 2.0)) * _falling(energy)


def white_line(energy: np.ndarray, content: float) -> np.ndarray:
    return _bell(energy, 0, 1.5)


def two_lines(energy: np.ndarray, content: float) -> np.ndarray:
    """Two lines, 12 eV apart, of heights that content divides between them."""
    share = 0.6 + 0.1 * content
    return share * _bell(energy, 0, 1.3) + (1 - share) * _bell(energy, 12, 1.3)


def lorentzian(energy: np.ndarray, content: float) -> np.ndarray:
    return 1 / (1 + ((energy - ONSET) / 1.5) ** 2)


def varying(energy: np.ndarray, content: float) -> np.ndarray:
    """An edge whose white line grows along the content."""
    edge = 0.5 + np.arctan((energy - ONSET) / 3.0) / np.pi
    return 0.6 * edge * _falling(energy) + (0.4 + 0.15 * content) * _bell(energy, 4, 2.5)


@dataclass(frozen=True)
class Scene:
    """``width`` (eV) of the feature, in whose units spectra shift; ``varies``: with content."""

    feature: Feature
    width: float
    background: Literal["power law", "constant"]
    varies: bool = False

    def expected(
        self,
        dose: float,
        shift: float,
        content: float = 0.0,
        log_gain: float = 0.0,
        background: float = 0.0,
        exponent: float = 0.0,
    ) -> np.ndarray:
        """Mean counts (channel,): ``dose`` in a channel of the background at the onset."""
        law = (ENERGY / ONSET) ** -(EXPONENT + exponent) if self.background == "power law" else 1.0
        pure = self.feature(ENERGY - shift, content)
        return dose * (np.exp(log_gain) * pure + np.exp(background) * law)

    def drawn(self, dose: float, count: int, seed: int, spread: float) -> Drawn:
        """Counts of ``count`` spectra that shift by ``spread`` widths (standard deviation)."""
        rng = np.random.default_rng(seed)
        shift = rng.normal(0, spread * self.width, count)
        content = rng.normal(0, 1, count).clip(-2, 2) if self.varies else np.zeros(count)
        # A feature and its background grow with the beam together.
        log_gain = rng.normal(0, GAIN, count)
        background = log_gain + rng.normal(0, BACKGROUND, count)
        exponent = rng.normal(0, STEEP, count)
        rows = np.stack([shift, content, log_gain, background, exponent], axis=1)
        means = np.stack([self.expected(dose, *row) for row in rows])
        bounds = [self.bound(dose, *row) for row in rows]
        least = float(np.sqrt(np.mean(np.square(bounds))))
        return Drawn(rng.poisson(means).astype(float), shift, least, dose, self, background)

    def bound(self, dose: float, *place: float) -> float:
        """Cramér–Rao bound (eV) of a shift where all else is unknown too."""
        free = [0, 2, 3]
        free += [1] if self.varies else []
        free += [4] if self.background == "power law" else []
        nudge = 1e-4 * np.eye(5)
        mean = self.expected(dose, *place)
        slopes = [
            self.expected(dose, *(place + nudge[k])) - self.expected(dose, *(place - nudge[k]))
            for k in free
        ]
        design = np.stack(slopes, axis=1) / 2e-4 / np.sqrt(mean)[:, None]
        return float(np.sqrt(np.linalg.inv(design.T @ design)[0, 0]))


@dataclass(frozen=True)
class Drawn:
    """``counts`` (spectrum, channel), true ``shift`` (spectrum,) in eV and its ``bound``, and what
    the estimators are given beside: the dose, and how the scene is made."""

    counts: np.ndarray
    shift: np.ndarray
    bound: float
    dose: float
    scene: Scene
    background: np.ndarray


SCENES = {
    "arctangent edge": Scene(arctangent, 6.0, "power law"),
    "step edge": Scene(step, 3.0, "power law"),
    "white line": Scene(white_line, 3.5, "constant"),
    "two lines": Scene(two_lines, 3.0, "constant", True),
    "Lorentzian": Scene(lorentzian, 3.0, "constant"),
    "varying edge": Scene(varying, 6.0, "power law", True),
}
