"""The mixture of normals from which content is drawn in models with classes.

With classes content is z = m_class + S_class z', z' ~ N(0, 1) (Jiang et al. 2017,
arXiv:1611.05148). Classes are inactive until the pose is found (see ``train.classes``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import posterior
from vaescope.models.elbo import Weights
from vaescope.models.parts import Pair

LOG_SD = (-4.0, 2.0)  # bounds of a class's width in content, as logarithms


class ContentMixture(nn.Module):
    """p(z) = sum over classes of p(class) N(z; m_class, S_class S_class^T), for each member.

    ``logit`` (member, class); ``mean`` and ``log_sd`` (member, class, latent); ``slant`` (member,
    class, latent, latent), below the diagonal; ``active`` (member,) 0 or 1.
    """

    active: Tensor

    def __init__(self, members: int, classes: int, latent: int) -> None:
        super().__init__()
        classes = max(classes, 1)
        self.logit = nn.Parameter(torch.zeros(members, classes))
        self.mean = nn.Parameter(torch.zeros(members, classes, latent))
        self.log_sd = nn.Parameter(torch.zeros(members, classes, latent))
        self.slant = nn.Parameter(torch.zeros(members, classes, latent, latent))
        self.register_buffer("active", torch.zeros(members))
        self._is_active: bool | None = None
        self.register_load_state_dict_pre_hook(_rename_active)
        self.register_load_state_dict_post_hook(lambda module, _: module._forget())

    @property
    def is_active(self) -> bool:
        """Whether the classes count; a GPU is asked once, since it would have to be waited for."""
        if self._is_active is None:
            self._is_active = bool(self.active.any())
        return self._is_active

    def activate(self) -> None:
        """Let the classes count from now on."""
        self.active.fill_(1.0)
        self._forget()

    def _forget(self) -> None:
        self._is_active = None

    def divergences(self, content: Pair) -> Tensor:
        """KL(q(z) ‖ p(z | class)) with a last axis of classes; content (member, …, latent)."""
        mean, log_sd = (part.unsqueeze(-2) for part in content)
        between = (1,) * (mean.dim() - 3)
        whitening = self.whitening()
        members = len(self.logit)
        return posterior.kl_to_full(
            mean,
            log_sd,
            self.mean.reshape(members, *between, *self.mean.shape[1:]),
            whitening.reshape(members, *between, *whitening.shape[1:]),
        )

    def whitening(self) -> Tensor:
        """T (member, class, latent, latent), lower triangular: T (z - m) ~ N(0, 1) in a class."""
        slant = self.slant.tril(-1)
        upright = torch.eye(slant.shape[-1], dtype=slant.dtype, device=slant.device)
        return (upright + slant) * (-self.log_sd.clamp(*LOG_SD)).exp().unsqueeze(-1)

    def given(self, content: Pair, now: Weights) -> Tensor:
        """Class probability (member, site, class) of content (member, site, latent) alone."""
        log_prior = functional.log_softmax(self.logit, -1)[:, None]
        return best(log_prior, self.divergences(content), now)

    @torch.no_grad()
    def draw(self, noise: Tensor, generator: torch.Generator) -> Tensor:
        """Content (row, latent) of the first member, from standard normal noise (row, latent)."""
        weight = functional.softmax(self.logit[0], -1).cpu()
        chosen = torch.multinomial(weight, len(noise), replacement=True, generator=generator)
        whitening = self.whitening()[0].cpu()[chosen]
        inside = torch.linalg.solve_triangular(whitening, noise.unsqueeze(-1), upper=False)
        return self.mean[0].cpu()[chosen] + inside.squeeze(-1)

    @torch.no_grad()
    def place(self, member: int, weight: Tensor, mean: Tensor, covariance: Tensor) -> None:
        """Put the classes of one member: weight (class,), mean (class, latent), covariance (class,
        latent, latent)."""
        whitening = torch.linalg.inv(torch.linalg.cholesky(covariance.double()))
        size = whitening.diagonal(dim1=-2, dim2=-1)
        self.logit[member] = (weight + 1e-6).log()
        self.mean[member] = mean
        self.log_sd[member] = (-size.log()).clamp(*LOG_SD)
        self.slant[member] = (whitening / size.unsqueeze(-1)).tril(-1)


def _rename_active(module: nn.Module, tensors: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights written before the buffer ``active`` had this name."""
    if f"{prefix}awake" in tensors:
        tensors[f"{prefix}active"] = tensors.pop(f"{prefix}awake")


def best(log_prior: Tensor, divergence: Tensor, now: Weights) -> Tensor:
    """The posterior of the class that makes the objective largest (a last axis of classes)."""
    return functional.softmax((log_prior - divergence * now.price).detach(), -1)
