"""What a recipe says of reading a source: which part of it is kept, and how it is corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.errors import UserError
from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class PreprocessSettings(Settings):
    """Settings of `ingest: preprocess`: corrections of the image, all off by default."""

    PART: ClassVar[str] = "ingest.preprocess"

    background: float | None = setting(
        None,
        limits=(0.1, 1e5),
        unit="px",
        help="subtract the image blurred by a Gaussian of this standard deviation",
    )
    flat_field: str | None = setting(
        None,
        path=True,
        help="divide by this image of even illumination, a file relative to the recipe",
    )
    detrend_lines: bool | Literal["median", "linear"] = setting(
        False,
        help="subtract from every scan line its median (`median` or true), or the straight line"
        " fitted to it: offset and slope (`linear`)",
    )
    hot_pixels: float | None = setting(
        None,
        limits=(0.1, 1e9),
        help="replace pixels that differ from the median of their 3 × 3 neighbourhood by more than"
        " this many robust standard deviations",
    )
    align_frames: bool = setting(False, help="register the frames of a stack to each other")
    turn_frames: float | None = setting(
        None,
        limits=(1e-3, 180),
        unit="degrees",
        help="rotate every frame by a random angle between minus and plus this, recorded as"
        " `truth_angle`: for studies",
    )


@dataclass(frozen=True)
class IngestSettings(Settings):
    """Settings of `ingest`."""

    PART: ClassVar[str] = "ingest"

    array: str | int | None = setting(
        None,
        help="name or number (from 0) of the array to read from a file that holds several (npz,"
        " HDF5); by default `image`, `images`, or the only one that can be an image",
    )
    channel: str | int | list[str | int] | None = setting(
        None,
        help="name or number (from 0) of the channel to keep, or a list of them; all by default. A"
        " phase (complex numbers, degrees or radians) becomes two channels, `NAME cos` and"
        " `NAME sin`",
    )
    piezoresponse: bool = setting(
        False,
        help="amplitude and phase (or X and Y of a lock-in amplifier) become `in-phase` and"
        " `out-of-phase`: the complex response, turned so that the two domain states lie at + and"
        " - of the in-phase axis",
    )
    direction: Literal["auto", "trace", "retrace"] = setting(
        "auto",
        help="of a piezoresponse scanned in both directions, the one that is taken; `auto` is the"
        " trace (forward) where both are there",
    )
    join: Literal["series", "layers"] = setting(
        "series",
        help="several files are frames in time (`series`), or, of a piezoresponse, other responses"
        " of the same area (`layers`), which are registered by their heights and become further"
        " channels",
    )
    bad_lines: Literal["mask", "keep"] = setting(
        "mask",
        help="scan lines of a piezoresponse that jump, at which the tip changed, or that lost their"
        " contrast: they count as not measured (`mask`), or as good (`keep`); they are reported"
        " either way",
    )
    unmeasured: Literal["auto", "constant", "nan"] = setting(
        "auto",
        help="what was not measured: NaN alone (`nan`), or also lost lines and areas of one value"
        " at the border, such as a black frame or the rest of a stopped scan (`constant`); `auto`"
        " is `nan` where every frame is a sample, else `constant`",
    )
    preprocess: PreprocessSettings = setting(
        PreprocessSettings, help="corrections of the image, in the order in which they are done"
    )

    def refuse_contradictions(self) -> None:
        """Refuse layers of anything but a piezoresponse."""
        if self.join == "layers" and not self.piezoresponse:
            raise UserError(
                f"`{self.PART}.join` is `layers`, which is for a piezoresponse",
                remedy=f"Set `{self.PART}.piezoresponse: true`, or leave `join` out",
            )
