"""What one model is made of, from its variant and its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaescope.errors import UserError
from vaescope.models.contradictions import refuse_contradictions
from vaescope.models.fit_settings import FitSettings
from vaescope.models.zoo import NEEDS, VARIANTS
from vaescope.settings import Schedule

_OF_CLASSES = frozenset(
    ("variant", "steps", "start_from", "classes", "class_core", "beta_class", "capacity_class")
)
"""Settings that say nothing of a training before its classes are active."""


@dataclass(frozen=True)
class ModelSettings(FitSettings):
    """Settings of one model of the family (see ``models.family``).

    Lengths inside a model are in units of half the patch side, angles in radians.
    """

    def refuse_contradictions(self) -> None:
        refuse_contradictions(self)

    @classmethod
    def from_recipe(
        cls, given: Mapping[str, Any], *, part: str | None = None, file: object = None
    ) -> ModelSettings:
        """Settings of a recipe's model: the variant's defaults, then what the recipe says.

        Parameters
        ----------
        given : settings by name. part : their place in the recipe, such as `models.rvae`.
        file : the recipe.

        Raises
        ------
        UserError : an unknown variant or key, a value out of range, or a setting that the variant
            needs and lacks.
        """
        variant = str(given.get("variant", "rvae"))
        own = VARIANTS.get(variant, {})
        settings = cls.of({**own, **given, "variant": variant}, part=part, file=file)
        for key in NEEDS.get(variant, ()):
            if not getattr(settings, key):
                raise UserError(
                    f"`{variant}` needs {key}",
                    found=f"{key}: {getattr(settings, key)}",
                    expected=WANTED[key],
                ).within(file=file, part=part)
        return settings

    def can_start_from(self, other: ModelSettings) -> bool:
        """Whether training before classes are active is the same as the training of another model
        without classes."""
        own, others = self.as_dict(), other.as_dict()
        alike = all(own[key] == others[key] for key in own if key not in _OF_CLASSES)
        return alike and bool(self.classes) and not (other.classes or self.labels)


WANTED = {
    "classes": "auto, or 2 or more",
    "condition": "a list of the variables to condition on",
    "labels": "the variable that holds the known classes",
    "target": "the variable that holds the pictures to predict",
}


def at(schedule: Schedule, progress: float) -> float:
    """The value of a schedule at a share of training from 0 to 1."""
    if not isinstance(schedule, list):
        return float(schedule)
    import numpy as np

    times, values = zip(*schedule, strict=True)
    return float(np.interp(progress, times, values))
