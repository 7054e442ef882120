"""The likeliest turns of every site, remembered and encoded anew now and then, not at every step.

Which turns of a patch are likely changes slowly, and to find it out all turned copies go through
the encoder: as dear as decoding a few of them is. So of the patches of a step only those are
encoded in all their turns for which that was longest ago.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models.family import Family
from vaescope.train.device_data import DeviceData
from vaescope.train.schedule import TrainingSchedule

RENEWED = 1 / 3
"""Share of the patches of a step that are encoded in all their turns."""

MOST_RENEWED = 1024
"""Copies at most that are encoded in a step to renew them, however many turns and shifts there
are."""

VISITS = 4.0
"""Where fewer steps than that see a site on average, nothing is saved."""


class TopTurns:
    """``best`` (member, site, turn) indices of the likeliest turns, and ``step`` (member, site) of
    the training at which they were found."""

    def __init__(self, shown: DeviceData, members: int, keep: int) -> None:
        self.shown, self.keep = shown, keep
        device = shown.patches.device
        self.best = torch.zeros(members, len(shown), keep, dtype=torch.long, device=device)
        self.step = torch.full((members, len(shown)), -1, device=device)

    @classmethod
    def of(cls, shown: DeviceData, schedule: TrainingSchedule, members: int) -> TopTurns | None:
        """The likeliest turns of a training; None where remembering them would save nothing: all
        turns count, prototypes give the turn, neighbours are compared by all copies, a GPU has the
        time, or each of very many sites comes too seldom."""
        settings, sites = schedule.settings, len(shown)
        seldom = schedule.seen(settings.steps, sites) < VISITS * sites
        every = not 0 < settings.top_turns < shown.turned.count
        needless = settings.prototypes or settings.smoothness or settings.smoothness_class
        if (
            shown.patches.device.type != "cpu"
            or ((shown.cached is None or seldom) and schedule.shifts == 1)
            or settings.pooled
            or every
            or needless
        ):
            return None
        return cls(shown, members, settings.top_turns)

    def of_batch(self, model: Family, chosen: Tensor, step: int) -> Tensor:
        """The turns (member, site, turn) that count, of sites ``chosen`` (member, site)."""
        if int(self.step.max()) < 0:
            for some in torch.arange(len(self.shown)).split(256):
                self._renew(model, some.expand(len(self.best), -1), step)
        share = max(RENEWED * chosen.shape[1], 1)
        count = round(min(share, max(MOST_RENEWED / self.shown.turned.count, 1)))
        oldest = self.step.gather(1, chosen).topk(count, dim=1, largest=False).indices
        self._renew(model, chosen.gather(1, oldest), step)
        return torch.stack([best[rows] for best, rows in zip(self.best, chosen, strict=True)])

    def _renew(self, model: Family, chosen: Tensor, step: int) -> None:
        conditions = self.shown.conditions[chosen]
        found = model.likeliest(self.shown.copies(chosen), conditions, self.keep)
        for k, rows in enumerate(chosen):
            self.best[k, rows] = found[k]
            self.step[k, rows] = step

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"top_turns/best": self.best, "top_turns/step": self.step}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        self.best = tensors["top_turns/best"]
        self.step = tensors["top_turns/step"]
