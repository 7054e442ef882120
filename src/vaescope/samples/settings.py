"""Settings of the part `patches` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.settings import Settings, setting

COMPLETE = 0.95
"""Share of a patch that must have been measured for a model to learn from it: a lost line and some
dead pixels may be missing. The bound leaves them out, but the encoder reads what stands in their
place: from a tenth on, latents shift with it."""


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
        help="side of a patch in the image; by default 3.2 times the distance of nearest sites, of"
        " whatever sublattice, down to 1.6 in an image so small that most sites would be lost,"
        " or the side of a window",
    )
    pixels: int | None = setting(
        None,
        limits=(4, 1024),
        help="samples per side; by default 28, or the side in pixels if that is less. Frames that"
        " are patches already keep their own, up to 64",
    )
    complete: float = setting(
        COMPLETE,
        limits=(0.3, 1.0),
        help="least share of a patch that must lie in what was measured of the image; sites with"
        " less are `near_edge` and get no patch. Models are trained on patches of which 0.95 was"
        " measured or more. Below that, set this to 0.5 to map the other sites as well: from what"
        " is seen of their patches alone, and with the larger errors that follow",
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
