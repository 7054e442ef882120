"""One size of patches for all images of a group, whatever their magnifications."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vaescope.errors import UserError
from vaescope.read.physical import metres_per
from vaescope.samples.patches import pixels_of
from vaescope.samples.settings import Patches
from vaescope.samples.size import size_of

if TYPE_CHECKING:
    import xarray as xr

_NANOMETRE = 1e-9  # m


@dataclass(frozen=True)
class PatchScale:
    """How large the patches of a group are: ``side`` in ``unit``, nanometres where the images are
    calibrated, else spacings of the strongest sublattice; ``pixels`` a side; ``origin`` the dataset
    that settled it."""

    side: float
    unit: Literal["nm", "spacings"]
    pixels: int
    origin: str

    @classmethod
    def of(cls, image: xr.Dataset, sites: xr.Dataset, wanted: Patches, origin: str) -> PatchScale:
        """The scale that an image and its sites would have alone; ``wanted`` is what the recipe
        says."""
        size = size_of(image, sites, wanted.size)
        pixels = pixels_of(size, wanted)
        nanometres = _nanometres(sites)
        if nanometres is None:
            return cls(size / _spacing(sites), "spacings", pixels, origin)
        return cls(size * nanometres, "nm", pixels, origin)

    @classmethod
    def read(cls, file: Path) -> PatchScale:
        """The scale in a file that ``write`` made."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def as_json(self) -> str:
        """The scale as the text of a file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def patches(self, sites: xr.Dataset, wanted: Patches) -> Patches:
        """The settings by which the patches of another dataset are cut at this scale.

        Raises
        ------
        UserError : one of the two images is calibrated, and the other is not.
        """
        nanometres = _nanometres(sites)
        if (nanometres is None) != (self.unit == "spacings"):
            known = "is not calibrated" if nanometres is None else "is calibrated"
            other = "is" if nanometres is None else "is not"
            raise UserError(
                "the images of a group have no common scale",
                found=f"this image {known}, but `{self.origin}` {other}",
                expected="a pixel size for all images of the group, or for none",
                remedy="Fill in the column `pixel_size` of the sample sheet for the others",
            )
        pixel = 1 / _spacing(sites) if nanometres is None else nanometres
        return replace(wanted, size=self.side / pixel, pixels=self.pixels)


def _spacing(sites: xr.Dataset) -> float:
    """Spacing of the strongest sublattice in px, which every image of a specimen shows."""
    return float(sites.attrs["spacing"])


def _nanometres(sites: xr.Dataset) -> float | None:
    """Side of a pixel in nm; None where the image is not calibrated."""
    about: dict[str, Any] = dict(sites.attrs)
    metres = metres_per(about.get("pixel_unit"))
    if not about.get("calibrated") or not about.get("pixel_size") or metres is None:
        return None
    return float(about["pixel_size"]) * metres / _NANOMETRE
