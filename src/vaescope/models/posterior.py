"""Posteriors and their Kullback–Leibler divergences, all in closed form (nats)."""

from __future__ import annotations

import math

from torch import Tensor

LOG_SD_RANGE = (-7.0, 3.0)


def split(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Halves of the last axis as mean and (bounded) logarithm of the standard deviation."""
    mean, log_sd = raw.chunk(2, dim=-1)
    return mean, log_sd.clamp(*LOG_SD_RANGE)


def kl_normal(mean: Tensor, log_sd: Tensor, prior_sd: float = 1.0) -> Tensor:
    """KL(N(mean, sd²) ‖ N(0, prior_sd²)), summed over the last axis."""
    squares = (2 * log_sd).exp() + mean.square()
    each = squares * (0.5 / prior_sd**2) - log_sd
    return each.sum(-1) + mean.shape[-1] * (math.log(prior_sd) - 0.5)


def kl_between(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> Tensor:
    """KL(N(m, s²) ‖ N(m', s'²)), summed over the last axis; each as mean and logarithm of s."""
    (mean, log_sd), (other_mean, other_log_sd) = one, other
    squares = (2 * (log_sd - other_log_sd)).exp()
    squares = squares + ((mean - other_mean) * (-other_log_sd).exp()).square()
    return (0.5 * (squares - 1) + other_log_sd - log_sd).sum(-1)


def kl_to_full(mean: Tensor, log_sd: Tensor, prior_mean: Tensor, whitening: Tensor) -> Tensor:
    """KL(N(mean, diag sd²) ‖ N(prior_mean, (Tᵀ T)⁻¹)) of the last axis.

    mean, log_sd, prior_mean (…, latent); whitening T (…, latent, latent), lower triangular with a
    positive diagonal.
    """
    apart = (whitening @ (mean - prior_mean).unsqueeze(-1)).squeeze(-1)
    spread = (whitening.square() @ (2 * log_sd).exp().unsqueeze(-1)).squeeze(-1)
    size = whitening.diagonal(dim1=-2, dim2=-1).log() + log_sd
    return 0.5 * (spread + apart.square() - 1 - 2 * size).sum(-1)


def kl_categorical(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(q ‖ p) of categorical distributions given by logarithms, summed over the last axis."""
    return (log_q.exp() * (log_q - log_p)).sum(-1)
