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
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vaescope.models import pose
from vaescope.models.parts import Part
from vaescope.models.photometric_products import Products, products, weighed_products
from vaescope.models.pixel_noise import SignalNoise
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
class PhotometricPosterior:
    """Posterior of the photometric pose: ``mean`` (…, channel, number) and ``covariance`` (…,
    channel, number, number) of a, b, k in the order of the formula, as far as a model has them."""

    mean: Tensor
    covariance: Tensor


class Photometry(nn.Module):
    """Gain, background and slope of every patch of the members of an ensemble, and the noise of its
    pixels where that depends on the signal (``models.pixel_noise``).

    Parameters
    ----------
    members : of the ensemble.
    target : (channel, height, width) of the patches.
    where : (pixel,) indices of the pixels that count.
    settings : which of the three there are, and which noise.
    """

    plane: Tensor  # (pixel, number) what is added to a picture at the pixels that count
    everywhere: Tensor  # (number, height, width) the same at all pixels

    def __init__(
        self, members: int, target: tuple[int, int, int], where: Tensor, settings: ModelSettings
    ) -> None:
        super().__init__()
        parts = settings.photometric_parts
        self.gain = "gain" in parts
        self.parts = tuple(part for part in PARTS if part.setting in parts)
        x, y, one = pose.points(target[1:])
        rows = [one] * ("background" in parts) + [x, y] * ("slope" in parts)
        added = torch.stack(rows) if rows else torch.zeros(0, len(one))
        self.register_buffer("plane", added[:, where].T.contiguous(), persistent=False)
        self.register_buffer("everywhere", added.reshape(-1, *target[1:]), persistent=False)
        self.size = self.gain + len(rows)
        self.log_sd = nn.Parameter(torch.zeros(members, target[0], self.size), self.size > 0)
        self.noise = SignalNoise(members, target[0]) if settings.noise == "signal" else None

    def initialise(self, target: Tensor) -> None:
        """Start the priors as wide as the patches (site, channel, height, width) differ."""
        if self.noise is not None:
            self.noise.initialise(target)
        if not self.size:
            return
        level = target.mean((2, 3))
        contrast = target.std((2, 3))
        share = (contrast.std(0) / contrast.mean(0).clamp_min(1e-9)).clamp_min(START_GAIN)
        wide = level.std(0).clamp_min(10 * LEAST_SD)
        sd = torch.stack([share] * self.gain + [wide] * len(self.everywhere), -1)
        with torch.no_grad():
            self.log_sd.copy_(sd.log().expand_as(self.log_sd))

    def log_density(
        self, shown: Tensor, patch: Tensor, log_sigma: Tensor, known: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """log p(patch) (member, site, turn) with the photometric pose integrated out, and the
        moments of its residuals (``SignalNoise.moments_of``), None where nothing learns from them.

        Parameters
        ----------
        shown : pictures f (member, site, turn, channel, pixel).
        patch : (member, site, 1, channel, pixel).
        log_sigma : noise (member, channel) at the mean signal.
        known : (member, site, 1, 1, pixel), 1 where a pixel was measured, else 0; None: all were.
        """
        found = self._equations(shown, patch, log_sigma, known)
        factor = torch.linalg.cholesky(found.matrix)
        inside = torch.linalg.solve_triangular(factor, found.right.unsqueeze(-1), upper=False)
        value = found.constant - 0.5 * (found.left - inside.square().sum((-2, -1)))
        value = value - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        value = value - self._log_prior_sd()[:, None, None].sum(-1)
        return value.sum(-1).to(shown.dtype), found.moments

    def fit(
        self,
        shown: Tensor,
        patch: Tensor,
        log_sigma: Tensor,
        known: Tensor | None,
        variance: Tensor | None = None,
    ) -> PhotometricPosterior:
        """The posterior of the photometric pose (member, site, turn, …), shapes as of
        ``log_density``; ``variance`` of every pixel over that at the mean signal, of the shape of
        ``shown``, where it is known beforehand."""
        found = self._equations(shown, patch, log_sigma, known, variance)
        covariance = torch.linalg.inv(found.matrix)
        mean = (covariance @ found.right.unsqueeze(-1)).squeeze(-1)
        return PhotometricPosterior(mean.to(shown.dtype), covariance.to(shown.dtype))

    def record(self, pictures: Tensor, numbers: Tensor) -> Tensor:
        """Pictures (…, channel, height, width) as they are recorded with numbers (…, channel,
        number)."""
        added = torch.einsum("...n,nhw->...hw", numbers[..., int(self.gain) :], self.everywhere)
        if not self.gain:
            return pictures + added
        return pictures * (1 + numbers[..., 0, None, None]) + added

    def record_counted(self, pixels: Tensor, numbers: Tensor) -> Tensor:
        """The same of the pixels that count, (…, channel, pixel)."""
        added = numbers[..., int(self.gain) :] @ self.plane.T
        return added + (pixels * (1 + numbers[..., :1]) if self.gain else pixels)

    def prior_sd(self) -> Tensor:
        """Standard deviations (member, channel, number) of the priors."""
        return self._log_prior_sd().exp()

    def _log_prior_sd(self) -> Tensor:
        return self.log_sd.double().clamp_min(math.log(LEAST_SD))

    def _equations(
        self,
        shown: Tensor,
        patch: Tensor,
        log_sigma: Tensor,
        known: Tensor | None,
        variance: Tensor | None = None,
    ) -> _Equations:
        """Of the photometric pose of patches, arguments as of ``log_density``."""
        if known is not None:
            shown, patch = shown * known, patch * known
        count = shown.shape[-1] if known is None else known.sum(-1).double()
        log_sd = log_sigma[:, None, None].double()
        constant = -count * (log_sd + 0.5 * math.log(2 * math.pi))
        inverse = (-2 * log_sd).exp()
        if variance is not None:
            weighed = weighed_products(shown, patch, self.plane, 1 / variance, known)
            return self._over_noise(weighed, inverse, constant)
        alike = products(shown, patch, self.plane, known)
        if self.noise is None:
            return self._over_noise(alike, inverse, constant)
        # The variance follows the signal as it is fitted, not that of which the bound asks the
        # gradient: a model could else explain a misfit by a brighter picture.
        moments, learning = None, torch.is_grad_enabled()
        with torch.no_grad():
            first = self._over_noise(alike, inverse, constant)
            numbers = torch.linalg.solve(first.matrix, first.right).to(shown.dtype)
            mean = self.record_counted(shown, numbers)
            variance = self.noise.relative(mean)
            if learning:
                moments = self.noise.moments_of(mean, patch, known)
        logs = variance.log() if known is None else variance.log() * known
        weighed = weighed_products(shown, patch, self.plane, 1 / variance, known)
        found = self._over_noise(weighed, inverse, constant - 0.5 * logs.sum(-1).double())
        return replace(found, moments=moments)

    def _over_noise(self, found: Products, inverse: Tensor, constant: Tensor) -> _Equations:
        matrix, right = found.of_plane, found.plane_left
        if self.gain:
            edge = found.own_plane.unsqueeze(-1)
            top = torch.cat([found.own[..., None, None], edge.transpose(-1, -2)], -1)
            matrix = torch.cat([top, torch.cat([edge, matrix], -1)], -2)
            right = torch.cat([found.own_left.unsqueeze(-1), right], -1)
        prior = (-2 * self._log_prior_sd()).exp()[:, None, None]
        matrix = matrix.double() * inverse[..., None, None] + torch.diag_embed(prior)
        right = right.double() * inverse.unsqueeze(-1)
        return _Equations(constant, found.left.double() * inverse, right, matrix)


@dataclass(frozen=True)
class _Equations:
    """Normal equations of the photometric pose, all over the noise: log p of patches without any
    but for half the squares ``left`` (…,) is ``constant`` (…,); ``right`` side (…, number) and
    ``matrix`` (…, number, number), the prior included."""

    constant: Tensor
    left: Tensor
    right: Tensor
    matrix: Tensor
    moments: Tensor | None = None


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
    """The photometric pose of a model with these settings, None if there is nothing of it."""
    needed = settings.photometric_parts or settings.noise == "signal"
    return Photometry(members, target, where, settings) if needed else None
