"""The evidence lower bound: its terms, and how they are weighed in the course of training.

With content z, pose (angle, offset, …) and class alpha the objective is

    E[log p(t | ·)] - beta_c |w KL(content) + KL(pose) - C_z| - beta_d |KL(class) - C_a|,

each KL a mean over the batch (Burgess et al. 2018, arXiv:1804.03599; Dupont 2018,
arXiv:1804.00104). With C = 0, beta = 1 and w = 1 it is the evidence lower bound itself. A w above 1
makes content dearer than the pose: what a pose can say is left to the pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaescope.models.settings import ModelSettings, at

POSE = ("angle", "offset", "scale", "shear", "strain")
"""The parts of the pose, in the order in which their noise is drawn."""


@dataclass(frozen=True)
class Weights:
    """How the terms count at one moment of training: numbers, or tensors of one number each.

    ``temper`` is the weight of the entropy of the turns: above 1 it keeps all turns in play.
    """

    beta: float | Tensor = 1.0
    content: float | Tensor = 1.0
    beta_class: float | Tensor = 1.0
    capacity: float | Tensor = 0.0
    capacity_class: float | Tensor = 0.0
    temper: float | Tensor = 1.0

    @classmethod
    def of(cls, settings: ModelSettings, progress: float = 1.0, temper: float = 1.0) -> Weights:
        """The weights at a share of training from 0 to 1."""
        return cls(
            at(settings.beta, progress),
            at(settings.content_weight, progress),
            at(settings.beta_class, progress),
            at(settings.capacity, progress),
            at(settings.capacity_class, progress),
            temper,
        )

    @property
    def price(self) -> float | Tensor:
        """Of a nat of content, in nats of the class."""
        least = 1e-6
        if isinstance(self.beta_class, Tensor):
            return self.beta / self.beta_class.clamp_min(least)
        return self.beta / max(self.beta_class, least)


@dataclass
class Terms:
    """The terms of the bound, each (member, site) in nats; ``objective`` (member,) is maximised."""

    elbo: Tensor
    reconstruction: Tensor
    kl_content: Tensor
    kl_turns: Tensor  # of the angle: its turn and its correction
    kl_offset: Tensor
    kl_strain: Tensor  # of scale, shear or strain
    kl_class: Tensor
    penalty: Tensor  # smoothness and the user's own physics
    objective: Tensor


def gather(
    values: dict[str, Tensor], kl_turns: Tensor, tempered: Tensor, now: Weights, final: Weights
) -> Terms:
    """Terms from the means over turns of ``Family.each_turn``; those that a model lacks are 0.

    kl_turns (member, site): divergence of the turns; tempered: the same with its entropy weighed.
    """
    zero = torch.zeros_like(kl_turns)
    values = {f"kl_{name}": zero for name in (*POSE, "class")} | values
    kl_angle = values["kl_angle"]
    kl_strain = values["kl_scale"] + values["kl_shear"] + values["kl_strain"]
    kl_pose = kl_angle + values["kl_offset"] + kl_strain
    continuous = final.content * values["kl_content"] + kl_pose
    weighed = now.content * values["kl_content"] + kl_pose
    reconstruction, kl_class = values["reconstruction"], values["kl_class"]
    penalty = values["penalty"]
    elbo = reconstruction - final.beta * (continuous + kl_turns) - final.beta_class * kl_class
    objective = (
        (reconstruction - penalty).mean(1)
        - now.beta * _away((weighed + tempered).mean(1), now.capacity)
        - now.beta_class * _away(kl_class.mean(1), now.capacity_class)
    )
    return Terms(
        elbo,
        reconstruction,
        values["kl_content"],
        kl_turns + kl_angle,
        values["kl_offset"],
        kl_strain,
        kl_class,
        penalty,
        objective,
    )


def _away(divergence: Tensor, capacity: float | Tensor) -> Tensor:
    """How far a divergence is from the capacity that it is to have; itself, where it has none."""
    if isinstance(capacity, Tensor) or capacity:
        return (divergence - capacity).abs()
    return divergence
