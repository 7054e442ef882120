"""Covariance functions of candidates, made of those of GPyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpytorch.kernels import Kernel
    from torch import Tensor

FREQUENCIES = 2048
"""Random features of which functions are drawn."""


def one_for_all(features: int) -> Kernel:
    """Matérn-5/2 of all features together, a length scale for each.

    Source of the prior of the length scales, which grows with the number of features: C. Hvarfner,
    E. O. Hellsten and L. Nardi, Proc. ICML (2024).
    """
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior

    return get_covar_module_with_dim_scaled_prior(ard_num_dims=features, use_rbf_kernel=False)


def summed(sizes: Sequence[int]) -> Kernel:
    """The sum of a Matérn-5/2 of every description, each with one length scale and a weight.

    A value is then a sum of functions, one of each description: what is learned from one is learned
    where the others differ as well. Source: D. Duvenaud, H. Nickisch and C. E. Rasmussen, NIPS 24
    (2011) 226.

    Parameters
    ----------
    sizes : number of features of each description, in the order of the columns.
    """
    from gpytorch.kernels import MaternKernel, ScaleKernel
    from gpytorch.priors import GammaPrior, LogNormalPrior

    parts, first = [], 0
    for size in sizes:
        matern = MaternKernel(
            nu=2.5,
            active_dims=tuple(range(first, first + size)),
            lengthscale_prior=LogNormalPrior(math.sqrt(2), math.sqrt(3)),
        )
        matern.lengthscale = 0.25 * math.sqrt(size)  # a quarter of the diagonal of the unit cube
        part = ScaleKernel(matern, outputscale_prior=GammaPrior(1.1, 0.5))
        part.outputscale = 1.0 / len(sizes)
        parts.append(part)
        first += size
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def draw(kernel: Kernel, features: Tensor) -> Tensor:
    """One function drawn from a Gaussian process of mean 0, at some places (n, d): (n,).

    Source: A. Rahimi and B. Recht, NIPS 20 (2007) 1177 (random features).
    """
    import torch
    from botorch.sampling.pathwise.features.generators import gen_kernel_features
    from gpytorch.kernels import AdditiveKernel

    total = features.new_zeros(len(features))
    for part in kernel.kernels if isinstance(kernel, AdditiveKernel) else [kernel]:
        seen = gen_kernel_features(part, features.shape[-1], FREQUENCIES)(features)
        total = total + seen @ torch.randn(seen.shape[-1], dtype=features.dtype)
    return total
