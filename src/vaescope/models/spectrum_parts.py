"""The parts of the pose of a spectrum: shift along its axis, gain, and background.

A spectrum at channel i is seen as

    s(i) = exp(g) f(i - d) + l (b + k u(i)),

with f the canonical spectrum that the content says, d the shift in channels, g the logarithm of the
gain, b a constant background and k its slope, with u from -1 at the first channel to 1 at the last,
and l the root mean square of all spectra. With a power law the background is instead

    (A + l b) (E(i) / E0)^-(r + p),

with A and r those of the mean spectrum (``models.power_law``) and b, p what a site differs by. A
background does not shift with the spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vaescope.models.parts import AXIS, SIGNAL, START, Pair, PosePart

SIZE = 5
"""Numbers of the pose of a spectrum: shift, logarithm of the gain, background, slope, exponent."""


@dataclass
class SpectrumPose:
    """How a canonical spectrum was recorded, while the parts of its pose are added up.

    ``like`` (…) has the axes of the pose; the others (…) are 0 where the model has no such part.
    """

    like: Tensor
    shift: Tensor | None = None
    log_gain: Tensor | None = None
    background: Tensor | None = None
    slope: Tensor | None = None
    exponent: Tensor | None = None

    def matrices(self) -> Tensor:
        """The numbers (…, SIZE) of the pose, in the order of the formula."""
        zero = torch.zeros_like(self.like)
        parts = (self.shift, self.log_gain, self.background, self.slope, self.exponent)
        return torch.stack([zero if part is None else part for part in parts], -1)


def _shift(place: SpectrumPose, value: Tensor) -> None:
    place.shift = value.squeeze(-1)


def _gain(place: SpectrumPose, value: Tensor) -> None:
    place.log_gain = value.squeeze(-1)


def _background(place: SpectrumPose, value: Tensor) -> None:
    place.background = value.squeeze(-1)


def _slope(place: SpectrumPose, value: Tensor) -> None:
    place.slope = value.squeeze(-1)


def _exponent(place: SpectrumPose, value: Tensor) -> None:
    place.exponent = value.squeeze(-1)


def _of_prior(mean: Tensor, log_sd: Tensor, prior_sd: float, step: float) -> Pair:
    """Mean and width in units of the prior: what a channel or a count is depends on the data."""
    return prior_sd * mean, log_sd + (START + math.log(prior_sd))


def _same(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    return value[:, 0], sd[:, 0]


def _factor(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    factor = value[:, 0].exp()
    return factor, factor * sd[:, 0]


SPECTRUM_PARTS = (
    PosePart(
        name="shift",
        setting="shift",
        size=1,
        prior_sd=lambda settings, step: settings.shift_sd,
        posterior=_of_prior,
        move=_shift,
        in_image=_same,
        aligned="median",
        units=AXIS,
        scale="diverging",
        view="spectrum",
        words="shift of the spectrum",
    ),
    PosePart(
        name="gain",
        setting="gain",
        size=1,
        prior_sd=lambda settings, step: settings.gain_sd,
        posterior=_of_prior,
        move=_gain,
        in_image=_factor,
        aligned="same",
        units="1",
        scale="sequential",
        view="spectrum",
        words="gain of the spectrum",
    ),
    PosePart(
        name="background",
        setting="background",
        size=1,
        prior_sd=lambda settings, step: settings.background_sd,
        posterior=_of_prior,
        move=_background,
        in_image=_same,
        aligned="median",
        units=SIGNAL,
        scale="diverging",
        view="spectrum",
        words="background of the spectrum",
    ),
    PosePart(
        name="slope",
        setting="slope",
        size=1,
        prior_sd=lambda settings, step: settings.slope_sd,
        posterior=_of_prior,
        move=_slope,
        in_image=_same,
        aligned="median",
        units=SIGNAL,
        scale="diverging",
        view="spectrum",
        words="slope of the background of the spectrum",
    ),
    PosePart(
        name="exponent",
        setting="power_law",
        size=1,
        prior_sd=lambda settings, step: settings.exponent_sd,
        posterior=_of_prior,
        move=_exponent,
        in_image=_same,
        aligned="median",
        units="1",
        scale="diverging",
        view="spectrum",
        words="exponent of the background of the spectrum",
    ),
)
