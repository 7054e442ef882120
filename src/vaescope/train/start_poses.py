"""Poses from which training starts, and which the model keeps to, where there are prototypes."""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models.family import Family
from vaescope.models.register import Freedom
from vaescope.models.side import Side
from vaescope.train import prototypes
from vaescope.train.classes import of_sites


class StartPoses:
    """``values`` (member, site, …) by name, None until they are found: ``structure`` and ``turn``
    as indices, and the other parts of the pose that the model has with ``NAME_error``, their
    standard errors. ``seeds`` of the prototypes, one per member."""

    def __init__(self, model: Family, seeds: list[int]) -> None:
        self.model, self.seeds = model, seeds
        self.values: dict[str, Tensor] | None = None

    @property
    def structure(self) -> Tensor | None:
        """(member, site) index of the structure that each patch shows."""
        return None if self.values is None else self.values["structure"]

    def find(self, patches: Tensor) -> None:
        """Lay patches (site, channel, side, side) onto prototypes, for every member its own."""
        settings = self.model.settings
        found = []
        with patches.device:
            freedom = Freedom.of(
                settings.rotation,
                settings.fold,
                settings.prototype_strain,
                settings.offset_sd if settings.offsets else 0.0,
            )
            for seed in self.seeds:
                generator = torch.Generator("cpu")
                generator.manual_seed(seed)
                start = prototypes.find(
                    patches, settings.prototypes, freedom, generator, settings.most_classes
                )
                parts = {"structure": start.structure, "turn": start.turns(self.model)}
                found.append(parts | start.parts(self.model))
        self.values = {name: torch.stack([parts[name] for parts in found]) for name in found[0]}

    def tell(self, side: Side, chosen: Tensor) -> None:
        """Add to ``side`` the poses of the chosen sites (member, site)."""
        if self.values is None:
            return
        here = {name: of_sites(value, chosen) for name, value in self.values.items()}
        names = [part.name for part in self.model.parts if part.name in here]
        side.turn = here["turn"]
        side.pose = {name: (here[name], here[f"{name}_error"]) for name in names}

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {f"start/{name}": value for name, value in (self.values or {}).items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        device = self.model.turns.device
        start = {n.removeprefix("start/"): v for n, v in tensors.items() if n.startswith("start/")}
        self.values = {name: value.to(device) for name, value in start.items()} or None
