"""Settings of a learned detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaescope.errors import UserError
from vaescope.settings import Settings, setting

FORMAT = 2
"""Goes up when the same settings no longer give the same detector."""

_KNOWN = ("walls",)
"""Simulations that need no look at what there is."""


@dataclass(frozen=True)
class DetectorSettings(Settings):
    """Settings of `sites: detector`: what a detector is trained on, and how."""

    PART: ClassVar[str] = "sites.detector"

    simulate: tuple[str, ...] = setting(
        ("perovskite", "square", "hexagonal"),
        help="simulations to train on, with parameters where wanted (`perovskite?ratio=0.3`); the"
        " parameters left open are randomised, as are dose, background, blur and scan distortions."
        " If the simulated crystals have several kinds of columns, each site gets a `species` and"
        " its probability. For domain walls, `[walls]`",
    )
    images: int = setting(
        120,
        limits=(1, 100_000),
        help="number of simulated scenes, each recorded with fresh noise whenever it is used",
    )
    steps: int = setting(500, limits=(1, 1_000_000), help="number of training steps")
    members: int = setting(
        3, limits=(1, 100), help="number of networks trained from different random starts"
    )
    channels: int = setting(12, limits=(2, 256), help="width of the networks")
    batch: int = setting(8, limits=(1, 1024), help="scenes per training step")
    learning_rate: float = setting(4e-3, limits=(1e-6, 1), help="peak learning rate")
    seed: int = setting(0, limits=(0, 2**31 - 1), help="seed of the random number generators")

    @property
    def of_walls(self) -> bool:
        """Whether domain walls are sought, not atoms."""
        if self.simulate == type(self).simulate:
            return False
        from vaescope import simulate

        return all(simulate.parse(name)[0] in simulate.PIEZO for name in self.simulate)

    def refuse_contradictions(self) -> None:
        """Refuse what is no simulated image, and simulations of atoms beside those of walls;
        simulations are imported only for names not ours."""
        if self.simulate in (type(self).simulate, _KNOWN):
            return
        from vaescope import simulate

        crystals = [name for name, system in simulate.SYSTEMS.items() if not system.movie]
        systems = [simulate.parse(name)[0] for name in self.simulate]
        for system in systems:
            if system not in (*crystals, *simulate.PIEZO):
                raise UserError(
                    "a detector cannot be trained on this simulation",
                    found=repr(system),
                    expected="one of " + ", ".join((*crystals, *simulate.PIEZO)),
                )
        if len({system in crystals for system in systems}) > 1:
            raise UserError(
                "a detector is trained on crystals or on domains, not on both",
                found=", ".join(systems),
                remedy="Keep those of `detector: simulate` that show what is sought",
            )

    def digest(self) -> str:
        """Name of this very detector: a folder for all datasets that share it."""
        from vaescope import store

        return store.digest([FORMAT, self.as_dict()])[:16]


OF_WALLS = DetectorSettings(simulate=("walls",), images=100, steps=400, channels=8)
"""Of a detector of domain walls, where a recipe says nothing."""
