"""The turns of every site that are followed: looked at now and then, not at every step.

Which turns of a patch are likely changes slowly, and to find it out all turned copies go through
the encoder: as dear as following a few of them is. So of the patches of a step only those are
looked at anew whose last look is longest ago.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models.family import Family
from vaescope.train.device_data import DeviceData
from vaescope.train.schedule import TrainingSchedule

LOOKED_AT = 1 / 3
"""Share of the patches of a step that are looked at in all their turns."""

VISITS = 4.0
"""Where fewer steps than that see a site on average, nothing is saved."""


class TopTurns:
    """``best`` (member, site, turn) indices of the likeliest turns, and ``step`` (member, site) of
    the last look."""

    def __init__(self, shown: DeviceData, members: int, keep: int) -> None:
        self.shown, self.keep = shown, keep
        device = shown.patches.device
        self.best = torch.zeros(members, len(shown), keep, dtype=torch.long, device=device)
        self.step = torch.full((members, len(shown)), -1, device=device)

    @classmethod
    def of(cls, shown: DeviceData, plan: TrainingSchedule, members: int) -> TopTurns | None:
        """Those of a training; None where nothing would be saved: all turns are followed,
        prototypes tell the turn, neighbours are compared by all copies, a GPU has the time, or each
        of very many sites is seen too seldom."""
        settings, sites = plan.settings, len(shown)
        seldom = plan.seen(settings.steps, sites) < VISITS * sites
        every = not 0 < settings.top_turns < shown.turned.count
        told = settings.prototypes or settings.smoothness or settings.smoothness_class
        if shown.patches.device.type != "cpu" or shown.cached is None or seldom or every or told:
            return None
        return cls(shown, members, settings.top_turns)

    def of_batch(self, model: Family, chosen: Tensor, step: int) -> Tensor:
        """The turns (member, site, turn) to follow of sites ``chosen`` (member, site)."""
        if int(self.step.max()) < 0:
            for some in torch.arange(len(self.shown)).split(256):
                self._look(model, some.expand(len(self.best), -1), step)
        count = max(round(LOOKED_AT * chosen.shape[1]), 1)
        oldest = self.step.gather(1, chosen).topk(count, dim=1, largest=False).indices
        self._look(model, chosen.gather(1, oldest), step)
        return torch.stack([best[rows] for best, rows in zip(self.best, chosen, strict=True)])

    def _look(self, model: Family, chosen: Tensor, step: int) -> None:
        told = self.shown.conditions[chosen]
        found = model.likeliest(self.shown.copies(chosen), told, self.keep)
        for k, rows in enumerate(chosen):
            self.best[k, rows] = found[k]
            self.step[k, rows] = step

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"followed/best": self.best, "followed/step": self.step}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        self.best = tensors["followed/best"]
        self.step = tensors["followed/step"]
