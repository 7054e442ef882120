"""Noise of a pixel that depends on its signal: counts beside a constant part (Poisson–Gaussian).

Electrons that are counted have a variance in proportion to their number, and the rest of a detector
adds a constant one, so that at a mean signal m

    variance(m) = sigma² max(1 + rise (m - level), LEAST),

with sigma the noise at the mean signal ``level`` of all patches (A. Foi et al., IEEE Trans. Image
Process. 17 (2008) 1737). With ``rise`` 0 the noise is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

LEAST = 0.1
"""Share of the variance at the mean signal that is left where there is no signal, at least."""

Values = TypeVar("Values", np.ndarray, Tensor)


def relative_variance(mean: Values, rise: Values, level: Values) -> Values:
    """Variance over that at the mean signal; all of the same axes, or broadcast."""
    return (1 + rise * (mean - level)).clip(LEAST)


@dataclass(frozen=True)
class PixelNoise:
    """Noise of the pixels of a patch, each (channel,), of spectra (signal, 1, channel)."""

    sigma: np.ndarray
    rise: np.ndarray
    level: np.ndarray

    @classmethod
    def constant(cls, sigma: np.ndarray) -> PixelNoise:
        """The same at every signal."""
        return cls(sigma, np.zeros_like(sigma), np.zeros_like(sigma))

    @classmethod
    def of_all(cls, members: Sequence[PixelNoise]) -> PixelNoise:
        """The noise whose variance is the mean of that of several members."""
        squares = np.stack([each.sigma**2 for each in members])
        rises = np.stack([each.rise for each in members])
        levels = np.stack([each.level for each in members])
        square = squares.mean(0)
        rise = (squares * rises).mean(0) / square
        level = levels.mean(0)
        # Straight lines have a straight mean; their zeros differ hardly, all have the same data.
        moved = (squares * (1 + rises * (level - levels))).mean(0)
        return cls(np.sqrt(moved), rise * square / moved, level)

    def sd(self, mean: np.ndarray) -> np.ndarray:
        """Standard deviation of pixels with a mean signal (site, channel, height, width): of the
        same shape, or without the site where it does not depend on the signal."""
        if not self.rise.any():
            return self.sigma
        axes = (slice(None), None, None)
        rise, level = self.rise[axes], self.level[axes]
        return self.sigma[axes] * np.sqrt(relative_variance(mean, rise, level))


class SignalNoise(nn.Module):
    """The noise of the members of an ensemble, as it is learned: not by gradients, which move a few
    numbers on a logarithmic scale too slowly, but as the line through the squared residuals of the
    last batches that fits best (weighted least squares; the M step of Dempster, Laird & Rubin, J.
    R. Stat. Soc. B 39 (1977) 1).
    """

    level: Tensor  # (member, channel) mean signal
    rise: Tensor  # (member, channel) of the variance with the signal, over that at the level
    moments: Tensor  # (member, channel, 5) of the last batches

    MEMORY = 0.9
    """Share of the moments that is kept from one batch to the next."""

    def __init__(self, members: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(members, channels))
        self.register_buffer("rise", torch.zeros(members, channels))
        self.register_buffer("moments", torch.zeros(members, channels, 5))

    def initialise(self, target: Tensor) -> None:
        """Take the mean signal of patches (site, channel, height, width)."""
        self.level.copy_(target.mean((0, 2, 3)).expand_as(self.level))

    def relative(self, mean: Tensor) -> Tensor:
        """Variance over that at the level, of pixels (member, site, turn, channel, pixel) with a
        mean signal."""
        rise, level = (x[:, None, None, :, None] for x in (self.rise, self.level))
        return relative_variance(mean, rise, level)

    def moments_of(self, mean: Tensor, patch: Tensor, known: Tensor | None) -> Tensor:
        """Moments (member, site, turn, channel, 5) of the squared residuals of patches from a mean
        signal, axes as of ``relative``; ``known`` 1 where a pixel was measured."""
        weight = self.relative(mean) ** -2
        if known is not None:
            weight = weight * known
        apart = mean - self.level[:, None, None, :, None]
        squares = (patch - mean).square()
        of_signal = [weight, weight * apart, weight * apart.square()]
        of_squares = [weight * squares, weight * apart * squares]
        return torch.stack([each.mean(-1) for each in of_signal + of_squares], -1)

    @torch.no_grad()
    def learn(self, moments: Tensor) -> Tensor:
        """Take the moments (member, channel, 5) of a batch in; variances (member, channel) at the
        mean signal."""
        self.moments.mul_(self.MEMORY).add_(moments)
        one, first, second, square, tilted = self.moments.double().unbind(-1)
        determinant = one * second - first**2
        straight = determinant > 1e-6 * one * second
        safe = torch.where(straight, determinant, 1.0)
        at_level = torch.where(straight, (second * square - first * tilted) / safe, square / one)
        slope = torch.where(straight, (one * tilted - first * square) / safe, 0.0)
        at_level = torch.where(at_level > 0, at_level, square / one).clamp_min(1e-12)
        self.rise.copy_(slope / at_level)
        return at_level.to(moments.dtype)
