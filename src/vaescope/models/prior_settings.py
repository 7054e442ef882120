"""Settings of the priors: of the pose, of differences between neighbours, and of physics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vaescope.models.part_settings import PartSettings
from vaescope.settings import setting


@dataclass(frozen=True)
class PriorSettings(PartSettings):
    """How far poses and neighbours are expected to differ."""

    turns: int = setting(
        12,
        limits=(1, 128),
        help="number of angles, evenly spaced around the circle, over which the posterior of the"
        " angle is summed; 1: a normal posterior instead",
    )
    symmetry: int | Literal["auto"] = setting(
        1,
        limits=(1, 24),
        help="rotational symmetry n of the structures: angles that differ by 360/n degrees are"
        " equivalent; `auto`: that of the unit cell where sites are windows of a lattice, so that"
        " domains that differ by it are a matter of content, not of the angle; else 1",
    )
    angle_prior: Literal["learned", "uniform", "normal", "direction"] = setting(
        "learned",
        help="prior of the angle: `learned` on the grid of angles, `uniform`, `normal` around 0, or"
        " `direction`: normal around the direction of each site, where sites have one of their own,"
        " such as that of a domain wall",
    )
    angle_sd: float = setting(
        1.0,
        limits=(1e-3, 100),
        unit="rad",
        help="standard deviation of the normal angle prior, around 0 or around the direction of a"
        " site; on a grid of angles, half a step of the grid comes to it",
    )
    offset_sd: float = setting(
        0.1,
        limits=(1e-4, 1),
        unit="half patch sides",
        help="prior standard deviation of each offset; on a grid of shifts the prior is uniform"
        " over the unit cell instead",
    )
    shifts: int | Literal["auto"] = setting(
        "auto",
        limits=(1, 32),
        help="number of shifts along each vector of the unit cell over which the posterior of the"
        " offset is summed, where sites are windows of a lattice; 1: a normal posterior instead;"
        " `auto`: 4 where a unit cell was found, else 1",
    )
    scale_sd: float = setting(
        0.1, limits=(1e-4, 2), help="prior standard deviation of the logarithm of the scale"
    )
    shear_sd: float = setting(0.1, limits=(1e-4, 1), help="prior standard deviation of the shear")
    strain_sd: float = setting(
        0.1, limits=(1e-4, 1), help="prior standard deviation of each logarithmic strain"
    )
    shift_sd: float = setting(
        3.0,
        limits=(1e-3, 1e4),
        unit="channels",
        help="prior standard deviation of the shift of a spectrum along its axis",
    )
    gain_sd: float = setting(
        0.3,
        limits=(1e-4, 10),
        help="prior standard deviation of the logarithm of the gain of a spectrum",
    )
    background_sd: float = setting(
        0.3,
        limits=(1e-6, 1e9),
        help="prior standard deviation of the background of a spectrum, in units of the root mean"
        " square of all spectra; of a power law at the middle of the axis",
    )
    exponent_sd: float = setting(
        0.3,
        limits=(1e-4, 10),
        help="prior standard deviation of the exponent of a power-law background",
    )
    slope_sd: float = setting(
        0.3,
        limits=(1e-6, 1e9),
        help="prior standard deviation of the linear background of a spectrum at the last channel,"
        " in units of the root mean square of all spectra",
    )
    positive: bool = setting(
        False,
        help="decode pictures that are nowhere negative, in the units of the signal, as electrons"
        " or photons are counted. Not with a photometric pose, whose brightness has no zero, nor"
        " with patches that were normalised one by one; the report says where data are negative",
    )
    smoothness: float | Literal["auto"] = setting(
        0.0,
        limits=(0, 1e4),
        help="how alike the contents of neighbouring sites are expected to be: inverse variance of"
        " differences between neighbours, of contents that vary by about 1 over all sites; `auto`:"
        " as the contents support, nothing where they have no order; 0: not at all. It counts when"
        " sites are mapped: noise is averaged over neighbours, except across walls and at sites"
        " that stand apart",
    )
    smoothness_class: float = setting(
        0.0,
        limits=(0, 1e4),
        help="weight of the penalty on differences in class between neighbours",
    )
    physics_loss: str | None = setting(
        None,
        path=True,
        help="a loss term of your own, as `FILE.py:FUNCTION` relative to the recipe; see"
        " [docs/api.md](../docs/api.md). The file is executed",
    )

    @property
    def fold(self) -> int:
        """``symmetry``, 1 where no unit cell has said it."""
        return 1 if self.symmetry == "auto" else self.symmetry
