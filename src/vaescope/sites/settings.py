"""Settings of the part `sites` of a recipe, for each kind of site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.learned.settings import DetectorSettings
from vaescope.settings import Settings, setting
from vaescope.walls.settings import WallFinding

STEP = 0.4  # of the spacing: farther than this no atom is followed from frame to frame
GAP = 2  # frames in which an atom may be missed
UNSURE_SKEWNESS = 0.25
"""Skewness of an image between minus and plus this decides nothing about bright or dark columns:
sinusoids have none, and noise little."""


class OfSites(Settings):
    """Settings of the part `sites` of a recipe."""

    PART: ClassVar[str] = "sites"


@dataclass(frozen=True)
class Atoms(OfSites):
    """Settings of `sites` with `method: log`, `maxima`, `model` or `auto`: atoms."""

    method: Literal["log", "maxima", "model", "auto"] = setting(
        "log",
        help="how atoms are found: `log` (Laplacian of Gaussian), `maxima` (local maxima of the"
        " smoothed image), `model` (a detector trained on simulated images) or `auto` (`log`, or"
        " `model` where that adds many columns that are credible)",
    )
    spacing: float | None = setting(
        None,
        limits=(2, 1e4),
        unit="px",
        help="distance of nearest sites; by default estimated from the image, and of an image"
        " without order four widths. With `walls`, the arc length from site to site, by default 4",
    )
    width: float | None = setting(
        None,
        limits=(0.5, 1e3),
        unit="px",
        help="standard deviation of the image of a site; by default estimated",
    )
    polarity: Literal["auto", "bright", "dark"] = setting(
        "auto",
        help="whether sites are brighter or darker than what lies between them; `auto`: whichever"
        " are the sharper, and bright where that is unsure",
    )
    threshold: float | None = setting(
        None,
        limits=(0, 1),
        help="share of a strong site's score from which on a maximum is a site, by default chosen"
        " from the image; with `model`, the probability of a site (a half); with `auto`, that of"
        " `log`",
    )
    refine: bool = setting(
        True, help="fit two-dimensional Gaussians, neighbours included, for the positions"
    )
    sublattices: Literal["auto", "none"] = setting(
        "auto",
        help="with `log` and `auto`, whether columns that stand between the strong ones of a"
        " lattice are found as well (`auto`), where they repeat from cell to cell; `sublattice`"
        " becomes a column of the sites, 0 for the brightest",
    )
    channel: str | int = setting(
        "auto",
        help="name or number (from 0) of the channel in which sites are sought; `auto`: the first,"
        " unless another shows a lattice much more clearly",
    )
    track: bool | None = setting(
        None,
        help="follow atoms from frame to frame; by default where there are several frames. Drift of"
        " the whole frame is taken out first. `track` and `track_length` become columns of the"
        " sites",
    )
    track_step: float = setting(
        STEP,
        limits=(0.01, 10),
        unit="spacings",
        help="largest step of an atom from one frame to the next, drift taken out",
    )
    track_gap: int = setting(
        GAP,
        limits=(0, 100),
        unit="frames",
        help="how many frames may miss an atom that is recognised again",
    )
    detector: DetectorSettings | None = setting(
        None,
        help="what the detector of `model` and `auto`, or of `walls` with `finder: learned`, is"
        " trained on, and how",
    )


@dataclass(frozen=True)
class Windows(OfSites):
    """Settings of `sites` with `method: windows`: windows wherever the atoms may be."""

    method: Literal["windows"] = setting("windows", help="windows, wherever the atoms may be")
    window: float | None = setting(
        None,
        limits=(3, 1e5),
        unit="px",
        help="side of a window, and of its patch; by default 3.2 spacings of a periodic image, a"
        " twelfth of the shorter side of another. With `walls`, the side of the window about each"
        " site in which walls and domains are described, by default a tenth of the shorter side,"
        " or twice the distance between walls where that is less, from 12 to 48",
    )
    stride: float | None = setting(
        None,
        limits=(1, 1e4),
        unit="px",
        help="distance between windows; by default a quarter of a window, with `walls` half of one,"
        " more where there would be too many of them",
    )
    count: int | None = setting(
        None,
        limits=(1, 10**6),
        help="windows at random places of each frame, instead of a grid",
    )


@dataclass(frozen=True)
class Frames(OfSites):
    """Settings of `sites` with `method: frames`: every frame of a stack is a patch."""

    method: Literal["frames"] = setting("frames", help="every frame of a stack is a patch")


@dataclass(frozen=True)
class SpectrumPixels(OfSites):
    """Settings of `sites` with `method: pixels`: every pixel of a spectrum image, or block of
    them."""

    method: Literal["pixels"] = setting("pixels", help="every pixel of a spectrum image")
    bin: int = setting(
        1,
        limits=(1, 1024),
        unit="pixels",
        help="side of the blocks of spectrum pixels that are one site; their spectra are averaged",
    )


@dataclass(frozen=True)
class Walls(WallFinding, OfSites):
    """Settings of `sites` with `method: walls`: places along domain walls."""

    method: Literal["walls"] = setting("walls", help="places along domain walls")
    places: Literal["walls", "grid"] = setting(
        "walls",
        help="where sites of domain walls lie: along the `walls`, or in the middles of windows on a"
        " `grid`, which are described by the walls and domains in them",
    )
    spacing: float | None = setting(
        None, limits=(2, 1e4), unit="px", help="arc length between sites along a wall; by default 4"
    )
    window: float | None = setting(
        None, limits=(3, 1e5), unit="px", help="side of the windows in which walls are described"
    )
    stride: float | None = setting(
        None, limits=(1, 1e4), unit="px", help="distance between windows on a grid"
    )
    detector: DetectorSettings | None = setting(
        None, help="what the detector of `learned` is trained on, and how"
    )
    defects: str | None = setting(
        None,
        path=True,
        help="CSV file of defects of your own, relative to the recipe, with columns `y` and `x` (px"
        " in the first frame): whether they pin walls is tested",
    )
