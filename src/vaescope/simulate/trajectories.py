"""Histories of a field: exponentially growing or decaying oscillations, or Legendre polynomials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.simulate.arguments import one_of, within
from vaescope.simulate.crystals import truth
from vaescope.simulate.recordings import Recording

END = 4.0  # time at which a whole history ends
KEPT = 0.75  # share of a whole history that is kept
AMPLITUDE = (0.0, 0.75)
GROWTH = (-2.75, 2.75)
FREQUENCY = (2 * np.pi, 8 * np.pi / 3)  # radians per unit of time
OFFSET = (-0.5, 0.5)
FAST = (8 * np.pi, 16 * np.pi)  # radians per unit of time, of wrong oscillations
DEGREES = 8  # highest degree of a Legendre polynomial
BELONGS = ("belongs", "noise", "step", "fast oscillation")
_LEAST = 1e-9  # range of values below which a history counts as constant

TRUTHS = {
    "growth": truth("growth rate", "1", "diverging"),
    "frequency": truth("angular frequency", "1"),
    "amplitude": truth("amplitude before scaling", "1"),
    "offset": truth("offset before scaling", "1", "diverging"),
    "wrong": truth("kind of history", "1", "categorical"),
    **{
        f"degree_{degree}": truth(f"weight of degree {degree}", "1", "diverging")
        for degree in range(1, DEGREES + 1)
    },
}


@dataclass(frozen=True)
class Trajectories:
    """Parameters of `trajectories`."""

    count: int = within(7500, 9, 1e6)  # histories
    steps: int = within(900, 16, 4096)  # times that are kept, the first three quarters of all
    kind: str = one_of("cosine", "sine", "legendre")
    degree: int = within(3, 2, DEGREES)  # highest degree of Legendre polynomials
    wrong: float = within(0.0, 0.0, 1.0)  # share of histories of other families
    noise: float = within(0.02, 0.0, 10.0)  # standard deviation; a history goes from -1 to 1


def trajectories(p: Trajectories, rng: np.random.Generator) -> Recording:
    """Histories without a place, one in each frame, with the numbers that generate each.

    An oscillation is A exp(αt) cos(ωt) + B, or the same with a sine, on times from 0 to 4 (M.
    Valleti et al., arXiv:2206.12435). A Legendre history is a sum of Legendre polynomials of
    degrees 1 to ``degree``, whose weights are normally distributed and of unit norm. Every history
    is scaled so that it goes from −1 to 1 before its last quarter is dropped. A and B therefore
    leave no trace: an oscillation has two degrees of freedom, a Legendre history ``degree`` − 1.

    A wrong history is, equally often, independent noise, one step between −1 and 1, or an undamped
    oscillation of 8π to 16π radians per unit of time, at a random phase. What generates the others
    is NaN for it.
    """
    whole = round(p.steps / KEPT)
    time = np.linspace(0, END, whole)
    family = legendre if p.kind == "legendre" else oscillations
    curves, known = family(p, time, rng)
    kinds = np.zeros(p.count, int)
    chosen = rng.permutation(p.count)[: round(p.wrong * p.count)]
    kinds[chosen] = rng.integers(1, len(BELONGS), len(chosen))
    for index in chosen:
        curves[index] = _wrong(BELONGS[kinds[index]], time, rng)
    known = {name: np.where(kinds > 0, np.nan, values) for name, values in known.items()}
    expected = scaled(curves)[:, : p.steps]
    spectra = expected + rng.normal(0, p.noise, expected.shape)
    grid = (p.count, 1, 1)
    return Recording(
        image=spectra.mean(1).reshape(grid),
        spectra=spectra.reshape(*grid, -1),
        expected=expected.reshape(*grid, -1),
        energy=time[: p.steps],
        truth={name: each.reshape(grid) for name, each in {**known, "wrong": kinds}.items()},
        pixel=1.0,
    )


def oscillations(
    p: Trajectories, time: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Oscillations (history, time) and what generates them."""
    limits = {
        "amplitude": AMPLITUDE,
        "growth": GROWTH,
        "frequency": FREQUENCY,
        "offset": OFFSET,
    }
    known = {name: rng.uniform(*ends, p.count) for name, ends in limits.items()}
    a, alpha, omega, b = (values[:, None] for values in known.values())
    wave = np.sin if p.kind == "sine" else np.cos
    return a * np.exp(alpha * time) * wave(omega * time) + b, known


def legendre(
    p: Trajectories, time: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Sums (history, time) of Legendre polynomials over the whole time, and their weights."""
    weights = rng.normal(size=(p.count, p.degree))
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    place = 2 * time / time[-1] - 1
    polynomials = np.polynomial.legendre.legvander(place, p.degree)[:, 1:]
    names = (f"degree_{degree}" for degree in range(1, p.degree + 1))
    return weights @ polynomials.T, dict(zip(names, weights.T, strict=True))


def scaled(curves: np.ndarray) -> np.ndarray:
    """Curves (…, time), each scaled to go from −1 to 1; those that are constant become 0."""
    low, high = (end(curves, axis=-1, keepdims=True) for end in (np.min, np.max))
    width = high - low
    flat = width <= _LEAST * np.maximum(np.abs(low), np.abs(high)) + np.finfo(float).tiny
    return np.where(flat, 0.0, 2 * (curves - low) / np.where(flat, 1.0, width) - 1)


def _wrong(kind: str, time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A history (time,) of another family."""
    if kind == "noise":
        return rng.normal(size=len(time))
    if kind == "step":
        edge = time[-1] * KEPT * rng.uniform(0.05, 0.95)
        return rng.choice([-1.0, 1.0]) * np.where(time < edge, -1.0, 1.0)
    return np.cos(rng.uniform(*FAST) * time + rng.uniform(0, 2 * np.pi))
