"""What a recipe says of reading spectra: which signal, how it is corrected, where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from vaescope.errors import UserError
from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class BackgroundSettings(Settings):
    """Settings of `spectra: preprocess: background`."""

    PART: ClassVar[str] = "spectra.preprocess.background"

    window: list[float] | None = setting(
        None,
        help="[from, to] in units of the axis, before the edge or beside the line: there the"
        " background is fitted. None is subtracted without it",
    )
    model: Literal["power-law", "linear", "constant"] = setting(
        "power-law", help="shape of the background; a power law A·E⁻ʳ is that of EELS"
    )


@dataclass(frozen=True)
class SpectraPreprocess(Settings):
    """Settings of `spectra: preprocess`: corrections of the spectra, all off by default."""

    PART: ClassVar[str] = "spectra.preprocess"

    dark: str | None = setting(
        None, path=True, help="subtract this spectrum of the dark detector, a file"
    )
    gain: str | None = setting(
        None,
        path=True,
        help="divide by this spectrum of the detector under even illumination, a file; scaled to"
        " the mean 1",
    )
    spikes: float | None = setting(
        None,
        limits=(3, 1e6),
        help="replace channels that stand out from the median of their neighbours along the axis"
        " by more than this many robust standard deviations, such as cosmic rays",
    )
    align: Literal["zero-loss", "correlation"] | None = setting(
        None,
        help="shift every spectrum so that its highest peak lies at zero (`zero-loss`), or so that"
        " it fits the mean spectrum best (`correlation`); the shifts are kept as `aligned_by`",
    )
    align_within: float | None = setting(
        None,
        limits=(0, 1e6),
        help="largest shift of an alignment, in units of the axis; by default a tenth of its"
        " length",
    )
    background: BackgroundSettings = setting(
        BackgroundSettings, help="a background that is subtracted from every spectrum"
    )
    crop: list[float] | None = setting(
        None, help="keep the channels [from, to], in units of the axis, both included"
    )
    bin: int = setting(
        1,
        limits=(1, 4096),
        unit="channels",
        help="join so many channels into one: the sum of counts, the mean of other signals",
    )
    normalise: Literal["none", "area", "max"] = setting(
        "none",
        help="divide every spectrum by its area (mean over the channels) or by its highest value;"
        " the divisor is kept as `normalised_by`",
    )


@dataclass(frozen=True)
class SpectraSettings(Settings):
    """Settings of `spectra`."""

    PART: ClassVar[str] = "spectra"

    read: bool = setting(False, help="read the spectra of the source, beside its image")
    array: str | int | None = setting(
        None,
        help="name or number (from 0) of the signal to read where a file holds several; by default"
        " the only one with one spectral axis",
    )
    axis: Literal["auto", "first", "last"] = setting(
        "auto",
        help="which axis of an array without named axes is the spectral one; by default the one"
        " that is as long as the array `energy` beside it, else the last",
    )
    image: str | list[float] = setting(
        "sum",
        help="how an image is made of the spectra where the source holds none: `sum` or `max` over"
        " the axis, or the sum over a window [from, to] in units of the axis",
    )
    pitch_y: float | None = setting(
        None,
        limits=(1e-3, 1e4),
        unit="px",
        help="pixels of the image per spectrum, downwards; by default from the sizes of both",
    )
    pitch_x: float | None = setting(
        None, limits=(1e-3, 1e4), unit="px", help="the same to the right; by default as `pitch_y`"
    )
    start_y: float | None = setting(
        None,
        limits=(-1e5, 1e6),
        unit="px",
        help="row of the image in which the centre of the first spectrum lies; by default both"
        " begin at the same corner",
    )
    start_x: float | None = setting(
        None, limits=(-1e5, 1e6), unit="px", help="its column; by default the same corner"
    )
    counts: bool | None = setting(
        None,
        help="whether the values are counts; by default they are if all are whole and none is"
        " negative",
    )
    preprocess: SpectraPreprocess = setting(
        SpectraPreprocess, help="corrections of the spectra, in the order in which they are done"
    )

    def refuse_contradictions(self) -> None:
        """Refuse windows and pairs that are none."""
        for name, value in (
            ("preprocess.crop", self.preprocess.crop),
            ("preprocess.background.window", self.preprocess.background.window),
            ("image", self.image if isinstance(self.image, list) else None),
        ):
            _refuse_unless_window(f"{self.PART}.{name}", value)
        if isinstance(self.image, str) and self.image not in ("sum", "max"):
            raise UserError(
                f"`{self.PART}.image` is unknown",
                found=repr(self.image),
                expected="sum, max or a window [from, to] in units of the axis",
            )


def _refuse_unless_window(name: str, value: Any) -> None:
    if value is not None and not (len(value) == 2 and value[0] < value[1]):
        raise UserError(
            f"`{name}` is no window",
            found=repr(list(value)),
            expected="two numbers [from, to] in units of the axis, the lower one first",
        )
