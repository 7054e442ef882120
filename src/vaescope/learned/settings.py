"""Settings of a learned detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaescope.errors import UserError
from vaescope.settings import Settings, setting

FORMAT = 1
"""Goes up when the same settings no longer give the same detector."""


@dataclass(frozen=True)
class DetectorSettings(Settings):
    """Settings of `sites: detector`: what a detector is trained on, and how; of atoms."""

    PART: ClassVar[str] = "sites.detector"

    simulate: tuple[str, ...] = setting(
        ("perovskite", "square", "hexagonal"),
        help="simulations to train on, with parameters where wanted (`perovskite?ratio=0.3`); the"
        " parameters left open are randomised, as are dose, background, blur and scan distortions."
        " If the simulated crystals have several kinds of columns, each site gets a `species` and"
        " its probability",
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

    @classmethod
    def systems(cls) -> list[str]:
        """Names of the simulations on which it can be trained."""
        from vaescope import simulate

        return [name for name, system in simulate.SYSTEMS.items() if not system.movie]

    def refuse_contradictions(self) -> None:
        """Refuse what is no simulated image; simulations are imported only for names not ours."""
        if self.simulate == type(self).simulate:
            return
        from vaescope import simulate

        images = self.systems()
        for name in self.simulate:
            system, _ = simulate.parse(name)
            if system not in images:
                raise UserError(
                    "a detector cannot be trained on this simulation",
                    found=repr(system),
                    expected="one of " + ", ".join(images),
                )

    def digest(self) -> str:
        """Name of this very detector: a folder for all datasets that share it."""
        from vaescope import store

        return store.digest([FORMAT, self.as_dict()])[:16]


@dataclass(frozen=True)
class WallDetectorSettings(DetectorSettings):
    """Settings of `sites: detector` where domain walls are sought."""

    simulate: tuple[str, ...] = setting(
        ("walls",),
        help="simulations of domains to train on, with parameters where wanted"
        " (`walls?domains=stripes`); the parameters left open are randomised, as are noise, gain,"
        " background, crosstalk and disturbed lines",
    )
    images: int = setting(
        100,
        limits=(1, 100_000),
        help="number of simulated scenes, each recorded with fresh noise whenever it is used",
    )
    steps: int = setting(400, limits=(1, 1_000_000), help="number of training steps")
    channels: int = setting(8, limits=(2, 256), help="width of the networks")

    @classmethod
    def systems(cls) -> list[str]:
        """Names of the simulations on which it can be trained."""
        from vaescope import simulate

        return list(simulate.PIEZO)
