"""What is known of a batch beside its pictures."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Side:
    """What is known of a batch beside its pictures; axes (member, site, …), absent parts None.

    ``conditions`` (…, condition); ``target_assignment`` (…, class), class probabilities from
    outside the model, and ``teacher_weight`` (member, site), their share 0 to 1 in the posterior of
    the class; ``turn`` (member, site) index of the turn at which each site lies, ``pose`` name ->
    other parts of its pose and their standard errors, both (…, size); ``top_turns`` (…, turn)
    indices of the turns that count, where they are known; ``known`` (…, height, width) the pixels
    of the target that were measured; ``spectra`` (…, channel) of the sites; ``near_content`` (…,
    latent) and ``near_class`` (…, class) the means of neighbouring sites.
    """

    conditions: Tensor | None = None
    target_assignment: Tensor | None = None
    teacher_weight: Tensor | None = None
    turn: Tensor | None = None
    pose: dict[str, tuple[Tensor, Tensor]] | None = None
    top_turns: Tensor | None = None
    near_content: Tensor | None = None
    near_class: Tensor | None = None
    known: Tensor | None = None
    spectra: Tensor | None = None
