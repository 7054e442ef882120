"""The photometric pose of a patch: its gain, its background and the slope of its background.

A patch t that shows the picture f (as content and geometric pose draw it) is

    t = (1 + a) f + b + k · u + noise,     u = (x, y) from -1 to 1 across the patch,

for each channel, with a, b, k normal about 0 and Gaussian noise. Thickness, contamination and
shading so belong to the pose, and content is left with structure alone. Given f these numbers enter
linearly: they are integrated out in closed form, their posterior is normal, and the widths of
their priors are learned (empirical Bayes; Bishop, Pattern Recognition and Machine Learning, 2006,
sections 3.3 and 3.5). No encoder guesses them, and none can hide them in the content, since it sees
patches whose mean, slope and root mean square have been divided out (``standardised``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from vaescope.models import pose
from vaescope.models.parts import Part
from vaescope.models.settings import ModelSettings

LEAST_SD = 1e-3  # of a prior, in units of the signal: below, a number is as good as known
START_GAIN = 0.3  # least standard deviation at which the prior of the gain starts
FLAT = 1e-3  # root mean square, in units of the signal, below which a patch shows nothing


PARTS = (
    Part(
        name="gain",
        setting="gain",
        aligned="same",
        units="1",
        scale="sequential",
        words="contrast of the patch, in units of that of a typical site",
    ),
    Part(
        name="background",
        setting="background",
        aligned="same",
        units="1",
        scale="sequential",
        words="mean brightness of the patch",
    ),
    Part(
        name="slope",
        setting="slope",
        aligned="same",
        units="1/px",
        scale="diverging",
        dims=("axis",),
        words="slope of the brightness across the patch",
    ),
)
"""The parts of the photometric pose, in the order of the formula."""


@dataclass(frozen=True)
class Recorded:
    """Posterior of the photometric pose: ``mean`` (…, channel, number) and ``covariance`` (…,
    channel, number, number) of a, b, k in the order of the formula, as far as a model has them."""

    mean: Tensor
    covariance: Tensor


class Photometry(nn.Module):
    """Gain, background and slope of every patch of the members of an ensemble.

    Parameters
    ----------
    members : of the ensemble.
    target : (channel, height, width) of the patches.
    where : (pixel,) indices of the pixels that count.
    settings : which of the three there are.
    """

    plane: Tensor  # (pixel, number) what is added to a picture at the pixels that count
    everywhere: Tensor  # (number, height, width) the same at all pixels

    def __init__(
        self, members: int, target: tuple[int, int, int], where: Tensor, settings: ModelSettings
    ) -> None:
        super().__init__()
        self.gain = settings.gain
        self.parts = tuple(p for p in PARTS if p.setting in settings.photometric_parts)
        x, y, one = pose.points(target[1:])
        rows = [one] * settings.background + [x, y] * settings.slope
        added = torch.stack(rows) if rows else torch.zeros(0, len(one))
        self.register_buffer("plane", added[:, where].T.contiguous(), persistent=False)
        self.register_buffer("everywhere", added.reshape(-1, *target[1:]), persistent=False)
        self.size = self.gain + len(rows)
        self.log_sd = nn.Parameter(torch.zeros(members, target[0], self.size))

    def initialise(self, target: Tensor) -> None:
        """Start the priors as wide as the patches (site, channel, height, width) differ."""
        level = target.mean((2, 3))
        contrast = target.std((2, 3))
        share = (contrast.std(0) / contrast.mean(0).clamp_min(1e-9)).clamp_min(START_GAIN)
        wide = level.std(0).clamp_min(10 * LEAST_SD)
        sd = torch.stack([share] * self.gain + [wide] * len(self.everywhere), -1)
        with torch.no_grad():
            self.log_sd.copy_(sd.log().expand_as(self.log_sd))

    def log_density(
        self, shown: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None
    ) -> Tensor:
        """log p(patch) (member, site, turn) with the photometric pose integrated out.

        Parameters
        ----------
        shown : pictures f (member, site, turn, channel, pixel).
        patch : (member, site, 1, channel, pixel).
        log_sigma : noise (member, channel).
        known : (member, site, 1, 1, pixel), 1 where a pixel was measured, else 0; None: all were.
        """
        log_sd = log_sigma[:, None, None].double()
        inverse, count = (-2 * log_sd).exp(), self._count(shown, known)
        squares, linear, precision = self._products(shown, patch, inverse, known)
        factor = torch.linalg.cholesky(precision)
        inside = torch.linalg.solve_triangular(factor, linear.unsqueeze(-1), upper=False)
        value = -0.5 * (squares * inverse - inside.square().sum((-2, -1)))
        value = value - count * (log_sd + 0.5 * math.log(2 * math.pi))
        value = value - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        value = value - self._log_prior_sd()[:, None, None].sum(-1)
        return value.sum(-1).to(shown.dtype)

    def fit(
        self, shown: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None
    ) -> Recorded:
        """The posterior of the photometric pose (member, site, turn, …), shapes as of
        ``log_density``."""
        inverse = (-2 * log_sigma[:, None, None].double()).exp()
        _, linear, precision = self._products(shown, patch, inverse, known)
        covariance = torch.linalg.inv(precision)
        mean = (covariance @ linear.unsqueeze(-1)).squeeze(-1)
        return Recorded(mean.to(shown.dtype), covariance.to(shown.dtype))

    def record(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """Pictures (…, channel, height, width) as they are recorded with numbers (…, channel,
        number)."""
        added = torch.einsum("...n,nhw->...hw", numbers[..., int(self.gain) :], self.everywhere)
        if not self.gain:
            return pictures + added
        return pictures * (1 + numbers[..., 0, None, None]) + added

    def prior_sd(self) -> Tensor:
        """Standard deviations (member, channel, number) of the priors."""
        return self._log_prior_sd().exp()

    def _log_prior_sd(self) -> Tensor:
        return self.log_sd.double().clamp_min(math.log(LEAST_SD))

    def _count(self, shown: Tensor, known: Tensor | None) -> Tensor | int:
        return shown.shape[-1] if known is None else known.sum(-1).double()

    def _products(
        self, shown: Tensor, patch: Tensor, inverse: Tensor, known: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Squared distance (…,) of picture and patch, and of the normal equations of what is left
        the right side (…, number) and the matrix (…, number, number), both over the noise."""
        plane = self.plane
        if known is None:
            between = (plane.T @ plane).expand(*shown.shape[:-1], -1, -1)
        else:
            shown, patch = shown * known, patch * known
            between = torch.einsum("...p,pi,pj->...ij", known, plane, plane)
            between = between.expand(*shown.shape[:-1], -1, -1)
        own, with_left, left, along = _Products.apply(shown, patch, plane)
        right = patch @ plane - along
        matrix = between
        if self.gain:
            edge = along.unsqueeze(-1)
            top = torch.cat([own[..., None, None], edge.transpose(-1, -2)], -1)
            matrix = torch.cat([top, torch.cat([edge, between], -1)], -2)
            right = torch.cat([with_left.unsqueeze(-1), right], -1)
        prior = (-2 * self._log_prior_sd()).exp()[:, None, None]
        matrix = matrix.double() * inverse[..., None, None] + torch.diag_embed(prior)
        return left.double(), right.double() * inverse.unsqueeze(-1), matrix


