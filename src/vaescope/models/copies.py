"""Turned copies of patches, as the encoder looks at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.models import pose
from vaescope.models.photometry import standardised
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import ShiftGrid


class TurnedCopies(nn.Module):
    """Turns every patch back by every angle of a grid.

    Pixels that lie a quarter-turn apart are taken from the same places, in another order, so only
    the turns of the first quarter are interpolated.

    Parameters
    ----------
    turns : (turn,) radians, evenly spaced from 0.
    shifts : a grid of them, for copies at every shift of every turn; None: at none.
    sides : (height, width) of the patches; the same, where there is more than one turn.
    where : (pixel,) indices of the pixels that are wanted, in a flattened patch of one channel.
    photometric : the parts of the photometric pose that copies are to be without.
    """

    where: Tensor
    places: Tensor  # (1, turn of the first quarter, pixel, 2), as grid_sample takes them
    orders: Tensor  # (quarter, pixel) for each quarter-turn, which pixel is seen at which
    plane: Tensor  # (pixel, number), orthonormal: what the background of a patch may be

    def __init__(
        self,
        turns: Tensor,
        sides: tuple[int, int],
        where: Tensor,
        shifts: ShiftGrid | None = None,
        photometric: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.photometric = tuple(photometric)
        x, y, one = pose.points(sides)[:, where].double()
        added = [one] * ("background" in photometric) + [x, y] * ("slope" in photometric)
        columns = torch.stack(added, 1) if added else one.new_zeros(len(one), 0)
        plane = torch.linalg.qr(columns).Q.float().contiguous()
        self.register_buffer("plane", plane, persistent=False)
        each = 1 if shifts is None else len(shifts.nodes)
        self.count = len(turns) * each
        self.still = self.count == 1 and float(turns[0]) == 0.0
        first, orders = _first_quarter(turns), _quarters(sides, where)
        if orders is None or first == len(turns):
            first, orders = len(turns), torch.arange(len(where))[None]
        # A copy is seen at r_canonical and taken from r = R(angle) r_canonical of the patch.
        points = pose.points(sides)[:, where]
        places = pose.places(pose.affine(-turns[:first], None, None), points)
        if shifts is not None:
            moved = places.unsqueeze(1) + shifts.nodes[:, None]
            # What lies beyond the patch is taken from where the lattice has it again.
            places = shifts.inside(moved.flatten(0, 1), min(sides))
        self.register_buffer("where", where, persistent=False)
        self.register_buffer("places", places.unsqueeze(0), persistent=False)
        self.register_buffer("orders", orders, persistent=False)

    def forward(self, patches: Tensor) -> Tensor:
        """patches (n, channel, height, width) -> (n, copy, channel * pixel); copy k has no rotation
        if the patch was turned by the k-th turn. With a grid of shifts, all shifts of a turn follow
        one another."""
        copies = self._turned(patches)
        if not self.photometric:
            return copies
        each = copies.reshape(*copies.shape[:2], patches.shape[1], -1)
        return standardised(each, self.plane, "gain" in self.photometric).flatten(2)

    def _turned(self, patches: Tensor) -> Tensor:
        n, channels, *sides = patches.shape
        if self.still:
            return patches.flatten(2)[..., self.where].flatten(1).unsqueeze(1)
        # All patches are taken from the same places, as if they were channels of one picture.
        first = functional.grid_sample(
            patches.reshape(1, n * channels, *sides),
            self.places,
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        ).reshape(n, channels, -1, len(self.where))
        first = first.movedim(1, 2)
        if len(self.orders) == 1:
            return first.flatten(2)
        # Gathering is far faster than indexing.
        quarters = [first.gather(-1, order.expand_as(first)) for order in self.orders]
        return torch.cat(quarters, dim=1)[:, : self.count].flatten(2)

    def some(self, patches: Tensor, chosen: Tensor) -> Tensor:
        """Chosen copies alone: patches (n, channel, height, width), indices (n, copy) -> (n, copy,
        channel * pixel)."""
        if self.still:
            return self(patches)
        first = self.places.shape[1]
        order = self.orders[chosen // first]  # (n, copy, pixel)
        each = self.places[0][chosen % first]
        each = each.gather(2, order.unsqueeze(-1).expand(*order.shape, 2))
        seen = functional.grid_sample(
            patches, each, mode="bilinear", padding_mode="border", align_corners=False
        )
        return seen.movedim(2, 1).flatten(2)


def turned_copies(
    shape: tuple[int, int, int], settings: ModelSettings, shifts: ShiftGrid | None = None
) -> TurnedCopies:
    """Those that a model with these settings looks at, of patches (channel, height, width)."""
    looked_at = torch.ones(shape[1:])
    turned = settings.rotation and settings.view == "patch"
    if turned and settings.encoder != "convolutional":
        looked_at = pose.disc(shape[1])
    seen = looked_at.flatten().nonzero().squeeze(1)
    turns = pose.turns_of(settings)
    if settings.pooled:
        turns = pose.turn_grid(settings.turns, settings.fold)
    sides = (shape[1], shape[2])
    return TurnedCopies(turns, sides, seen, shifts, settings.photometric_parts)


def with_spectra(copies: Tensor, spectra: Tensor | None) -> Tensor:
    """Copies (n, turn, pixels), each followed by the spectrum (n, channel) of its site, if any."""
    if spectra is None:
        return copies
    each = spectra.unsqueeze(1).expand(-1, copies.shape[1], -1)
    return torch.cat([copies, each], dim=-1)


def _first_quarter(turns: Tensor) -> int:
    """How many turns there are before the first that is a quarter-turn; all, if none is."""
    exact = (turns - math.pi / 2).abs() < 1e-5
    return int(exact.nonzero()[0]) if bool(exact.any()) else len(turns)


def _quarters(sides: tuple[int, int], where: Tensor) -> Tensor | None:
    """For no, one, two and three quarter-turns, which of the pixels ``where`` is seen at which: (4,
    pixel); None where they do not turn into each other."""
    if sides[0] != sides[1]:
        return None
    place = torch.full((sides[0] * sides[1],), -1)
    place[where] = torch.arange(len(where))
    # Seen at r, taken from R(90 degrees) r: what is above comes from the left.
    squares = [torch.rot90(place.reshape(sides), -k) for k in range(4)]
    orders = torch.stack([square.flatten()[where] for square in squares])
    return orders if bool((orders >= 0).all()) else None
