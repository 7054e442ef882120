"""Likelihoods of a patch, pixel by pixel: log p(pixel | what the decoder says of it), in nats."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from vaescope.models.settings import ModelSettings

LOWEST_RATE = 1e-4
"""Counts per pixel: a Poisson rate of 0 would forbid what noise does bring."""


def mean(raw: Tensor, kind: str) -> Tensor:
    """What a decoder's output says of the mean of the pixels.

    The parameter of the continuous Bernoulli is not its mean; its mean is given
    (Loaiza-Ganem & Cunningham 2019, arXiv:1907.06845, equation 8).
    """
    if kind == "bernoulli":
        return raw.sigmoid()
    if kind == "poisson":
        return functional.softplus(raw) + LOWEST_RATE
    if kind == "continuous-bernoulli":
        # lambda / (2 lambda - 1) + 1 / (2 artanh(1 - 2 lambda)) in the logit l of lambda is
        # 1 / (1 - exp(-l)) - 1 / l; about l = 0 it is 1/2 + l / 12.
        small = raw.abs() < 1e-2
        safe = torch.where(small, torch.ones_like(raw), raw)
        return torch.where(small, 0.5 + raw / 12, 1 / (1 - torch.exp(-safe)) - 1 / safe)
    return raw


def raw_of_mean(value: Tensor, kind: str) -> Tensor:
    """The decoder's output whose mean is about ``value``: where a decoder starts."""
    if kind in ("bernoulli", "continuous-bernoulli"):
        return torch.logit(value.clamp(0.02, 0.98))
    if kind == "poisson":
        rate = value.clamp_min(0.01)
        return rate + torch.log(-torch.expm1(-rate))
    return value


def log_normaliser(logit: Tensor) -> Tensor:
    """log C of the continuous Bernoulli with that logit (arXiv:1907.06845, equation 6).

    C = 2 artanh(1 - 2 lambda) / (1 - 2 lambda) = l coth(l / 2), with the limit 2 at l = 0.
    """
    small = logit.abs() < 1e-2
    size = torch.where(small, torch.ones_like(logit), logit.abs())
    # l coth(l/2) = l (1 + e^-l) / (1 - e^-l)
    value = size.log() + torch.log1p(torch.exp(-size)) - torch.log(-torch.expm1(-size))
    return torch.where(small, math.log(2.0) + logit**2 / 12, value)


def log_likelihood(raw: Tensor, seen: Tensor, log_sigma: Tensor, settings: ModelSettings) -> Tensor:
    """log p(patch | decoded), summed over pixels and channels.

    Parameters
    ----------
    raw : (member, site, turn, channel, pixel) the decoder's output at the pixels that count.
    seen : (member, site, 1, channel, pixel) the patch.
    log_sigma : (member, channel) of the Gaussian.

    Returns
    -------
    (member, site, turn).
    """
    kind = settings.likelihood
    if kind == "gaussian":
        log_sd = log_sigma[:, None, None]
        squares = _Squares.apply(raw, seen)
        per_pixel = log_sd + 0.5 * math.log(2 * math.pi)
        value = -0.5 * squares * (-2 * log_sd).exp() - raw.shape[-1] * per_pixel
        return value.sum(-1)
    if kind == "poisson":
        rate = mean(raw, kind)
        value = seen * rate.log() - rate - torch.lgamma(seen + 1)
    else:
        value = seen * raw - functional.softplus(raw)
        if kind == "continuous-bernoulli":
            value = value + log_normaliser(raw)
    return value.sum((-2, -1))


class _Squares(Function):
    """Squared distance (…) of values (…, pixel) from those seen.

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


def refuse_unlike(patches: Tensor, settings: ModelSettings) -> None:
    """Refuse pictures that a likelihood cannot have made.

    Raises
    ------
    UserError : values outside [0, 1] for a Bernoulli, or below 0 for a Poisson.
    """
    from vaescope.errors import UserError

    low, high = float(patches.min()), float(patches.max())
    kind = settings.likelihood
    if kind == "gaussian":
        return
    if low < -1e-3 or (kind != "poisson" and high > 1 + 1e-3):
        raise UserError(
            f"the pictures do not suit the likelihood `{kind}`",
            found=f"values from {low:.3g} to {high:.3g}",
            expected="counts from 0 up" if kind == "poisson" else "values from 0 to 1",
            remedy="Set `patches: normalise` in the recipe (`unit` gives values from 0 to 1, `none`"
            " keeps counts), or the model's `likelihood` to gaussian",
        )
