"""Settings of the part `patches` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class Patches(Settings):
    """Settings of `patches`."""

    PART: ClassVar[str] = "patches"

    cut: bool = setting(
        True,
        help="whether samples have a patch at all; false where their spectra are all that counts",
    )
    size: float | None = setting(
        None,
        limits=(3, 1e5),
        unit="px",
        help="side of a patch in the image; by default 3.2 spacings of the sites, down to 1.6 in an"
        " image so small that most sites would be lost, or the side of a window. Sites whose patch"
        " would leave the image, or what was measured of it, are `near_edge` and get none",
    )
    pixels: int | None = setting(
        None,
        limits=(4, 1024),
        help="samples per side; by default 28, or the side in pixels if that is less. Frames that"
        " are patches already keep their own, up to 64",
    )
    normalise: Literal["image", "unit", "patch", "signed", "none"] = setting(
        "image",
        help="`image` (the 1st and 99th percentile of the frame become 0 and 1), `unit` (its least"
        " and greatest value do), `patch` (mean 0, standard deviation 1), `signed` or `none`. For"
        " frames that are patches, the first two count over the whole stack. `signed`, of a"
        " piezoresponse: in-phase and out-of-phase signal and amplitude are divided by one number,"
        " so that 0 stays 0; of other channels the median becomes 0",
    )
    channels: list[str] | None = setting(
        None,
        help="names of the channels of which patches are cut; by default all",
    )
    delay: list[int] | None = setting(
        None,
        unit="frames",
        help="frames of which a patch is cut, counted from that of its site: `[-1, 0, 1]` gives"
        " each channel before, at and after the time of the site, at the same place of the sample"
        " (drift is taken out). `[0, 1]` looks forward, `[-1, 0]` back. Sites of which one of the"
        " frames does not exist, or does not show the whole patch, get none",
    )
    centre: Literal["subpixel", "pixel"] = setting(
        "subpixel", help="`subpixel` (interpolated) or `pixel` (centred on the nearest pixel)"
    )
