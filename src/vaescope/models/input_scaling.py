"""What of a spectrum an encoder is given: all channels, or its components above the noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

COMPONENTS = 40
"""Principal components at most that an encoder is given."""
_SAMPLE = 2500  # spectra whose principal components are those of all
_ABOVE = 5.0  # times the variance of noise that a component has at least


class InputScaling(nn.Module):
    """Spectra less their mean, in units of how far they differ: counts may be of any size."""

    mean: Tensor  # (member, number)
    spread: Tensor  # (member,)

    def __init__(self, members: int, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(members, count))
        self.register_buffer("spread", torch.ones(members))

    def measure(self, seen: Tensor) -> None:
        """Take mean and spread of ``seen`` (site, …)."""
        rows = seen.flatten(1).double()
        self.mean.copy_(rows.mean(0))
        self.spread.fill_(float(rows.std(0).mean().clamp_min(1e-12)))

    def forward(self, x: Tensor) -> Tensor:
        """x (member, …, number), scaled."""
        between = (1,) * (x.dim() - 2)
        mean = self.mean.reshape(len(x), *between, -1)
        return (x - mean) / self.spread.reshape(len(x), *between, 1)


class InputComponents(nn.Module):
    """Components of spectra above the noise, see ``principal_axes``; zeros where there are fewer
    than ``COMPONENTS``."""

    mean: Tensor  # (member, number)
    axes: Tensor  # (member, number, component)

    def __init__(self, members: int, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(members, count))
        self.register_buffer("axes", torch.zeros(members, count, COMPONENTS))

    def measure(self, seen: Tensor) -> None:
        """Take mean and axes of ``seen`` (site, …)."""
        mean, axes = principal_axes(seen.flatten(1).cpu().numpy())
        self.mean.copy_(torch.from_numpy(mean))
        self.axes[:, :, : axes.shape[1]] = torch.from_numpy(axes)

    def forward(self, x: Tensor) -> Tensor:
        """x (member, …, number) -> (member, …, component)."""
        rows = x.flatten(1, -2) - self.mean[:, None]
        return (rows @ self.axes).reshape(*x.shape[:-1], COMPONENTS)


def principal_axes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (number,) of rows (site, number) and principal axes (number, component) above the noise.

    Components along them are divided by the root of their standard deviation, and the largest has
    unit variance: small ones tell apart what is alike in all others. The variance of noise is taken
    to be the median of all components.
    """
    some = np.asarray(rows[:: -(-len(rows) // _SAMPLE)], float)
    mean = some.mean(0)
    _, sizes, axes = np.linalg.svd(some - mean, full_matrices=False)
    variance = np.maximum(sizes**2 / len(some), 1e-24)
    least = max(_ABOVE * float(np.median(variance)), 1e-9 * float(variance[0]))
    used = int(np.clip((variance > least).sum(), 1, COMPONENTS))
    weight = (variance[:used] * variance[0]) ** -0.25
    return mean, np.asarray(axes[:used].T * weight)
