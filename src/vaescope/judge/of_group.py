"""Findings about an image beside those that the models of its group were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaescope.results.facts import Finding
from vaescope.text import percent

if TYPE_CHECKING:
    import xarray as xr

_SERIOUS = 3.0  # times the limit


def of_group(name: str, latents: xr.Dataset) -> list[Finding]:
    """Say where an image does not look like those of its group; nothing where it has none."""
    attrs = latents.attrs
    if "unfamiliar_share" not in attrs:
        return []
    share, limit = float(attrs["unfamiliar_share"]), float(attrs["unfamiliar_limit"])
    if share <= limit:
        return []
    of_content = float(attrs["unfamiliar_by_content"]) > float(attrs["unfamiliar_by_residual"])
    why = (
        "their content lies where no site of another image lies"
        if of_content
        else "the models cannot reproduce them"
    )
    images = int(attrs["unfamiliar_images"])
    return [
        Finding(
            "unfamiliar",
            "serious" if share > _SERIOUS * limit else "care",
            name,
            f"{percent(share)} of the sites are unlike those of the group: {why}. In the"
            f" {images} image{'s' * (images != 1)} that the models were trained on it is"
            f" {percent(float(attrs['unfamiliar_usual']))}, and up to {percent(limit)} would be"
            " usual.",
            "The models have not seen such structure: classes, modes and latents of these sites"
            " are guesses.",
            "Check the magnification (column `pixel_size`) and the specimen. If the image belongs"
            " to the group, give it the role `reference`, so that the models learn from it; else"
            " leave its `group` empty.",
        )
    ]
