"""What a row of the table of pose parts is (``models.pose_parts``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from vaescope.models.settings import ModelSettings
from vaescope.quantities import Scale

Pair = tuple[Tensor, Tensor]
"""Mean and logarithm of the standard deviation of a normal posterior, with one last axis."""

Alignment = Literal["circular", "median", "axes", "same", "cell"]
"""How a member's values are brought into the frame of the ensemble (``ensemble.align.ALIGNED``):
an angle by gauge and circular mean; less their median; with the sign of the axes; as they are; an
offset modulo the unit cell by a gauge and a circular mean of its own."""

START = -3.0  # logarithm of the first width of a posterior beside the encoder's own number

AXIS = "axis"
"""Unit of a length along the axis of a spectrum, whatever the axis of a dataset is in."""

SIGNAL = "signal"
"""Unit of the signal of a spectrum: inside a model, the root mean square of all spectra."""


def narrow(mean: Tensor, log_sd: Tensor, prior_sd: float, step: float) -> Pair:
    """A posterior in units of its prior, that starts at the prior's centre."""
    return prior_sd * mean, log_sd + START


@dataclass(frozen=True, kw_only=True)
class Part:
    """What maps have to know of a part of a pose.

    Parameters
    ----------
    name : of its variables.
    setting : the setting that switches it on.
    aligned : how members are brought into one frame.
    units, scale : of the values in the frame of the image, as CF attributes; ``px`` of the image,
        or ``AXIS``, ``SIGNAL``: those of the axis and of the signal of the spectrum.
    dims : of ``latents.zarr``, beside the site.
    words : what it is called in figures; empty: its name.
    """

    name: str
    setting: str
    aligned: Alignment
    units: str
    scale: Scale
    dims: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class PosePart(Part):
    """One part of a pose that an encoder guesses.

    Inside a model lengths of a patch are in units of half its side, those along the axis of a
    spectrum in channels; the posterior of a part is normal and of ``size`` numbers.

    Parameters
    ----------
    size : how many numbers it is.
    prior_sd : (settings, step of the grid of turns in rad) -> standard deviation of the prior.
    move : adds (member, site, turn, size) values to the placement of its view.
    in_image : (value (site, size), standard deviation (site, size), angle (site,) in rad) -> both
        in the frame of the image: (site,) or (site, size).
    posterior : (mean, log_sd, prior_sd, step) of the encoder -> the posterior where it starts.
    in_place_of : settings of parts that this one holds and takes the place of.
    learned_axes : it lies along axes that are learned (``Family.shear_axis``).
    view : the view whose pose it belongs to.
    """

    size: int
    prior_sd: Callable[[ModelSettings, float], float]
    move: Callable[[Any, Tensor], None]
    in_image: Callable[[Tensor, Tensor, Tensor], Pair]
    posterior: Callable[[Tensor, Tensor, float, float], Pair] = narrow
    in_place_of: tuple[str, ...] = ()
    learned_axes: bool = False
    view: str = "patch"
