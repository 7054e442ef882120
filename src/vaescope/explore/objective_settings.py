"""Settings of what a decoded curve is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope import user_function
from vaescope.errors import UserError
from vaescope.settings import Settings, setting

Quantity = Literal["curl", "normalised_curl", "polarisation", "function"]
Lattice = Literal["squareelectric", "tetragonal", "rhombohedral"]
"""Those of `simulate.ferrosim` that a field along x polarises; a uniaxial one has but Py."""


@dataclass(frozen=True)
class ObjectiveSettings(Settings):
    """Settings of `explore.objective`."""

    PART: ClassVar[str] = "explore.objective"

    quantity: Quantity = setting(
        "curl",
        help="what is sought to be large: sum over the lattice of the absolute `curl` of the"
        " polarisation at the end, of the `normalised_curl` (of its directions), of the absolute"
        " `polarisation`; or a `function` of your own",
    )
    function: str | None = setting(
        None,
        path=True,
        help="of `function`, your own as `FILE.py:FUNCTION` relative to the recipe; it takes"
        " decoded curves (n, channel) and axis (channel,) and returns one number for each. The file"
        " is executed",
    )
    lattice: Lattice = setting("tetragonal", help="Landau energy of a site")
    side: int = setting(20, limits=(2, 200), help="sites along an edge of the lattice")
    amplitude: float = setting(
        150.0,
        limits=(1e-3, 1e5),
        unit="Ec",
        help="field along x where a curve is 1 (Ec: see `docs/ferrosim.md`)",
    )
    duration: float = setting(
        3.0, limits=(0.01, 1000), help="of a curve, in units of the inverse mobility"
    )
    coupling: float = setting(100.0, limits=(0, 1e4), help="of neighbouring sites")
    depolarisation: float = setting(0.3, limits=(0, 100), help="field per mean polarisation")
    boundary: Literal["open", "periodic", "dead"] = setting(
        "open",
        help="beyond the rim of the lattice, of coupling and curl alike: nothing (`open`), the"
        " opposite rim (`periodic`), or sites without polarisation (`dead`)",
    )
    defects: int = setting(5, limits=(0, 10_000), help="sites with a random field of their own")
    defect_field: float = setting(
        60.0,
        limits=(0, 1e5),
        unit="Ec",
        help="standard deviation of each component of their field",
    )
    defect_seed: int = setting(1, limits=(0, 10**9), help="of their places and fields")

    def refuse_contradictions(self) -> None:
        user_function.refuse_unused(self.PART, self.quantity, self.function)
        if self.defects > self.side**2:
            raise UserError(
                f"`{self.PART}.defects` are more than the sites of the lattice",
                found=f"{self.defects} of {self.side**2}",
            )
