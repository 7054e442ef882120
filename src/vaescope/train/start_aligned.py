"""Contents to which the encoder keeps while a model of windows of a lattice learns what varies.

As long as the shift of a window is not known, moiré between the windows' spacing and the lattice is
all that windows seem to differ by. Once it is known, windows are laid onto each other, and their
principal components (those that stand out of the noise) are what structures differ by. From there
the content starts: a few hundred steps from random weights would not find differences of a per cent
of the contrast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vaescope.models import pose
from vaescope.models.family import Family
from vaescope.models.pose_parts import ANGLE, ON_CELL
from vaescope.models.side import Side
from vaescope.train.classes import of_sites
from vaescope.train.device_data import DeviceData

SHARE = 0.7  # of the training, after the shifts are found, for which the encoder keeps to them
ERROR = 0.1  # by which it may differ, in standard deviations of the prior
ROWS = 128  # patches aligned at once


class StartAligned:
    """``content`` (member, site, latent) from the step ``first`` on to the step ``last``."""

    def __init__(self, model: Family, shown: DeviceData, first: int, last: int) -> None:
        self.model, self.shown, self.first, self.last = model, shown, first, last
        self.content: Tensor | None = None

    @classmethod
    def of(cls, model: Family, shown: DeviceData, first: int) -> StartAligned | None:
        """That of a training whose copies are pruned from the step ``first`` on; None without a
        grid of shifts, or where the classes give the content."""
        settings = model.settings
        if model.grid is None or settings.classes or settings.condition or not settings.stochastic:
            return None
        return cls(model, shown, first, first + int(SHARE * settings.steps))

    @torch.no_grad()
    def find(self) -> None:
        """Find the contents by the poses that the model gives the sites now."""
        some = torch.arange(len(self.shown), device=self.shown.patches.device).split(ROWS)
        aligned = torch.cat([self._aligned(rows) for rows in some], 1)
        latent = self.model.settings.latent
        self.content = torch.stack([components(self._still(rows), latent) for rows in aligned])

    def tell(self, side: Side, chosen: Tensor) -> None:
        """Add to ``side`` the contents of the chosen sites (member, site)."""
        if self.content is None:
            self.find()
        assert self.content is not None
        side.content = of_sites(self.content, chosen), ERROR

    def _aligned(self, rows: Tensor) -> Tensor:
        """Patches of sites (row,) laid onto each other, (member, row, pixel): those under the mask,
        by their likeliest pose."""
        model, patches = self.model, self.shown.patches[rows]
        chosen = rows.expand(model.members, -1)
        encoded = model.encoder(self.shown.copies(chosen), self.shown.conditions[chosen])
        best = encoded.turn_logit.argmax(-1, keepdim=True)
        latents = {name: mean for name, (mean, _) in encoded.pick(best).parts.items()}
        angle = model.turns[best]
        if ANGLE.name in latents:
            angle = angle + latents[ANGLE.name].squeeze(-1)
        model.add_shifts(latents, angle, best)
        offset = pose.product(pose.rotation(angle), latents[ON_CELL.name].unsqueeze(-1)).squeeze(-1)
        back = pose.affine(-angle, None, None)[:, :, 0]
        points = pose.points(tuple(patches.shape[2:])).to(back)[:, model.turned.where]
        assert model.grid is not None
        out = []
        for matrices, moved in zip(back, offset[:, :, 0], strict=True):
            places = pose.places(matrices, points) + moved[:, None]
            places = model.grid.inside(places, min(patches.shape[2:]))
            # Linear interpolation would blur by how far a place lies between pixels: that too is
            # moiré.
            seen = functional.grid_sample(
                patches,
                places.unsqueeze(1),
                mode="bicubic",
                padding_mode="border",
                align_corners=False,
            )
            out.append(seen.flatten(1))
        return torch.stack(out)

    def _still(self, rows: Tensor) -> Tensor:
        """Aligned patches (row, pixel) without what a shift by less than a pixel changes in them:
        to first order, the slopes of their mean."""
        where, (channels, height, width) = self.model.turned.where, self.model.shape
        mean = rows.mean(0)
        whole = mean.new_zeros(channels, height * width)
        whole[:, where] = mean.reshape(channels, -1)
        slopes = torch.gradient(whole.reshape(channels, height, width), dim=(1, 2))
        each = torch.stack([slope.flatten(1)[:, where].flatten() for slope in slopes])
        along = torch.linalg.qr(each.T)[0]
        centred = rows - mean
        return centred - (centred @ along) @ along.T

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {} if self.content is None else {"aligned/content": self.content}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        self.content = tensors.get("aligned/content")


def components(rows: Tensor, count: int) -> Tensor:
    """The leading principal components (row, count) of rows (row, number), each with the variance
    that its signal-to-noise ratio leaves of a standard normal prior; the noise is the median of all
    (Tipping & Bishop, J. R. Stat. Soc. B 61 (1999) 611)."""
    centred = rows - rows.mean(0)
    axes, sizes, _ = torch.linalg.svd(centred.double(), full_matrices=False)
    variance = sizes.square() / len(rows)
    noise = variance[variance > 1e-9 * variance[0]].median()
    used = variance[:count]
    weight = ((used - noise).clamp_min(0) / used.clamp_min(1e-12)).sqrt()
    found = axes[:, :count] * len(rows) ** 0.5 * weight
    if found.shape[1] < count:
        found = functional.pad(found, (0, count - found.shape[1]))
    return found.to(rows)
