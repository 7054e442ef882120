"""Settings by which domain walls are found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class WallFinding(Settings):
    """How walls are found in the piezoresponse and fitted to it."""

    PART = "sites"

    finder: Literal["zero", "canny", "learned"] = setting(
        "zero",
        help="how domain walls are found before they are fitted: `zero` (zero line of the smoothed"
        " in-phase signal), `canny` (edges of the smoothed phase) or `learned` (a detector trained"
        " on simulated domains)",
    )
    smoothing: float | None = setting(
        None,
        limits=(0.5, 50),
        unit="px",
        help="standard deviation of the Gaussian in which domain walls are sought, by default"
        " chosen by the noise; the fit uses the picture as it is",
    )
    tip: float | None = setting(
        None,
        limits=(0, 100),
        unit="px",
        help="standard deviation of the tip's blur, by default estimated from the walls",
    )
