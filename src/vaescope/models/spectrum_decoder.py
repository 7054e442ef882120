"""Decoders of spectra: a canonical spectrum per content, seen under its pose.

The canonical spectrum is a cubic spline on the channels (Unser, IEEE Signal Process. Mag. 16
(1999) 22), so that it can be shifted by any part of a channel, with exact gradients. It reaches
beyond the recorded channels by as far as spectra shift.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models.fine_structure import kernels, shares_of_widths
from vaescope.models.layers import Generators, Linear, Perceptron
from vaescope.models.likelihoods import Likelihood
from vaescope.models.lines import LineUpsampling
from vaescope.models.power_law import log_of_axis, power_law_below
from vaescope.models.settings import ModelSettings
from vaescope.models.spectrum_parts import SIZE
from vaescope.models.spectrum_start import align_spectra

REACH = 3.0  # prior standard deviations of the shift by which a canonical spectrum is longer
MOST = 4096  # spectra from which it starts
NARROWEST = 1e-6  # of a standard deviation by which values are divided


class SpectrumDecoder(nn.Module):
    """From content and pose to what is said of every channel of a spectrum.

    Parameters
    ----------
    members : of the ensemble.
    inputs : how many numbers content and conditions are.
    shape : (signal, 1, channel) of a spectrum; a dataset with one signal has one.
    settings : the parts switched on.
    likelihood : of the spectrum, which says what the output means.
    """

    typical: Tensor  # (member, signal, channel) spline coefficients of the typical spectrum
    spread: Tensor  # (member,) how far spectra differ from it, by channel
    basis: Tensor  # (member, component, signal * channel)
    positive: Tensor  # (member,) 1 where weights of the basis are positive
    widths: Tensor  # (member, width, channel) share of each width of ``fine_structure``
    kernels: Tensor  # (width, 1, channel) by which they smooth
    level: Tensor  # (member,) unit of backgrounds
    log_axis: Tensor  # (member, channel) logarithm of the energy over that of the middle

    def __init__(
        self,
        members: int,
        inputs: int,
        shape: tuple[int, int, int],
        settings: ModelSettings,
        likelihood: Likelihood,
    ) -> None:
        super().__init__()
        self.shape, self.likelihood, self.inputs = shape, likelihood, inputs
        self.has_pose = any(part in settings.pose_parts for part in PARTS)
        self.margin = math.ceil(REACH * settings.shift_sd) + 2 if settings.shift else 0
        self.length = shape[2] + 2 * self.margin
        self.on_basis = settings.decoder == "basis"
        self.power_law = settings.power_law
        outputs = shape[0] * self.length
        self.register_buffer("typical", torch.zeros(members, shape[0], self.length))
        self.register_buffer("spread", torch.ones(members))
        self.register_buffer("level", torch.ones(members))
        if self.margin:
            weights = torch.from_numpy(kernels()).float().unsqueeze(1)
            self.register_buffer("kernels", weights, persistent=False)
            self.register_buffer("widths", torch.zeros(members, len(weights), self.length))
        if self.power_law:
            # Amplitude, over the level, and exponent of the power law of the mean spectrum.
            self.law = nn.Parameter(torch.zeros(members, 2))
            self.register_buffer("log_axis", torch.zeros(members, shape[2]))
        self.network: Perceptron | LineUpsampling | LinearNetwork
        if self.on_basis:
            self.register_buffer("basis", torch.zeros(members, settings.basis, outputs))
            self.register_buffer("positive", torch.zeros(members))
            outputs = settings.basis
        if settings.decoder == "convolutional":
            network = LineUpsampling(members, inputs, settings.hidden, (shape[0], self.length))
            self.network = network
        elif settings.decoder == "linear":
            self.network = LinearNetwork(members, inputs, outputs)
        else:
            self.network = Perceptron(members, inputs, settings.hidden, outputs, settings.skip)

    def initialise(
        self, generators: Generators, spectra: Tensor, axis: Tensor | None = None
    ) -> None:
        """Draw the weights; spectra (site, signal, 1, channel) give the typical spectrum, how far
        the others differ from it, and the basis, and with their ``axis`` (channel,) a power law."""
        from vaescope.models.spectral_basis import find_basis

        self.network.initialise(generators, last_gain=0.3)
        step = -(-len(spectra) // MOST)
        rows = spectra[::step, :, 0].double().numpy()
        self.level.fill_(max(float(np.sqrt((rows**2).mean())), NARROWEST))
        if self.power_law:
            assert axis is not None
            rows = rows - self._below(rows.mean((0, 1)), axis.double().numpy())
        if self.margin and rows.shape[1] == 1:
            aligned = align_spectra(rows[:, 0], self.margin)
            rows = aligned.spectra[:, None] if aligned.large else rows
        if self.margin:
            edges = (self.margin, self.margin)
            longer = np.pad(rows.reshape(-1, rows.shape[-1]), ((0, 0), edges), mode="edge")
            self.widths.copy_(torch.from_numpy(shares_of_widths(longer)))
        with torch.no_grad():
            self.spread.fill_(max(float(rows.std(0).mean()), NARROWEST))
            mean = self._coefficients(rows.mean(0))
            self.typical.copy_(self.likelihood.start(torch.from_numpy(mean)))
            if self.on_basis:
                found = find_basis(rows.reshape(len(rows), -1), self.basis.shape[1])
                shaped = found.components.reshape(-1, *rows.shape[1:])
                own = np.stack([self._coefficients(one) for one in shaped])
                self.basis.copy_(torch.from_numpy(own).flatten(1))
                self.positive.fill_(float(found.positive))
                self.network.last.bias.copy_(torch.from_numpy(found.start))

    def _below(self, mean: np.ndarray, axis: np.ndarray) -> np.ndarray:
        """The power law (channel,) below a mean spectrum (channel,), which the buffers keep."""
        log_axis = log_of_axis(axis)
        amplitude, exponent = power_law_below(mean, log_axis)
        with torch.no_grad():
            self.law.copy_(torch.tensor([amplitude, exponent]))
            self.law[:, 0] /= self.level
        self.log_axis.copy_(torch.from_numpy(log_axis))
        return np.asarray(amplitude * np.exp(-exponent * log_axis))

    def _coefficients(self, spectra: np.ndarray) -> np.ndarray:
        """Spline coefficients (signal, channel) of spectra (signal, channel), with the margin."""
        from scipy.ndimage import spline_filter1d

        longer = np.pad(spectra, ((0, 0), (self.margin, self.margin)), mode="edge")
        if not self.margin:
            return longer
        return np.asarray(spline_filter1d(longer, order=3, axis=-1, mode="mirror"))

    def _drawn(self, content: Tensor) -> Tensor:
        """Coefficients (member, row, signal, channel) of the mean, not yet under a pose.

        Smoothing is linear: where spectra are sums of components, these are smoothed, being fewer.
        """
        spread, typical = self.spread[:, None, None], self.typical.flatten(1).unsqueeze(1)
        if isinstance(self.network, LinearNetwork):
            last = self.network.last
            rows = torch.cat([typical + spread * last.bias, spread * last.weight], dim=1)
            rows = self._smoothed(self._shaped(rows)).flatten(2)
            drawn = torch.baddbmm(rows[:, :1], content, rows[:, 1:])
            return self.likelihood.mean(self._shaped(drawn))
        raw = self.network(content)
        if self.on_basis:
            positive = self.positive[:, None, None] > 0
            weight = torch.where(positive, functional.softplus(raw), raw)
            return self._shaped(weight @ self._smoothed(self._shaped(self.basis)).flatten(2))
        return self.likelihood.mean(self._smoothed(self._shaped(typical + spread * raw)))

    def _shaped(self, rows: Tensor) -> Tensor:
        """(member, row, signal * channel) -> (member, row, signal, channel)."""
        return rows.unflatten(2, (-1, self.length))

    def _smoothed(self, drawn: Tensor) -> Tensor:
        """(member, row, signal, channel), without what is finer than the data show."""
        if not self.margin:
            return drawn
        reach = self.kernels.shape[-1] // 2
        longer = functional.pad(drawn.reshape(-1, 1, self.length), (reach, reach), "replicate")
        each = functional.conv1d(longer, self.kernels).reshape(*drawn.shape[:3], -1, self.length)
        return (each * self.widths[:, None, None]).sum(-2)

    def canonical(self, content: Tensor) -> Tensor:
        """content (member, row, inputs) -> what is said of canonical spectra (member, row, signal,
        1, channel)."""
        still = content.new_zeros(*content.shape[:2], SIZE)
        return self(content, still)

    def forward(self, content: Tensor, poses: Tensor, where: Tensor | None = None) -> Tensor:
        """content (member, row, inputs), poses (member, row, SIZE) -> (member, row, signal, 1,
        channel), or (member, row, signal, channel) of the channels ``where`` alone."""
        mean = self._drawn(content)
        if self.margin:
            mean = shifted(mean, poses[..., 0], self.margin, self.shape[2])
        if self.has_pose:
            gain = poses[..., 1, None, None]
            mean = mean * gain.exp() + self._background(*poses[..., 2:].unbind(-1)).unsqueeze(2)
        shown = self.likelihood.output(mean)
        if where is None:
            return shown.unsqueeze(3)
        return shown if len(where) == shown.shape[-1] else shown[..., where]

    def typical_output(self) -> Tensor:
        """What the first member says of the spectrum (channel,) of average content, with the
        margin, before the likelihood makes a mean of it."""
        inputs = self.network.last.weight.new_zeros(len(self.level), 1, self.inputs)
        drawn = self.typical[:, None] + self.spread[:, None, None, None] * self.network(
            inputs
        ).reshape(len(self.level), 1, -1, self.length)
        return self._smoothed(drawn)[0, 0, 0]

    def background_of_one(self) -> Tensor:
        """The change (channel,) of the first member's spectra by a background of 1 in units of its
        prior."""
        count = len(self.level)
        zero, one = self.level.new_zeros(count, 1), self.level.new_ones(count, 1)
        return (self._background(one, zero, zero) - self._background(zero, zero, zero))[0, 0]

    def _background(self, background: Tensor, slope: Tensor, exponent: Tensor) -> Tensor:
        """The background (member, row, channel) of numbers (member, row) of the pose."""
        level = self.level[:, None, None]
        along = torch.linspace(-1, 1, self.shape[2], device=level.device)
        height = level * background.unsqueeze(-1)
        if self.power_law:
            amplitude, mean_exponent = (part[:, None, None] for part in self.law.unbind(-1))
            steep = mean_exponent + exponent.unsqueeze(-1)
            height = (level * amplitude + height) * torch.exp(-steep * self.log_axis[:, None])
        return height + level * slope.unsqueeze(-1) * along


class LinearNetwork(nn.Module):
    """One linear layer, as principal components have: (member, row, inputs) -> (member, row,
    outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.last = Linear(members, inputs, outputs)

    def initialise(self, generators: Generators, last_gain: float = 1.0) -> None:
        """Draw all weights."""
        self.last.initialise(generators, last_gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x)


PARTS = ("shift", "gain", "background", "slope", "power_law")


def shifted(coefficients: Tensor, shift: Tensor, margin: int, length: int) -> Tensor:
    """Cubic splines of coefficients (…, signal, length + 2 margin), shifted by ``shift`` (…) in
    channels towards the end of the axis: (…, signal, length). Beyond the margin they go on as at
    its end."""
    place = margin - shift  # of the first channel; all others have the same weights
    first = place.detach().floor()
    t = (place - first)[..., None, None]
    taps = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    last = coefficients.shape[-1] - 1
    along = torch.arange(-1, length + 2, device=shift.device)
    index = (first.long().unsqueeze(-1) + along).clamp(0, last).unsqueeze(-2)
    there = coefficients.gather(-1, index.expand(*coefficients.shape[:-1], length + 3))
    total = taps[0] * there[..., :length]
    for step, weight in enumerate(taps[1:], 1):
        total = total + weight * there[..., step : step + length]
    return total
