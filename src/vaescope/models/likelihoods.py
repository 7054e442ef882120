"""Likelihoods of a patch, one object each: log p(pixel | what the decoder says of it), in nats.

A likelihood says what a decoder's output means, how probable a patch is under it, where a decoder
starts, which pictures it can have made, and what a residual is. Bound, decoder, maps and predictive
checks ask the object; none of them knows a likelihood by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from vaescope.errors import UserError
from vaescope.models.settings import ModelSettings

LOWEST_RATE = 1e-4
"""Counts per pixel: a Poisson rate of 0 would forbid what noise does bring."""

ROUNDING = 1e-3
"""By which pictures may leave the range of a likelihood."""


def residuals_over_noise(target: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Residuals (site, channel, height, width) in units of a noise ``sigma``: (channel,), the same
    for all pixels, (channel, height, width), or (site, channel, height, width)."""
    return (target - mean) / (sigma[:, None, None] if sigma.ndim == 1 else sigma)


def mean_square_over_noise(
    target: np.ndarray, mean: np.ndarray, sigma: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Mean squared residual of each site in units of the noise.

    target, mean (site, channel, height, width), sigma (channel,), (channel, height, width) or of
    the pixels of every site (site, channel, height, width), mask
    (height, width) or (site, height, width) -> (site,); about 1 where the model explains the patch
    down to the noise.
    """
    count = np.maximum(mask.sum((-2, -1)), 1)[..., None]
    if sigma.ndim > 1:
        target, mean, sigma = target / sigma, mean / sigma, np.ones(target.shape[1])
    squares = ((target - mean) ** 2 * mask[..., None, :, :]).sum((2, 3)) / count
    return (squares / sigma**2).mean(1)


def _same(value: Tensor) -> Tensor:
    return value


def _over_sigma(mean: Tensor, pixels: Tensor, sigma: Tensor) -> Tensor:
    return (pixels - mean) / sigma


def _square(mean: Tensor, sigma: Tensor) -> Tensor:
    return sigma.square().expand_as(mean)


@dataclass(frozen=True)
class Likelihood:
    """One distribution of the pixels of a patch around what a decoder says.

    Parameters
    ----------
    mean : the decoder's output (…) -> the mean of the pixels (…).
    start : a mean patch (…) -> the decoder's output (…) whose mean is about that patch: its first
        bias.
    log_density : (output at the pixels that count (member, site, turn, channel, pixel), the patch
        (member, site, 1, channel, pixel), log_sigma (member, channel) or (member, channel, pixel),
        which pixels were measured (member, site, 1, 1, pixel), 1 or 0, None if all were) -> log
        p(patch | output) (member, site, turn), summed over measured pixels and channels.
    output : the mean of the pixels (…) -> the decoder's output (…) that has this mean.
    signed_root : (mean, the pixels, sigma) -> roots of the deviance with the sign of what is left:
        half the sum of their squares is -log p(pixels) but for a constant, so that least squares of
        them is maximum likelihood (McCullagh & Nelder, Generalized Linear Models, 2nd ed. 1989,
        section 2.4.3).
    variance : (mean, sigma) -> variance of a pixel, from which Fisher information follows.
    highest : largest value that a picture may have, the least being 0; None: any value at all.
    expected : the same in words.
    learns_noise : ``log_sigma`` is its noise; otherwise the root mean square of what is left over
        stands for a noise in ``residuals`` and ``residual``.
    residuals : (target, mean, sigma) -> residuals over the noise, pixel by pixel, from which the
        correlation of the noise is read.
    residual : (target, mean, sigma, mask) -> their mean square (site,), of which the predictive
        check makes a p-value.
    """

    mean: Callable[[Tensor], Tensor]
    start: Callable[[Tensor], Tensor]
    log_density: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
    highest: float | None = None
    expected: str = ""
    learns_noise: bool = False
    output: Callable[[Tensor], Tensor] = _same
    signed_root: Callable[[Tensor, Tensor, Tensor], Tensor] = _over_sigma
    variance: Callable[[Tensor, Tensor], Tensor] = _square
    residuals: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = residuals_over_noise
    residual: Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray] = (
        mean_square_over_noise
    )


def _sum(value: Tensor, known: Tensor | None) -> Tensor:
    """The sum over channels and measured pixels, of (…, channel, pixel)."""
    return (value if known is None else value * known).sum((-2, -1))


def _log_gaussian(
    raw: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None = None
) -> Tensor:
    if log_sigma.dim() == 3:  # each pixel has a noise of its own
        log_sd = log_sigma[:, None, None]
        apart = (raw - patch) * (-log_sd).exp()
        return _sum(-0.5 * apart.square() - log_sd - 0.5 * math.log(2 * math.pi), known)
    log_sd = log_sigma[:, None, None]
    count: int | Tensor = raw.shape[-1]
    if known is not None:
        raw, patch, count = raw * known, patch * known, known.sum(-1)
    squares = _Squares.apply(raw, patch)
    per_pixel = log_sd + 0.5 * math.log(2 * math.pi)
    value = -0.5 * squares * (-2 * log_sd).exp() - count * per_pixel
    return value.sum(-1)


class _Squares(Function):
    """Squared distance (…) of decoded values (…, pixel) from the patch.

    Kept as one array, and with a gradient of one pass over it: the pixels of every turn of every
    patch are far more than a cache holds.
    """

    @staticmethod
    def forward(ctx: Any, raw: Tensor, seen: Tensor) -> Tensor:
        apart = raw - seen
        ctx.save_for_backward(apart)
        return torch.linalg.vecdot(apart, apart)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (apart,) = ctx.saved_tensors
        return apart * (2 * grad).unsqueeze(-1), None


def _logit(value: Tensor) -> Tensor:
    return torch.logit(value.clamp(0.02, 0.98))


def _log_bernoulli(
    raw: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None = None
) -> Tensor:
    return _sum(patch * raw - functional.softplus(raw), known)


def _mean_of_continuous_bernoulli(raw: Tensor) -> Tensor:
    """The parameter of the continuous Bernoulli is not its mean; its mean is given
    (Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845, equation 8)."""
    # lambda / (2 lambda - 1) + 1 / (2 artanh(1 - 2 lambda)) in the logit l of lambda is
    # 1 / (1 - exp(-l)) - 1 / l; about l = 0 it is 1/2 + l / 12.
    small = raw.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(raw), raw)
    return torch.where(small, 0.5 + raw / 12, 1 / (1 - torch.exp(-safe)) - 1 / safe)


def _log_continuous_bernoulli(
    raw: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None = None
) -> Tensor:
    return _sum(patch * raw - functional.softplus(raw) + log_normaliser(raw), known)


def log_normaliser(logit: Tensor) -> Tensor:
    """log C of the continuous Bernoulli with that logit (arXiv:1907.06845, equation 6).

    C = 2 artanh(1 - 2 lambda) / (1 - 2 lambda) = l coth(l / 2), with the limit 2 at l = 0.
    """
    small = logit.abs() < 1e-2
    size = torch.where(small, torch.ones_like(logit), logit.abs())
    # l coth(l/2) = l (1 + e^-l) / (1 - e^-l)
    value = size.log() + torch.log1p(torch.exp(-size)) - torch.log(-torch.expm1(-size))
    return torch.where(small, math.log(2.0) + logit**2 / 12, value)


def _rate(raw: Tensor) -> Tensor:
    return functional.softplus(raw) + LOWEST_RATE


def _raw_of_rate(value: Tensor) -> Tensor:
    rate = value.clamp_min(0.01)
    return rate + torch.log(-torch.expm1(-rate))


def _log_poisson(
    raw: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None = None
) -> Tensor:
    rate = _rate(raw)
    return _sum(patch * rate.log() - rate - torch.lgamma(patch + 1), known)


def _output_of_rate(rate: Tensor) -> Tensor:
    above = rate.clamp_min(2 * LOWEST_RATE) - LOWEST_RATE
    return above + torch.log(-torch.expm1(-above))


def _log_scaled_poisson(
    gain: float, raw: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None = None
) -> Tensor:
    """Of a signal that is ``gain`` times a count; as a density of the signal, not of the count."""
    rate, counts = _rate(raw) / gain, patch / gain
    value = counts * rate.log() - rate - torch.lgamma(counts + 1) - math.log(gain)
    return _sum(value, known)


def _root_of_deviance(gain: float, mean: Tensor, pixels: Tensor, sigma: Tensor) -> Tensor:
    rate = mean.clamp_min(LOWEST_RATE) / gain
    counts = pixels.clamp_min(0.0) / gain
    deviance = 2 * (torch.xlogy(counts, counts / rate) - (counts - rate))
    return torch.sign(counts - rate) * deviance.clamp_min(0.0).sqrt()


def _scaled_mean(gain: float, mean: Tensor, sigma: Tensor) -> Tensor:
    return gain * mean.clamp_min(LOWEST_RATE)


LIKELIHOODS = {
    "gaussian": Likelihood(_same, _same, _log_gaussian, learns_noise=True),
    "bernoulli": Likelihood(torch.sigmoid, _logit, _log_bernoulli, 1.0, "values from 0 to 1"),
    "continuous-bernoulli": Likelihood(
        _mean_of_continuous_bernoulli,
        _logit,
        _log_continuous_bernoulli,
        1.0,
        "values from 0 to 1",
    ),
    "poisson": Likelihood(
        _rate,
        _raw_of_rate,
        _log_poisson,
        math.inf,
        "counts from 0 up",
        output=_output_of_rate,
        signed_root=partial(_root_of_deviance, 1.0),
        variance=partial(_scaled_mean, 1.0),
    ),
}
"""Name in a recipe -> likelihood."""


def of(settings: ModelSettings) -> Likelihood:
    """The likelihood of a model with these settings."""
    own = LIKELIHOODS[settings.likelihood]
    gain = settings.detector_gain
    if settings.likelihood != "poisson" or gain == 1.0:
        return own
    return replace(
        own,
        log_density=partial(_log_scaled_poisson, gain),
        signed_root=partial(_root_of_deviance, gain),
        variance=partial(_scaled_mean, gain),
    )


def refuse_unlike(patches: Tensor, settings: ModelSettings) -> None:
    """Refuse pictures that the likelihood of a model cannot have made.

    Raises
    ------
    UserError : values outside the likelihood's range.
    """
    own = of(settings)
    if own.highest is None:
        return
    low, high = float(patches.min()), float(patches.max())
    if low < -ROUNDING or high > own.highest + ROUNDING:
        raise UserError(
            f"the pictures do not suit the likelihood `{settings.likelihood}`",
            found=f"values from {low:.3g} to {high:.3g}",
            expected=own.expected,
            remedy="Set `patches: normalise` in the recipe (`unit` gives values from 0 to 1, `none`"
            " keeps counts), or the model's `likelihood` to gaussian",
        )
