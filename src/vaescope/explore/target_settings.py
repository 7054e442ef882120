"""Settings of the number that is made of every spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope import user_function
from vaescope.errors import UserError
from vaescope.settings import Settings, setting

Number = Literal[
    "height", "position", "mean", "area", "ratio", "loop_area", "component", "function"
]


@dataclass(frozen=True)
class Scalar(Settings):
    """Settings of one number of a spectrum."""

    PART: ClassVar[str] = "explore.target"

    quantity: Number = setting(
        "height",
        help="what is made of a spectrum: `height` or `position` of its peak; its `mean` or the"
        " `area` under it; the `ratio` of its mean to that in another range; the `loop_area` of a"
        " switching loop; the weight of a `component` of NMF or PCA; or a `function` of your own",
    )
    range: list[float] | None = setting(
        None, help="first and last place along the axis of the spectra, in its unit; by default all"
    )
    over: list[float] | None = setting(
        None, help="of a ratio, the range by whose mean it is divided; by default all"
    )
    component: int = setting(1, limits=(1, 50), help="of `component`, which one, from 1")
    components: int = setting(4, limits=(1, 50), help="of `component`, how many there are")
    factors: Literal["nmf", "pca"] = setting("nmf", help="of `component`, the factorisation")
    function: str | None = setting(
        None,
        path=True,
        help="of `function`, your own as `FILE.py:FUNCTION` relative to the recipe; it takes"
        " measured spectra (site, channel) and axis (channel,) and returns one number per site,"
        " NaN where there is none. The file is executed",
    )
    weight: float = setting(
        1.0,
        limits=(-1e6, 1e6),
        help="where there are several: weight of this one, in its standard deviations, in their"
        " sum; negative where small values are wanted",
    )

    def refuse_contradictions(self) -> None:
        for name in ("range", "over"):
            ends = getattr(self, name)
            if ends is not None and not (len(ends) == 2 and ends[0] < ends[1]):
                raise UserError(
                    f"`{name}` is no range",
                    found=repr(ends),
                    expected="two numbers, the smaller one first",
                )
        user_function.refuse_unused(self.PART, self.quantity, self.function)
        if self.component > self.components:
            raise UserError(
                "`component` is beyond their number",
                found=f"{self.component} of {self.components}",
            )


@dataclass(frozen=True)
class Target(Scalar):
    """Settings of `explore.target`: one number of a spectrum, or several by name."""

    several: dict[str, Scalar] = setting(
        {},
        help="several numbers under names of your choice, each with the settings above; the search"
        " follows their weighted sum",
    )

    def refuse_contradictions(self) -> None:
        super().refuse_contradictions()
        self.parts()
        alone = Scalar()
        ignored = [one for one in alone.as_dict() if getattr(self, one) != getattr(alone, one)]
        if self.several and ignored:
            raise UserError(
                f"`{ignored[0]}` stands beside `several`, in which each number has its own",
                found=", ".join(f"`{name}`" for name in [*ignored, "several"]),
                remedy="Move it into one of `several`, or take `several` out",
            )

    def parts(self) -> dict[str, Scalar]:
        """The numbers by name."""
        if not self.several:
            return {self.quantity: self}
        place = f"{self.PART}.several"
        return {
            name: one if isinstance(one, Scalar) else Scalar.of(one, part=f"{place}.{name}")
            for name, one in self.several.items()
        }
