"""What a learned detector is made of: its settings, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from vaescope import store
from vaescope.errors import UserError
from vaescope.settings import Settings, setting

FORMAT = 1
"""Goes up when the same settings no longer give the same detector."""


@dataclass(frozen=True)
class DetectorSettings(Settings):
    """Settings of a detector; every one is explained in ``config/README.md``."""

    PART: ClassVar[str] = "sites.detector"

    simulate: tuple[str, ...] = setting(
        ("perovskite", "square", "hexagonal"),
        help="simulated images from which it learns, such as `[perovskite, hexagonal]`",
    )
    images: int = setting(120, limits=(1, 100_000), help="simulated images of each kind of crystal")
    steps: int = setting(500, limits=(1, 1_000_000), help="steps of training")
    members: int = setting(3, limits=(1, 100), help="networks, whose mean is the score of a site")
    channels: int = setting(12, limits=(2, 256), help="channels of the finest layer of a network")
    batch: int = setting(8, limits=(1, 1024), help="images of a step")
    learning_rate: float = setting(4e-3, limits=(1e-6, 1.0), help="largest learning rate")
    seed: int = setting(0, limits=(0, 2**31 - 1), help="seed of the random number generators")

    @classmethod
    def from_recipe(cls, given: Mapping[str, Any]) -> DetectorSettings:
        """Settings from the part ``sites: detector`` of a recipe; null stands for a default.

        Raises
        ------
        UserError : an unknown setting or simulation, or a value out of range.
        """
        chosen = {key: value for key, value in given.items() if value is not None}
        if isinstance(chosen.get("simulate"), str):
            chosen["simulate"] = [chosen["simulate"]]
        return cls.of(chosen)

    def refuse_contradictions(self) -> None:
        """Refuse simulations from which no detector can learn.

        Raises
        ------
        UserError : a name of no simulation, or of one without atoms or with several frames.
        """
        from vaescope import simulate
        from vaescope.simulate.movies import Movie

        if self.simulate == DetectorSettings.simulate:
            return
        images = [
            name
            for name, system in simulate.SYSTEMS.items()
            if not isinstance(system.parameters, Movie)
        ]
        for name in self.simulate:
            system, _ = simulate.parse(name)
            if system not in images:
                raise UserError(
                    "a detector cannot learn from this simulation",
                    found=repr(system),
                    expected="one of " + ", ".join(images),
                )

    def digest(self) -> str:
        """Name of this very detector: a folder for all datasets that share it."""
        return store.digest([FORMAT, self.as_dict()])[:16]
