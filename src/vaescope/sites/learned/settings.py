"""What a learned detector is made of: its settings, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vaescope import simulate, store
from vaescope.errors import UserError, refuse_unknown
from vaescope.simulate.movies import Movie

FORMAT = 1
"""Goes up when the same settings no longer give the same detector."""

_LIMITS: dict[str, tuple[float, float]] = {
    "images": (1, 100_000),
    "steps": (1, 1_000_000),
    "members": (1, 100),
    "channels": (2, 256),
    "batch": (1, 1024),
    "learning_rate": (1e-6, 1.0),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class DetectorSettings:
    """Settings of a detector; every one is explained in ``config/README.md``."""

    simulate: tuple[str, ...] = ("perovskite", "square", "hexagonal")
    images: int = 120
    steps: int = 500
    members: int = 3
    channels: int = 12
    batch: int = 8
    learning_rate: float = 4e-3
    seed: int = 0

    @classmethod
    def from_recipe(cls, given: Mapping[str, Any]) -> DetectorSettings:
        """Settings from the part ``sites: detector`` of a recipe.

        Raises
        ------
        UserError : an unknown setting or simulation, or a value out of range.
        """
        known = [field.name for field in fields(cls)]
        refuse_unknown(given, known, "sites: detector")
        chosen = {key: value for key, value in given.items() if value is not None}
        systems = chosen.get("simulate", cls.simulate)
        if isinstance(systems, str):
            systems = [systems]
        if not isinstance(systems, list | tuple) or not systems:
            raise UserError(
                "a detector learns from simulated images",
                found=f"`simulate: {systems!r}`",
                expected="a list with one of " + ", ".join(simulate.SYSTEMS) + ", or several",
            )
        images = [
            name
            for name, system in simulate.SYSTEMS.items()
            if not isinstance(system.parameters, Movie)
        ]
        for name in systems:
            system, _ = simulate.parse(str(name))
            if system not in images:
                raise UserError(
                    "a detector cannot learn from this simulation",
                    found=repr(system),
                    expected="one of " + ", ".join(images),
                )
        for key, (low, high) in _LIMITS.items():
            value = chosen.get(key, low)
            whole = key != "learning_rate"
            good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not good or not low <= value <= high:
                raise UserError(
                    f"the setting `{key}` of `sites: detector` is out of range",
                    found=repr(value),
                    expected=f"a {'whole ' * whole}number from {low:g} to {high:g}",
                )
        return cls(**{**chosen, "simulate": tuple(map(str, systems))})

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as in a recipe."""
        return asdict(self) | {"simulate": list(self.simulate)}

    def digest(self) -> str:
        """Name of this very detector: a folder for all datasets that share it."""
        return store.digest([FORMAT, self.as_dict()])[:16]
