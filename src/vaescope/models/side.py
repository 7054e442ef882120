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
    of the target that were measured; ``spectra`` (…, channel) of the sites and
    ``spectra_known`` (…, channel) what of them was measured; ``near_class`` (…, class) the mean of
    neighbouring sites; ``content`` (…, latent) that the encoder learns by itself, and by how much
    it may differ from it; ``direction`` (member, site) of each site in rad, from x to y, NaN
    where it has none.
    """

    conditions: Tensor | None = None
    target_assignment: Tensor | None = None
    teacher_weight: Tensor | None = None
    turn: Tensor | None = None
    pose: dict[str, tuple[Tensor, Tensor]] | None = None
    top_turns: Tensor | None = None
    near_class: Tensor | None = None
    content: tuple[Tensor, float] | None = None
    known: Tensor | None = None
    spectra: Tensor | None = None
    spectra_known: Tensor | None = None
    direction: Tensor | None = None

    @property
    def has_patch(self) -> Tensor | float:
        """Where anything of the patch was measured, (member, site) as 1 or 0."""
        return 1.0 if self.known is None else self.known.flatten(2).any(-1).float()

    @property
    def has_spectrum(self) -> Tensor | float:
        """Where anything of the spectrum was measured, (member, site) as 1 or 0."""
        return 1.0 if self.spectra_known is None else self.spectra_known.any(-1).float()
