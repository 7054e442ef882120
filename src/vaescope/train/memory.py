"""The last class of every site: neighbours are compared without being encoded.

The neighbourhood enters the bound in mean field: by the mean class of a site's neighbours as they
were when each was last encoded.
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
    """Class (member, site, class) as last encoded; all are equally probable before."""

    def __init__(self, neighbours: Tensor, settings: ModelSettings, members: int) -> None:
        self.neighbours, self.settings = neighbours, settings
        sites, device = len(neighbours), neighbours.device
        classes = max(settings.most_classes, 1)
        self.classes = torch.full((members, sites, classes), 1 / classes, device=device)

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
        if not (settings.smoothness_class and settings.classes):
            return None  # contents are smoothed when sites are mapped
        return cls(torch.from_numpy(near).to(device), settings, members)

    @torch.no_grad()
    def renew(self, model: Family, chosen: Tensor, copies: Tensor, conditions: Tensor) -> None:
        """Remember the sites ``chosen`` (member, site) as the model encodes them now."""
        if not model.mixture.is_active:
            return
        encoded = model.encoder(copies, conditions)
        best = encoded.turn_logit.argmax(-1, keepdim=True)
        mean, log_sd = (part.squeeze(2) for part in encoded.pick(best).content)
        probability = model.mixture.given((mean, log_sd), Weights.of(self.settings))
        for k, rows in enumerate(chosen):
            self.classes[k, rows] = probability[k]

    def near(self, chosen: Tensor) -> Tensor:
        """Mean class (member, site, class) of the neighbours of the sites ``chosen``."""
        around = [self.classes[k, self.neighbours[rows]].mean(1) for k, rows in enumerate(chosen)]
        return torch.stack(around)

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {"memory/classes": self.classes}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""
        self.classes = tensors["memory/classes"].to(self.classes.device)
