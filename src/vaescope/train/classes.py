"""Activating the classes: they come once the pose is found, from what the models made of the sites.

Classes that are learned from the first step on split by angle while the angle is still moving. So a
model with classes is first trained without them; then the sites are grouped (``train.grouping``, or
``train.separate`` where the number of classes follows from the data), the groups stand in for the
posterior of the class for a while, and the whole bound takes over. Where one structure was drawn in
several ways up, the turns are mended as well: for a while the turn of every site is given, so that
one structure is drawn one way up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vaescope.models.family import Family
from vaescope.models.side import Side
from vaescope.train.grouping import Groups, given, groups, moments, named
from vaescope.train.schedule import Moment
from vaescope.train.separate import separated


class Teaching:
    """What teaches the classes of every member at first.

    ``assignment`` (member, site, class) probabilities from groups of the sites, None until the
    classes are active; ``canonical_turn`` (member, site) the index of the turn at which each site
    is to lie, None where no member's turns need mending. ``labels`` (site,) index of the known
    class, -1 where there is none, or None. ``seeds`` of the groups, one per member.
    """

    def __init__(self, model: Family, labels: Tensor | None, seeds: list[int]) -> None:
        self.model, self.labels, self.seeds = model, labels, seeds
        self.assignment: Tensor | None = None
        self.canonical_turn: Tensor | None = None

    @property
    def _known(self) -> np.ndarray | None:
        known = None if self.labels is None else self.labels.cpu().numpy()
        return known if known is not None and (known >= 0).any() else None

    def activate(self, contents: Tensor, angles: Tensor, structure: Tensor | None = None) -> None:
        """Start the classes of every member from groups of its sites.

        Parameters
        ----------
        contents : (member, site, latent) content of the training sites.
        angles : (member, site) their angles, rad.
        structure : (member, site) groups that are known already, from prototypes.
        """
        model = self.model
        settings, device = model.settings, model.mixture.mean.device
        assignments, turns, torn = [], [], False
        for k, seed in enumerate(self.seeds):
            values = contents[k].double().cpu().numpy()
            pictures = _canonical(model, k) if settings.rotation else None
            most = settings.most_classes
            if structure is not None:
                found = given(values, structure[k].cpu().numpy(), most)
            elif settings.counts_classes:
                found = given(values, separated([values], most, seed).label, most)
            else:
                found = groups(values, pictures, most, seed, settings.class_core)
            if self._known is not None:
                found = named(values, found, self._known, most, seed)
            angle = angles[k]
            if found.turn is not None:
                torn = True
                angle = angle + torch.as_tensor(found.turn, dtype=angle.dtype, device=angle.device)
            turns.append((angle / model.step).round().long() % len(model.turns))
            self._place(k, found.weight, found.mean, found.covariance)
            assignments.append(
                torch.as_tensor(found.responsibility, dtype=torch.float32, device=device)
            )
        model.mixture.activate()
        self.assignment = torch.stack(assignments)
        self.canonical_turn = torch.stack(turns) if torn else None

    def recentre(self, contents: Tensor) -> None:
        """Put every class where its sites are now; without active classes, do nothing.

        Contents (member, site, latent) move while the classes are taught, further than the classes'
        own places follow in so few steps. Known labels are spread anew: content that the classes
        have parted lets them go further. The assignment changes in its place in memory, where
        recorded steps find it.
        """
        if self.assignment is None:
            return
        out = self.assignment.clone()
        for k, (content, assignment) in enumerate(zip(contents, self.assignment, strict=True)):
            values, share = content.double().cpu().numpy(), assignment.double().cpu().numpy()
            if self._known is not None:
                of_groups = Groups(share, *moments(values, share))
                classes = share.shape[1]
                found = named(values, of_groups, self._known, classes, self.seeds[k])
                share = found.responsibility
                out[k] = torch.as_tensor(share, dtype=out.dtype, device=out.device)
            self._place(k, *moments(values, share))
        self.assignment.copy_(out)

    def tell(self, side: Side, chosen: Tensor, moment: Moment) -> None:
        """Add to ``side`` what is taught of the chosen sites (member, site) at a moment."""
        if self.assignment is not None and (moment.teaches_classes or self.labels is not None):
            side.target_assignment = of_sites(self.assignment, chosen)
            weight = torch.as_tensor(
                moment.teacher_weight, dtype=torch.float32, device=chosen.device
            )
            side.teacher_weight = weight.expand(chosen.shape)
            if self.labels is not None:
                side.teacher_weight = torch.where(
                    self.labels[chosen] >= 0, 1.0, side.teacher_weight
                )
        if self.canonical_turn is not None and moment.teaches_turns:
            side.turn = of_sites(self.canonical_turn, chosen)

    def _place(self, member: int, *of_groups: np.ndarray) -> None:
        """Put the classes of a member at the weight, mean and covariance of groups."""
        device = self.model.mixture.mean.device
        self.model.mixture.place(
            member,
            *(torch.as_tensor(part, dtype=torch.float32, device=device) for part in of_groups),
        )

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        both = {"assignment": self.assignment, "canonical_turn": self.canonical_turn}
        return {f"teaching/{name}": value for name, value in both.items() if value is not None}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        device = self.model.mixture.mean.device
        assignment, turn = (
            None if (value := tensors.get(f"teaching/{name}")) is None else value.to(device)
            for name in ("assignment", "canonical_turn")
        )
        self.assignment, self.canonical_turn = assignment, turn


def of_sites(values: Tensor, chosen: Tensor) -> Tensor:
    """Values (member, site, …) of the sites ``chosen`` (member, site) of each member."""
    return torch.stack([values[k, rows] for k, rows in enumerate(chosen)])


def _canonical(model: Family, member: int) -> Callable[[np.ndarray], np.ndarray] | None:
    """Canonical pictures of one member's content."""
    if model.conditions:
        return None

    @torch.no_grad()
    def pictures(content: np.ndarray) -> np.ndarray:
        device = model.mixture.mean.device
        rows = torch.as_tensor(content, dtype=torch.float32, device=device)
        out = []
        for part in rows.split(256):
            inputs = part.new_zeros(model.members, *part.shape)
            inputs[member] = part
            raw = model.decoder.canonical(inputs)[member]
            out.append(model.likelihood.mean(raw))
        return torch.cat(out).cpu().numpy()

    return pictures
