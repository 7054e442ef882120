"""What one model is made of: the parts of the family that are switched on, and their sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal

from vaescope.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Settings of one model of the family (DESIGN of the model: ``models.family``).

    Lengths inside a model are in units of half the patch side, angles in radians.
    """

    variant: str = "rvae"
    # Which parts are switched on
    rotation: bool = True
    offsets: bool = True
    strain: bool = False
    latent: int = 2
    classes: int = 0  # 0: none; 2 and more: unknown classes, summed over exactly
    # Priors
    turns: int = 12  # grid of the posterior over the full circle
    offset_sd: float = 0.1
    strain_sd: float = 0.1
    # The objective
    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    beta: float = 1.0
    beta_class: float = 1.0
    # Sizes
    decoder: Literal["canonical", "coordinate"] = "canonical"
    hidden: int = 256
    # Fitting
    steps: int = 800
    batch: int = 64
    learning_rate: float = 2e-3
    keep_turns: int = 3  # turns followed once the exact sum has served its purpose
    max_sites: int = 16384  # training draws at most so many sites; all are encoded

    def __post_init__(self) -> None:
        limits = {
            "latent": (1, 64),
            "classes": (0, 64),
            "turns": (1, 128),
            "offset_sd": (1e-4, 1.0),
            "strain_sd": (1e-4, 1.0),
            "beta": (0.0, 1e4),
            "beta_class": (0.0, 1e4),
            "hidden": (4, 4096),
            "steps": (1, 10**7),
            "batch": (2, 65536),
            "learning_rate": (1e-7, 1.0),
            "keep_turns": (1, 128),
            "max_sites": (16, 10**7),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(
                    f"model setting `{name}` is out of range",
                    found=value,
                    expected=f"a value from {low} to {high}",
                )
        for name, known in {
            "likelihood": ("gaussian", "bernoulli"),
            "decoder": ("canonical", "coordinate"),
        }.items():
            if getattr(self, name) not in known:
                raise UserError(
                    f"model setting `{name}` is not known",
                    found=repr(getattr(self, name)),
                    expected=" or ".join(known),
                )
        if self.classes == 1:
            raise UserError(
                "one class is no class", found="classes: 1", expected="0, or 2 and more"
            )

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name, for the header of a weights file."""
        return asdict(self)

    @classmethod
    def from_recipe(cls, given: dict[str, Any]) -> Settings:
        """Settings of a recipe's model: the variant's defaults, then what the recipe says.

        Raises
        ------
        UserError : an unknown variant or key, or a value out of range.
        """
        from vaescope.models.zoo import VARIANTS

        variant = given.get("variant", "rvae")
        if variant not in VARIANTS:
            raise UserError(
                "unknown model variant",
                found=repr(variant),
                expected="one of " + ", ".join(sorted(VARIANTS)),
            )
        known = {field.name for field in fields(cls)}
        for key in given:
            if key not in known:
                close = get_close_matches(str(key), known, n=1)
                raise UserError(
                    f"unknown model setting `{key}`",
                    expected="one of " + ", ".join(sorted(known)),
                    remedy=f"Did you mean `{close[0]}`" if close else None,
                )
        settings = cls(**{**VARIANTS[variant], **given, "variant": variant})
        if VARIANTS[variant].get("classes") and not settings.classes:
            raise UserError(f"`{variant}` needs classes", found="classes: 0", expected="2 or more")
        return settings
