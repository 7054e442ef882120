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
    normalise: Literal["image", "unit", "patch", "none"] = setting(
        "image",
        help="`image` (the 1st and 99th percentile of the frame become 0 and 1), `unit` (its least"
        " and greatest value do), `patch` (mean 0, standard deviation 1) or `none`. For frames that"
        " are patches, the first two count over the whole stack",
    )
    centre: Literal["subpixel", "pixel"] = setting(
        "subpixel", help="`subpixel` (interpolated) or `pixel` (centred on the nearest pixel)"
    )
