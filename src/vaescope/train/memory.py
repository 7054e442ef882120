"""The last content and class of every site: neighbours are compared without being encoded.

The neighbourhood enters the bound in mean field: by the mean content and the mean class of a site's
neighbours as they were when each was last encoded.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.errors import UserError
from vaescope.models.elbo import Weights
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings
from vaescope.train.data import Data


class Memory:
    """Content (member, site, latent) and class (member, site, class) as last encoded.

    ``known`` (member, site): whether a site was encoded at all.
    """

    def __init__(self, neighbours: Tensor, settings: ModelSettings, members: int) -> None:
        self.neighbours, self.settings = neighbours, settings
        sites, device = len(neighbours), neighbours.device
        self.content = torch.zeros(members, sites, settings.latent, device=device)
        classes = max(settings.most_classes, 1)
        self.classes = torch.full((members, sites, classes), 1 / classes, device=device)
        self.known = torch.zeros(members, sites, dtype=torch.bool, device=device)

    @classmethod
    def of(
        cls, data: Data, settings: ModelSettings, members: int, device: torch.device
    ) -> Memory | None:
        """The memory of a training; None if its settings ask for no smoothness.

        Raises
        ------
        UserError : smoothness is asked for, and the sites have no neighbours.
        """
        if not (settings.smoothness or settings.smoothness_class):
            return None
        near = data.neighbours()
        if near is None:
            raise UserError(
                "these patches have no neighbours to be smooth with",
                expected="images with many sites each",
                remedy="Take `smoothness` and `smoothness_class` out of the model's settings",
            )
        return cls(torch.from_numpy(near).to(device), settings, members)

    @torch.no_grad()
    def renew(self, model: Family, chosen: Tensor, copies: Tensor, conditions: Tensor) -> None:
        """Remember the sites ``chosen`` (member, site) as the model encodes them now."""
        encoded = model.encoder(copies, conditions)
        best = encoded.turn_logit.argmax(-1, keepdim=True)
        content = tuple(part.squeeze(2) for part in encoded.pick(best).content)
        for k, rows in enumerate(chosen):
            self.content[k, rows] = content[0][k]
            self.known[k].index_fill_(0, rows, True)
        if self.settings.classes and model.mixture.is_active:
            probability = model.mixture.given(content, Weights.of(self.settings))
            for k, rows in enumerate(chosen):
                self.classes[k, rows] = probability[k]

    def near(self, chosen: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Mean content and mean class of the neighbours of the sites ``chosen`` (member, site)."""
        content, classes = [], []
        for k, rows in enumerate(chosen):
            around = self.neighbours[rows]
            weight = self.known[k, around].float().unsqueeze(-1)
            total = weight.sum(1).clamp_min(1.0)
            mean = (weight * self.content[k, around]).sum(1) / total
            # Where no neighbour was encoded yet, a site agrees with itself.
            own = self.content[k, rows]
            content.append(torch.where(weight.sum(1) > 0, mean, own))
            classes.append(self.classes[k, around].mean(1))
        s = self.settings
        return (
            torch.stack(content) if s.smoothness else None,
            torch.stack(classes) if s.smoothness_class and s.classes else None,
        )

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {
            "memory/content": self.content,
            "memory/classes": self.classes,
            "memory/known": self.known,
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        device = self.content.device
        self.content = tensors["memory/content"].to(device)
        self.classes = tensors["memory/classes"].to(device)
        self.known = tensors["memory/known"].to(device)
