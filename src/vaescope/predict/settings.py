"""Settings of the prediction of spectra from images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class PredictSettings(Settings):
    """Settings of `prediction`."""

    PART: ClassVar[str] = "prediction"

    held_out: Literal["blocks", "random"] = setting(
        "blocks",
        help="how test sites are chosen: a contiguous block with a gap as wide as a window, or at"
        " random, which flatters where windows overlap",
    )
    share: float = setting(0.25, limits=(0.05, 0.6), help="share of the sites that is held out")
    window: float | None = setting(
        None,
        limits=(3, 10000),
        unit="px",
        help="side of the square around a site that is looked at closely, and width of the gap"
        " between training and held-out sites, in pixels of the image; by default the side of a"
        " patch",
    )
    folds: int = setting(
        4,
        limits=(2, 20),
        help="number of blocks of the training sites on which predictors are weighed and bands are"
        " calibrated",
    )
