"""Findings about the data: detection, fits, strain of the lattice, the scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vaescope.judge.of_choices import of_choices, of_clearness, of_shape
from vaescope.results.facts import Finding, Severity
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

_FEW_PATCHES = 100  # below which an ensemble of networks learns the noise
_POOR_FIT = 0.5  # share of the variance around a site that a Gaussian explains
_NOTABLE = 0.1  # share of the sites from which something concerns the whole
_BLURRED = 0.1  # of the spacing: positions that are less sure tell no strain and no class


def of_sites(
    image: xr.Dataset, sites: xr.Dataset, patches: xr.Dataset, scores: Mapping[str, float]
) -> list[Finding]:
    """Findings about detection and fits.

    image, sites, patches : the Datasets of ``image.zarr``, ``sites.zarr`` and ``samples.zarr``;
    scores : of the detection against the truth, where it is known.
    """
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, "sites", says, means, remedy))

    count, total = int(patches.sizes["site"]), int(sites.sizes["site"])
    stack = not traits_of(sites.attrs).placed
    if count < _FEW_PATCHES and total:
        say(
            "few patches",
            "care",
            f"Only {count} patches could be cut.",
            "Networks trained on so few patches overfit their noise; rare structures are missed.",
            "Take a larger image or more frames, or smaller patches (`patches: size`).",
        )
    if unit := image.attrs.get("reciprocal_unit"):
        say(
            "reciprocal space",
            "note" if stack else "serious",
            f"The axes of the file are in {unit}: it holds a diffraction pattern or a Fourier"
            " transform.",
            "Its spots are not atoms; spacings, strain and classes are those of reciprocal space,"
            " in pixels.",
            "Take the image itself (`ingest: array` where the file holds both). A series of"
            " patterns is analysed as a stack, by `sites: method: frames`.",
        )
    elif not stack and not image.attrs.get("calibrated"):
        say(
            "not calibrated",
            "note",
            "The image gives no pixel size.",
            "Lengths are in pixels; strain, angles and classes do not need it.",
            "Give `pixel_size` in the sample sheet.",
        )
    if sites.attrs.get("spacing_estimated") and sites.attrs.get("periodic") is False:
        say(
            "no period",
            "care",
            "The image has no clear period from which a spacing could be taken.",
            "Patch sizes and the scale at which sites are searched for are guesses.",
            "Look at the figure of the sites; give `sites: spacing` if they are not the atoms.",
        )
    if "fit_quality" in sites and total:
        poor = float(np.mean(sites["fit_quality"].values < _POOR_FIT))
        if poor > _NOTABLE:
            say(
                "poor fits",
                "care",
                f"{100 * poor:.0f} % of the sites are fitted badly (quality below {_POOR_FIT:g}):"
                " a Gaussian explains less than half of the variance there.",
                "The image is noisy, or some sites are not atoms, or two atoms share a site; look"
                " at the standard errors of the coordinates.",
                "Look at the figure of the sites; change `sites: threshold`, `spacing` or"
                " `polarity`"
                + (
                    "."
                    if sites.attrs.get("detector")
                    else ", or use a trained detector (`extends: atoms-learned`)."
                ),
            )
    if "y_error" in sites and total and not traits_of(sites.attrs).directed:
        spacing = float(sites.attrs.get("spacing", np.nan))
        error = np.hypot(sites["y_error"].values, sites["x_error"].values) / np.sqrt(2)
        error = error[np.isfinite(error)]
        blurred = float(np.median(error)) / spacing if error.size else 0.0
        if blurred > _BLURRED:
            say(
                "blurred positions",
                "serious",
                f"Positions are unsure by {100 * blurred:.0f} % of the spacing (median).",
                "Offsets, strain and neighbours carry little information.",
                "Average frames, or bin the image; noise alone makes positions so unsure.",
            )
    said += of_choices(image, sites.attrs) + of_clearness(sites.attrs) + of_shape(sites.attrs)
    if "score_spread" in sites and total:
        doubt = float(np.mean(sites["score"].values - sites["score_spread"].values < 0.5))
        if doubt > _NOTABLE:
            say(
                "doubtful detections",
                "care",
                f"{100 * doubt:.0f} % of the sites are doubtful to the detector: within the spread"
                " of its members, the probability falls below one half.",
                "Some of them may be no atoms, and others be missing.",
                "Filter by `score` in sites.csv, or simulate images that look more like this one"
                " (`sites: detector`).",
            )
    without = int(patches.attrs.get("without_delay", 0))
    if without:
        say(
            "without a delayed frame",
            "note",
            f"{without} of {total} sites lack a patch at one of the delays.",
            "The frame before or after theirs does not exist, or the drift moved the patch out of"
            " it; no map shows them.",
            "Nothing, in a long movie; with few frames, take fewer delays (`patches: delay`).",
        )
    lost = total - count - without
    if not stack and total and lost / total > 0.4:
        say(
            "cut off",
            "note",
            f"{lost} of {total} sites are too near the edge for a patch.",
            "They are in the table of sites, but no map shows them.",
            "Smaller patches (`patches: size`) reach further out.",
        )
    for name, word in (("recall", "true sites were found"), ("precision", "found sites are true")):
        share = float(scores.get(name, 1.0))
        if share < 0.9:
            say(
                f"low {name}",
                "serious" if share < 0.7 else "care",
                f"Only {100 * share:.1f} % of the {word}.",
                "The ground truth is available: so reliable is detection on images like this.",
                "Try another `sites: method`, `threshold` or `spacing`.",
            )
    return said


def of_strain(strain: xr.Dataset) -> list[Finding]:
    """Judge strain and rotation of the lattice (``strain.zarr``)."""
    said = []
    widened = float(np.max(np.atleast_1d(strain.attrs.get("position_errors_widened", 1.0))))
    if widened > 1.5:
        said.append(
            Finding(
                "position errors too small",
                "care",
                "strain: neighbours",
                f"Standard errors of positions had to grow {widened:.1f} times to agree with the"
                " lattice.",
                "Neighbouring sites lie off their lattice by more than their fits say: noise of the"
                " scan, or atoms that are no Gaussians.",
                "Trust the errors of the strain, which have grown, not those of positions.",
            )
        )
    return said
