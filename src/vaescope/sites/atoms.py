"""Find atoms, refine them, link them from frame to frame, and compare them with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.quantities import FIT, Scale, attributes
from vaescope.sites import channels
from vaescope.sites.channels import AUTO
from vaescope.sites.matching import score_against_truth
from vaescope.sites.order import of_fullest
from vaescope.sites.search import find_atoms
from vaescope.sites.table import Column, tabulate
from vaescope.sites.tiles import Detection
from vaescope.sites.tracks import add_tracks, wanted

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector
    from vaescope.sites.settings import Atoms

# What finders say beside: its name in words.
_MORE = {
    "sublattice": "sublattice (0: the brightest)",
    "score_spread": "standard deviation of the score over the members of the detector",
    "species": "kind of site as the detector sees it (0: the first of its simulations)",
    "species_probability": "probability of the kind",
}
_KINDS = ("species", "sublattice")


def every_atom(
    image: xr.Dataset, settings: Atoms, threads: int = 1, detector: Detector | None = None
) -> xr.Dataset:
    """Find the atoms of an image.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store; where it has
        `measured` (time, y, x), sites lie on measured pixels, and fits use these alone.
    threads : tiles worked on at once; the result does not depend on it.
    detector : for the method `model`.

    Returns
    -------
    Dataset over `site`, in the form of a sites store. Where the image brings its truth, scores
    against it are added.

    Raises
    ------
    UserError : an image that is constant, or one in which no site stands out of the noise; no such
        channel; tracks are requested where there can be none.
    """
    channel = channels.choose(image, settings.channel, -1.0 if settings.polarity == "dark" else 1.0)
    frames = [image["image"][t, channel.number].data for t in range(image.sizes["time"])]
    measured = None
    if "measured" in image:
        measured = [image["measured"][t].data for t in range(image.sizes["time"])]
    found = find_atoms(frames, settings, threads, detector, measured)
    attrs: dict[str, Any] = {
        "spacing": found.spacing,
        "width": found.typical_width,
        "spacing_estimated": settings.spacing is None,
        "periodic": found.periodic,
        "polarity": found.polarity.name,
    }
    if settings.polarity == AUTO:
        attrs["polarity_skewness"] = found.polarity.skewness
    if found.ground.window:
        attrs["background_window"] = found.ground.window
    if found.texture:
        attrs["texture"], attrs["texture_height"] = found.texture, found.texture_height
    if found.strong:
        attrs["strong_sublattices"], attrs["nearest"] = found.strong, found.nearest
    if found.periodic:
        place = np.stack([found.y, found.x], axis=1)
        ordered = of_fullest(found.frame, place, found.nearest or found.spacing)
        if np.isfinite(ordered):
            attrs["order"] = ordered
    elif np.isfinite(found.clear):
        attrs["clear"] = found.clear
    if found.drowned:
        attrs["column_signal_to_noise"] = found.drowned
    attrs["elongation"] = found.shape.ratio
    if found.shape.likely_two:
        attrs["pairs"] = found.shape.distance
        attrs["pairs_resolved"] = found.shape.two
    if image.sizes.get("channel", 1) > 1:
        attrs["channel"] = str(image["channel"].values[channel.number])
        attrs["channel_number"] = channel.number
    if channel.skewness is not None:
        attrs["channel_skewness"] = channel.skewness
    signal = image["image"].attrs.get("units", "1")
    sites = tabulate(image, _columns(found, signal), attrs)
    if wanted(image, sites, settings.track):
        sites = add_tracks(sites, image, settings.track_step, settings.track_gap, channel.number)
    if "truth_y" in image:
        sites = score_against_truth(sites, image)
    return sites


def _columns(found: Detection, signal: str) -> dict[str, Column]:
    """Make the columns of a table of atoms; ``signal`` is the unit of the image."""

    def of_fit(words: str, units: str, scale: Scale = "sequential") -> dict[str, Any]:
        return attributes(words, units, scale, group=FIT)

    return {
        "frame": (found.frame, attributes("frame", "1")),
        "y": (found.y, attributes("row", "px", error="y_error")),
        "x": (found.x, attributes("column", "px", error="x_error")),
        "amplitude": (found.amplitude, of_fit("amplitude over the background", signal)),
        "width": (found.width, of_fit("width (standard deviation) of the image of the site", "px")),
        "background": (found.background, of_fit("background of the site", signal)),
        "y_error": (found.y_error, attributes("standard error of y", "px")),
        "x_error": (found.x_error, attributes("standard error of x", "px")),
        "fit_quality": (
            found.quality,
            of_fit("fit quality (1 - residual variance / variance)", "1"),
        ),
        "score": (found.score, of_fit("score of the detector (a strong site has about 1)", "1")),
        **{
            name: (
                values,
                of_fit(_MORE[name], "1", "categorical" if name in _KINDS else "sequential"),
            )
            for name, values in found.more.items()
        },
    }
