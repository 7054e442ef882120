"""Settings of the part `figures` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.errors import UserError, suggestion
from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class Look(Settings):
    """Settings of `figures`."""

    PART: ClassVar[str] = "figures"

    colormap: str = setting(
        "viridis", help="matplotlib colour map of latent variables and other plain quantities"
    )
    diverging: str = setting("RdBu_r", help="colour map of quantities with a meaningful zero")
    cyclic: str = setting("twilight", help="colour map of angles")
    spread: str = setting("cividis", help="colour map of uncertainties")
    dpi: int = setting(150, limits=(30, 1200), help="resolution of PNG files, dots per inch")
    formats: list[Literal["png", "svg", "pdf"]] = setting(
        ["png", "svg"], help="file formats; PNG is always written, for the pages"
    )

    @property
    def written(self) -> tuple[str, ...]:
        """The formats in which files are written: PNG, which the report embeds, before others."""
        return tuple(dict.fromkeys(("png", *self.formats)))

    def refuse_contradictions(self) -> None:
        """Refuse colour maps that matplotlib does not have; it is imported only for new names."""
        for key in ("colormap", "diverging", "cyclic", "spread"):
            name = getattr(self, key)
            if name == getattr(type(self), key):
                continue
            import matplotlib

            if name not in matplotlib.colormaps:
                raise UserError(
                    f"`figures.{key}` is no colour map of matplotlib",
                    found=repr(name),
                    expected="for example viridis, cividis, RdBu_r, twilight",
                    remedy=suggestion(name, matplotlib.colormaps),
                )
