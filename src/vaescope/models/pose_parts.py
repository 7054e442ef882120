"""The parts of a pose, one row each: of a patch rotation, offset, scale, shear and strain, and of a
spectrum those of ``models.spectrum_parts``.

A row says all that the rest of the library has to know of a part: which setting switches it on, how
its posterior starts and what its prior is, how it moves a picture, what it is in the frame of the
image, in which unit, and how the members of an ensemble are brought to agree on it. Encoder, bound,
maps and their attributes are made from the rows; none of them knows a part by its name, but for the
turns of the grid, which belong to the ``ANGLE``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from vaescope.models import photometry, pose
from vaescope.models.parts import START, Pair, PosePart
from vaescope.models.settings import ModelSettings
from vaescope.models.spectrum_parts import SPECTRUM_PARTS

START_IN_TURN = -2.0  # that of the correction to a turn of the grid
REACH = 0.6  # steps of the grid that a correction reaches: beyond half, so that turns can meet


@dataclass
class Placement:
    """How a canonical picture lies in its patch, while the parts of a pose are added up.

    ``angle`` (…) in rad; ``shear_axis`` (member, 2), the axes along which structures shear, as
    cos 2a and sin 2a; ``offset`` (…, 2) as (x, y) in the patch; ``strain`` (…, 3) as (xx, yy, xy)
    in the canonical frame.
    """

    angle: Tensor
    shear_axis: Tensor
    offset: Tensor | None = None
    strain: Tensor | None = None

    def deform(self, strain: Tensor) -> None:
        """Add a logarithmic strain (…, 3)."""
        self.strain = strain if self.strain is None else self.strain + strain

    def matrices(self) -> Tensor:
        """Pose matrices (…, 2, 3), as in ``models.pose``."""
        return pose.affine(self.angle, self.offset, self.strain)


def _within_a_step(mean: Tensor, log_sd: Tensor, prior_sd: float, step: float) -> Pair:
    """A correction (rad) to a turn of a grid; without a grid, the angle itself."""
    if step < 2 * torch.pi:
        return REACH * step * torch.tanh(mean), log_sd + START_IN_TURN
    return mean, log_sd


def _within_a_shift(mean: Tensor, log_sd: Tensor, prior_sd: float, step: float) -> Pair:
    """A correction to a shift of a grid, whose steps are two standard deviations of its prior."""
    return REACH * 2 * prior_sd * torch.tanh(mean), log_sd + START


def _prior_of_angle(settings: ModelSettings, step: float) -> float:
    if settings.turns == 1 and settings.angle_prior == "normal":
        return settings.angle_sd
    return step / 2


def _turn(place: Placement, value: Tensor) -> None:
    place.angle = place.angle + value.squeeze(-1)


def _shift(place: Placement, value: Tensor) -> None:
    turned = pose.product(pose.rotation(place.angle), value.unsqueeze(-1))
    place.offset = turned.squeeze(-1)


def _grow(place: Placement, value: Tensor) -> None:
    grown = value.squeeze(-1)
    place.deform(torch.stack([grown, grown, torch.zeros_like(grown)], -1))


def _shear(place: Placement, value: Tensor) -> None:
    """Nothing says which way up canonical pictures lie, and a shear along axes fixed to them would
    be right for few of the ways and go into the content in all others: the axes are learned."""
    lean = value.squeeze(-1)
    along, across = functional.normalize(place.shear_axis, dim=-1)[:, None, None].unbind(-1)
    place.deform(torch.stack([-(lean * across), lean * across, lean * along], -1))


def _strain(place: Placement, value: Tensor) -> None:
    place.deform(value)


def _angle_in_image(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    return torch.atan2(angle.sin(), angle.cos()), sd[:, 0]


def _offset_in_image(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    """(y, x) in the image, of (x, y) in the canonical frame."""
    turned = pose.rotation(angle)
    offset = (turned @ value.unsqueeze(-1)).squeeze(-1)
    variance = (turned**2 @ sd.square().unsqueeze(-1)).squeeze(-1)
    return offset.flip(-1), variance.sqrt().flip(-1)


def _scale_in_image(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    factor = value[:, 0].exp()
    return factor, factor * sd[:, 0]


def _shear_in_image(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    """The angle by which a right angle of the structure closes: exp of a pure shear s leans both
    axes by an angle whose tangent is tanh s."""
    lean = value[:, 0]
    return 2 * torch.atan(torch.tanh(lean)), 2 * sd[:, 0] / torch.cosh(2 * lean)


def _strain_in_image(value: Tensor, sd: Tensor, angle: Tensor) -> Pair:
    turned = pose.strain_rotation(angle)
    strain = (turned @ value.unsqueeze(-1)).squeeze(-1)
    variance = (turned**2 @ sd.square().unsqueeze(-1)).squeeze(-1)
    return strain, variance.sqrt()


ANGLE = PosePart(
    name="angle",
    setting="rotation",
    size=1,
    prior_sd=_prior_of_angle,
    posterior=_within_a_step,
    move=_turn,
    in_image=_angle_in_image,
    aligned="circular",
    units="rad",
    scale="cyclic",
)

ON_CELL = PosePart(
    name="lattice_offset",
    setting="offsets",
    size=2,
    prior_sd=lambda settings, step: settings.offset_sd,  # that of the grid, where there is one
    posterior=_within_a_shift,
    move=_shift,
    in_image=_offset_in_image,
    aligned="cell",
    units="px",
    scale="diverging",
    dims=("axis",),
    words="offset of the lattice",
)
"""Takes the place of the offset where its posterior is one over a grid of shifts."""

PARTS = (
    ANGLE,
    PosePart(
        name="offset",
        setting="offsets",
        size=2,
        prior_sd=lambda settings, step: settings.offset_sd,
        move=_shift,
        in_image=_offset_in_image,
        aligned="median",
        units="px",
        scale="diverging",
        dims=("axis",),
    ),
    PosePart(
        name="scale",
        setting="scale",
        size=1,
        prior_sd=lambda settings, step: settings.scale_sd,
        move=_grow,
        in_image=_scale_in_image,
        aligned="same",
        units="1",
        scale="sequential",
    ),
    PosePart(
        name="shear",
        setting="shear",
        size=1,
        prior_sd=lambda settings, step: settings.shear_sd,
        move=_shear,
        in_image=_shear_in_image,
        aligned="axes",
        units="rad",
        scale="diverging",
        learned_axes=True,
    ),
    PosePart(
        name="strain",
        setting="strain",
        size=3,
        prior_sd=lambda settings, step: settings.strain_sd,
        move=_strain,
        in_image=_strain_in_image,
        aligned="median",
        units="1",
        scale="diverging",
        dims=("component",),
        in_place_of=("scale", "shear"),
    ),
    ON_CELL,
    *SPECTRUM_PARTS,
)
"""All parts, in the order in which encoders give them and their noise is drawn."""

NAMES = frozenset(part.name for part in PARTS) | {part.name for part in photometry.PARTS}
"""Of all parts of a pose, the photometric ones too."""


def parts_of(settings: ModelSettings, on_cell: bool = False) -> tuple[PosePart, ...]:
    """The parts that a model with these settings has, in order; ``on_cell``: with a grid of shifts
    over a unit cell."""
    other = "offset" if on_cell else ON_CELL.name
    on = [part for part in PARTS if part.setting in settings.pose_parts and part.name != other]
    replaced = {setting for part in on for setting in part.in_place_of}
    return tuple(part for part in on if part.setting not in replaced)
