"""The history of a training: terms of the bound, averaged over some steps, member by member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vaescope.models.elbo import Terms


class History:
    """``rows`` of ``history.csv``, one per member and record; ``columns`` of them that are terms.

    ``sums`` (column, member) over the ``steps`` since the last record, on the device.
    """

    def __init__(self, columns: Sequence[str], members: list[int], device: torch.device) -> None:
        self.columns, self.members = tuple(columns), members
        self.rows: list[dict[str, Any]] = []
        self.sums = torch.zeros(len(columns), len(members), device=device)
        self.steps = 0

    def add(self, terms: Terms) -> None:
        """Add the terms of a step: tensors alone, as steps that are recorded on a GPU have to."""
        means = [terms.recorded(name).detach().mean(1) for name in self.columns]
        self.sums += torch.stack(means)

    def close(self, moment: dict[str, Any], learning_rate: float, seconds: float) -> None:
        """Close one row per member, with ``moment``: its step, epoch and phase."""
        means = (self.sums / self.steps).T.tolist()
        for k, member in enumerate(self.members):
            row = {"member": member, **moment} | dict(zip(self.columns, means[k], strict=True))
            row |= {"learning_rate": learning_rate, "seconds": round(seconds, 3)}
            self.rows.append(row)
        self.sums.zero_()
        self.steps = 0

    @property
    def last(self) -> list[dict[str, Any]]:
        """The last row of every member; none before the first record."""
        return self.rows[-len(self.members) :]

    @property
    def seconds(self) -> float:
        """How long training took up to the last record."""
        return float(self.rows[-1]["seconds"]) if self.rows else 0.0

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"sums": self.sums}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        self.sums.copy_(tensors["sums"])

    def facts(self) -> dict[str, Any]:
        """The rest of a checkpoint, as JSON."""
        return {"summed": self.steps, "history": self.rows}

    def restore_facts(self, facts: dict[str, Any]) -> None:
        """Put the facts of a checkpoint back."""
        self.steps, self.rows = facts["summed"], facts["history"]