class _Products(Function):
    """Scalar products (…,) of pictures f (…, pixel) with themselves and with what is left r = t - f
    of patches t, of r with itself, and of f with the columns of a plane: (…, number).

    Kept as two arrays, and with a gradient of one pass over them, since the pixels of every turn of
    every patch are far more than a cache holds.
    """

    @staticmethod
    def forward(
        ctx: Any, shown: Tensor, patch: Tensor, plane: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        left = patch - shown
        ctx.save_for_backward(shown, left, plane)
        vecdot = torch.linalg.vecdot
        return vecdot(shown, shown), vecdot(shown, left), vecdot(left, left), shown @ plane

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, own: Tensor, with_left: Tensor, left: Tensor, along: Tensor
    ) -> tuple[Tensor, None, None]:
        shown, apart, plane = ctx.saved_tensors
        # d(f·f) = 2 f, d(f·r) = r - f, d(r·r) = -2 r.
        grad = torch.addcmul(along @ plane.T, (2 * own - with_left).unsqueeze(-1), shown)
        return grad.addcmul_((with_left - 2 * left).unsqueeze(-1), apart), None, None


def standardised(copies: Tensor, plane: Tensor, scaled: bool) -> Tensor:
    """Patches (…, pixel) without their photometric pose: less their projection onto the columns of
    an orthonormal plane (pixel, number), and, if ``scaled``, of root mean square 1."""
    if plane.shape[1]:
        copies = copies - (copies @ plane) @ plane.T
    if scaled:
        size = copies.square().mean(-1, keepdim=True)
        copies = copies * (size + FLAT**2).rsqrt()
    return copies


def of(
    settings: ModelSettings, members: int, target: tuple[int, int, int], where: Tensor
) -> Photometry | None:
    """The photometric pose of a model with these settings, None if it has none."""
    return Photometry(members, target, where, settings) if settings.photometric_parts else None
