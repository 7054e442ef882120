"""Images with and without gaps, each another draw, and what of them was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import rotate

Image = tuple[np.ndarray, np.ndarray]  # the image, and where nothing was measured


def crystal(
    rng: np.random.Generator, noise: float = 0.1, part: Callable | None = None
) -> np.ndarray:
    """A square lattice of Gaussian columns of height 1 at a random angle, (y, x)."""
    height, width = rng.integers(120, 260, 2)
    spacing = rng.uniform(8, 24)
    sigma, turn = spacing * rng.uniform(0.15, 0.22), rng.uniform(0, 1)
    steps = np.arange(-40, 41) * spacing
    first, second = (grid.ravel() for grid in np.meshgrid(steps, steps, indexing="ij"))
    place = np.stack(
        [
            height / 2 + first * np.cos(turn) - second * np.sin(turn),
            width / 2 + first * np.sin(turn) + second * np.cos(turn),
        ],
        1,
    )
    near = (place > -9).all(1) & (place < [height + 9, width + 9]).all(1)
    if part is not None:
        near &= part(place[:, 0] / height, place[:, 1] / width)
    image = np.zeros((height, width))
    for y, x in place[near]:
        image += np.outer(
            np.exp(-((np.arange(height) - y) ** 2) / (2 * sigma**2)),
            np.exp(-((np.arange(width) - x) ** 2) / (2 * sigma**2)),
        )
    return image + rng.normal(0, noise, image.shape) if noise else image


def _bytes(image: np.ndarray, gain: float = 200) -> np.ndarray:
    return np.clip(image * gain + 20, 0, 255).astype(np.uint8)


def _counts(rng: np.random.Generator, image: np.ndarray, dose: float) -> np.ndarray:
    return rng.poisson(np.clip(image, 0, None) * dose)


WHOLE: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "noisy": crystal,
    "without noise": lambda rng: crystal(rng, 0),
    "black level too high": lambda rng: np.clip(crystal(rng) - 0.3, 0, None),
    "black level too high, no noise": lambda rng: np.clip(crystal(rng, 0) - 0.3, 0, None),
    "saturated": lambda rng: np.clip(crystal(rng), None, 0.6),
    "saturated bytes": lambda rng: _bytes(crystal(rng), 600),
    "bytes": lambda rng: _bytes(crystal(rng)),
    "few counts": lambda rng: _counts(rng, crystal(rng, 0), 1),
    "hardly any counts": lambda rng: _counts(rng, crystal(rng, 0), 0.1),
    "lines written twice": lambda rng: np.repeat(crystal(rng), 2, axis=0),
}
"""Images of which every pixel was measured, whatever values they have."""


def framed(rng: np.random.Generator, image: np.ndarray, value: float) -> Image:
    sides = rng.integers(3, 30, 4)
    gap = np.ones(image.shape, bool)
    gap[sides[0] : -sides[1], sides[2] : -sides[3]] = False
    return np.where(gap, value, image).astype(image.dtype), gap


def turned(rng: np.random.Generator, whole: bool) -> Image:
    image, angle = crystal(rng) + 1, rng.uniform(3, 40)
    inside = rotate(np.ones(image.shape), angle, reshape=whole, order=1)
    return rotate(image, angle, reshape=whole, order=1), inside < 0.99


def stopped(rng: np.random.Generator, value: Callable[[np.ndarray], np.ndarray | float]) -> Image:
    image = crystal(rng)
    gap = np.zeros(image.shape, bool)
    gap[rng.integers(len(image) // 8, len(image) * 7 // 8) :] = True
    last = image[~gap.any(1)][-1]
    return np.where(gap, value(last), image), gap


def lines(rng: np.random.Generator, value: Callable[[np.ndarray], np.ndarray | float]) -> Image:
    image = crystal(rng)
    rows = 2 * rng.choice(np.arange(2, len(image) // 2 - 2), 4, replace=False)
    gap = np.zeros(image.shape, bool)
    gap[rows] = True
    before = np.roll(image, 1, axis=0)
    return np.where(gap, value(before), image), gap


def shifted(rng: np.random.Generator) -> Image:
    """Every line is moved to where it belongs, as a correction of drift does."""
    image = crystal(rng) + 1
    steps = np.round(np.cumsum(rng.normal(0, 1, len(image)))).astype(int)
    steps = np.minimum(steps - steps.min(), image.shape[1] // 4)
    gap = np.arange(image.shape[1]) < steps[:, None]
    moved = np.stack([np.roll(row, n) for row, n in zip(image, steps, strict=True)])
    return np.where(gap, 0, moved), gap


WITH_GAPS: dict[str, Callable[[np.random.Generator], Image]] = {
    "black frame": lambda rng: framed(rng, crystal(rng) + 1, 0),
    "grey frame": lambda rng: framed(rng, crystal(rng), 0.3),
    "frame in bytes": lambda rng: framed(rng, _bytes(crystal(rng)), 0),
    "frame in counts": lambda rng: framed(rng, _counts(rng, crystal(rng, 0) + 0.3, 5), 0),
    "turned": lambda rng: turned(rng, True),
    "turned and cut": lambda rng: turned(rng, False),
    "scan stopped, zeros": lambda rng: stopped(rng, lambda line: 0.0),
    "scan stopped, mean": lambda rng: stopped(rng, lambda line: float(line.mean())),
    "scan stopped, last line": lambda rng: stopped(rng, lambda line: line),
    "lines lost": lambda rng: lines(rng, lambda before: 0.0),
    "lines saturated": lambda rng: lines(rng, lambda before: 3.0),
    "lines repeated": lambda rng: lines(rng, lambda before: before),
    "drift corrected": shifted,
}
"""Images with what was not measured."""
