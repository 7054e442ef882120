"""Where to look in an image: atoms found, refined and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError, refuse_unknown
from vaescope.sites.frames import every_frame
from vaescope.sites.matching import score_against_truth
from vaescope.sites.table import near_edge, tabulate
from vaescope.sites.tracks import GAP, STEP, add_tracks, refuse_tracks, wanted
from vaescope.sites.windows import everywhere

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.atoms import Detection
    from vaescope.sites.learned.detector import Detector

__all__ = ["FRAMES", "LEARNED", "METHODS", "WINDOWS", "find", "score_against_truth"]

LEARNED = "model"
"""The method that needs a trained detector."""

METHODS = ("log", "maxima", LEARNED)
"""The methods that find atoms."""

FRAMES = "frames"
"""The method for stacks of pictures that are patches already."""

WINDOWS = "windows"
"""The method that looks everywhere, not at atoms."""

DEFAULTS: dict[str, Any] = {
    "method": "log",
    "spacing": None,
    "width": None,
    "polarity": "bright",
    "threshold": None,
    "refine": True,
    "channel": None,
    "track": None,
    "track_step": STEP,
    "track_gap": GAP,
    "stride": None,
    "count": None,
    "patch_size": None,
    "detector": None,
}
# Side of a patch in spacings if the recipe names none: the nearest neighbours all around, or less
# where the image is so small that too few sites would be left.
_PATCH_SPACINGS = (3.2, 2.6, 2.0, 1.6)
# What a learned detector tells beside: name in words, and unit.
_MORE = {
    "score_spread": ("standard deviation of the score over the members of the detector", "1"),
    "species": ("kind of site as the detector sees it (0: the first of its simulations)", "1"),
    "species_probability": ("probability of the kind", "1"),
}
_ENOUGH = 0.4  # share of the sites that should lie far enough from the edge
_EDGE_MARGIN = 1.0  # px beyond the patch that interpolation needs


def find(
    image: xr.Dataset,
    settings: dict[str, Any] | None = None,
    *,
    threads: int = 1,
    detector: Detector | None = None,
) -> xr.Dataset:
    """Find the sites of an image.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    settings : the part `sites` of a recipe; what is missing has its default:

        method : `log` (Laplacian of Gaussian), `maxima` (local maxima of the smoothed image),
            `model` (a learned detector, which has to be given),
            `windows` (on a grid or at random, wherever the atoms are) or `frames` (every frame of a
            stack is one patch; the other settings mean nothing then).
        spacing, width : px, distance of nearest sites and standard deviation of one; None:
            estimated from the image. In an image without order the spacing is taken as four
            widths.
        polarity : `bright` or `dark` sites.
        threshold : 0 to 1, share of a strong site's score, of `model` the probability that it is
            one (None: a half); None: from the image.
        refine : whether to fit Gaussians.
        channel : name or number of the channel to look at; None: the first.
        track : whether atoms are followed from frame to frame; None: where there are several
            frames.
        track_step : spacings, the largest step of an atom from a frame to the next, beside what
            all of them drift.
        track_gap : frames in which an atom may be missed and is known again.
        stride : px between windows; None: a quarter of their side, more where there would be too
            many of them.
        count : windows at random places of each frame instead of a grid; None: a grid.
        patch_size : px, side of the patches to be cut; None: 3.2 spacings, down to 1.6 in an image
            so small that most sites would be lost. Sites whose patch would reach beyond the image
            get `near_edge`.
        detector : settings from which the detector was trained; not looked at here.
    threads : tiles worked on at once; the result does not depend on it.
    detector : trained by `sites.learned.train`, for the method `model`.

    Returns
    -------
    Dataset over `site`, in the form of a sites store. Where the image brings its truth, scores
    against it are added.

    Raises
    ------
    UserError : unknown method or setting, a setting out of range, no detector where one is needed,
        an image that is constant, or one in which no site stands out of the noise.
    """
    settings = _checked(settings or {})
    if settings["method"] in (FRAMES, WINDOWS):
        refuse_tracks(settings)
    if settings["method"] == FRAMES:
        return every_frame(image, settings)
    if settings["method"] == WINDOWS:
        return everywhere(image, settings)
    channel = _channel(image, settings["channel"])
    frames = [image["image"][t, channel].data for t in range(image.sizes["time"])]
    if settings["method"] == LEARNED and detector is None:
        raise UserError(
            "the method `model` needs a trained detector",
            remedy="Train one (`sites.learned.train`) or load one (`sites.learned.load`), and give "
            "it as `detector`",
        )
    from vaescope.sites.atoms import find_atoms

    chosen = detector if settings["method"] == LEARNED else None
    found = find_atoms(frames, settings, threads, chosen)
    sites = _dataset(image, found, settings)
    if wanted(image, sites, settings):
        sites = add_tracks(sites, image, settings["track_step"], settings["track_gap"], channel)
    if "truth_y" in image:
        sites = score_against_truth(sites, image)
    return sites


def _dataset(image: xr.Dataset, found: Detection, settings: dict[str, Any]) -> xr.Dataset:
    height, width = image.sizes["y"], image.sizes["x"]
    sides = [factor * found.spacing for factor in _PATCH_SPACINGS]
    if settings["patch_size"]:
        sides = [settings["patch_size"]]
    for side in sides:
        near = near_edge(found.y, found.x, height, width, side / 2 + _EDGE_MARGIN)
        if (~near).mean() >= _ENOUGH:
            break
    signal = image["image"].attrs.get("units", "1")
    table = {
        "frame": (found.frame, "frame", "1"),
        "y": (found.y, "row", "px"),
        "x": (found.x, "column", "px"),
        "amplitude": (found.amplitude, "height of the site over its background", signal),
        "width": (found.width, "standard deviation of the site's image", "px"),
        "background": (found.background, "background of the site", signal),
        "y_error": (found.y_error, "standard error of y", "px"),
        "x_error": (found.x_error, "standard error of x", "px"),
        "fit_quality": (found.quality, "1 - residual variance / variance", "1"),
        "score": (found.score, "score of the detector (a strong site has about 1)", "1"),
        "near_edge": (near, "a patch around the site would leave the image", "1"),
        **{name: (values, *_MORE[name]) for name, values in found.more.items()},
    }
    attrs = {
        "spacing": found.spacing,
        "width": found.typical_width,
        "patch_size": float(side),
        "spacing_estimated": settings["spacing"] is None,
        "periodic": found.periodic,
        "polarity": settings["polarity"],
        "method": settings["method"],
    }
    return tabulate(image, table, attrs)


def _channel(image: xr.Dataset, wanted: str | int | None) -> int:
    names = [str(name) for name in image["channel"].values]
    if wanted is None:
        return 0
    if str(wanted) in names:
        return names.index(str(wanted))
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    raise UserError(
        "the image has no such channel", found=repr(wanted), expected="one of " + ", ".join(names)
    )


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Settings with their defaults; complaints about what is unknown or out of range."""
    refuse_unknown(given, DEFAULTS, "sites")
    settings = {**DEFAULTS, **given}
    known = [*METHODS, WINDOWS, FRAMES]
    if settings["method"] not in known:
        raise UserError(
            "there is no such way of finding sites",
            found=repr(settings["method"]),
            expected=" or ".join(known),
        )
    if settings["polarity"] not in ("bright", "dark"):
        raise UserError(
            "the polarity of sites is not known",
            found=repr(settings["polarity"]),
            expected="bright or dark",
        )
    for name, (low, high) in {
        "spacing": (2, 1e4),
        "width": (0.5, 1e3),
        "threshold": (0, 1),
        "track_step": (0.01, 10),
        "stride": (1, 1e4),
        "patch_size": (3, 1e5),
    }.items():
        value = settings[name]
        good = value is None or (
            isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        )
        if not good:
            raise UserError(
                f"the setting `{name}` of `sites` is out of range",
                found=repr(value),
                expected=f"a number from {low:g} to {high:g}, or null",
            )
    if settings["track"] not in (None, True, False):
        raise UserError(
            "the setting `track` of `sites` is not known",
            found=repr(settings["track"]),
            expected="true, false or null",
        )
    gap = settings["track_gap"]
    if isinstance(gap, bool) or not isinstance(gap, int) or not 0 <= gap <= 100:
        raise UserError(
            "the setting `track_gap` of `sites` is out of range",
            found=repr(gap),
            expected="a whole number from 0 to 100",
        )
    count = settings["count"]
    if count is not None and (
        isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 10**6
    ):
        raise UserError(
            "the setting `count` of `sites` is out of range",
            found=repr(count),
            expected="a whole number from 1 to 1000000, or null",
        )
    return settings
