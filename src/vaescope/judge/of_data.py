"""Findings about the data: detection, fits, strain of the lattice, the scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.results.facts import Finding, Severity
from vaescope.sites.polarity import UNSURE
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

_FEW_PATCHES = 100  # below which an ensemble of networks learns the noise
_POOR_FIT = 0.5  # share of the variance around a site that a Gaussian explains
_NOTABLE = 0.1  # share of the sites from which something concerns the whole
_ELONGATED = 1.3  # long to short width of the mean site
_VERY_ELONGATED = 1.6  # astigmatism is corrected before an image is taken like that
_BLURRED = 0.1  # of the spacing: positions that are less sure tell no strain and no class
_AGREED = 0.8  # share of the sites that filter and detector have both found
_TEXTURED = 0.15  # height of the texture of a support, over the columns, that moves these


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
                " `polarity`, or use a trained detector (`extends: atoms-learned`).",
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
    said += of_choices(image, sites.attrs) + of_shape(sites.attrs)
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


def of_choices(image: xr.Dataset, attrs: Mapping[str, Any]) -> list[Finding]:
    """Findings about what was chosen from the image: channel, polarity, what is texture.

    attrs : of ``sites.zarr``.
    """
    said = []
    number, sharp = int(attrs.get("channel_number", 0)), attrs.get("channel_skewness")
    if number and sharp is not None:
        names = [str(name) for name in np.atleast_1d(image["channel"].values)]
        said.append(
            Finding(
                "channel chosen",
                "note",
                "sites",
                f"Sites were sought in {names[number]}, not in the first channel, {names[0]}.",
                f"Columns are bright and sharp in {names[number]} (skewness"
                f" {sharp[number]:.1f}; in {names[0]} {sharp[0]:.1f}).",
                "To use another channel, set `sites: channel`.",
            )
        )
    reason = attrs.get("method_reason")
    if reason and attrs.get("method") == "model":
        said.append(
            Finding(
                "detector chosen",
                "note",
                "sites",
                "The sites are those of the trained detector, not those of the filter.",
                str(reason),
                "Look at the figure of the sites; for those of the filter, set"
                " `sites: method: log`.",
            )
        )
    elif reason and float(attrs.get("method_agreement", 1.0)) < _AGREED:
        said.append(
            Finding(
                "detector disagrees",
                "note",
                "sites",
                "The sites are those of the filter; a trained detector finds others.",
                str(reason),
                "Look at the figure of the sites; for those of the detector, set"
                " `sites: method: model`.",
            )
        )
    if attrs.get("background_window"):
        said.append(
            Finding(
                "uneven background",
                "care",
                "sites",
                "Steps or low frequencies of the image outweigh its columns; sites were sought"
                f" after the median over {int(attrs['background_window'])} px was subtracted.",
                "Patches and models still see them. Within a spacing of a step, positions are less"
                " sure than their errors say.",
                f"Set `ingest: preprocess: background: {0.5 * float(attrs['spacing']):.0f}` (px) to"
                " subtract the background from the image.",
            )
        )
    if attrs.get("texture"):
        height = float(attrs.get("texture_height", 0.0))
        beneath = (
            " The support lies under the crystal as well, where it moves columns by more than"
            " their errors say; bright spots of it may be left among the sites."
        )
        said.append(
            Finding(
                "texture left out",
                "care" if height > _TEXTURED else "note",
                "sites",
                f"{int(attrs['texture'])} dim spots without order beside a crystal were left out,"
                f" {height:.2g} times as high as the columns.",
                "They are the texture of an amorphous support, or atoms without order."
                + (beneath if height > _TEXTURED else ""),
                "To keep them, set `sites: threshold`: every spot of that share of a strong site's"
                " score is one.",
            )
        )
    drowned = attrs.get("column_signal_to_noise")
    if drowned:
        said.append(
            Finding(
                "columns in noise",
                "care",
                "sites",
                f"Single columns stand out of the noise by {drowned:.1f} standard deviations only;"
                " sites are the places of the lattice, found from many cells together.",
                "Where columns are there, positions are right. Single vacancies are hardly seen: a"
                " place is left out only where its own pixels speak against a column.",
                "Average frames, or take more electrons, to see vacancies and dopants.",
            )
        )
    skewness = attrs.get("polarity_skewness")
    if skewness is None or not np.isfinite(skewness):
        return said
    if attrs.get("polarity") == "dark":
        said.append(
            Finding(
                "dark columns",
                "note",
                "sites",
                "Columns were taken as dark.",
                "What is sharp in this image is darker than its surroundings (skewness"
                f" {skewness:.1f}).",
                "If they are bright, set `sites: polarity: bright`.",
            )
        )
    elif attrs.get("periodic") and abs(skewness) < UNSURE:
        said.append(
            Finding(
                "bright or dark",
                "care",
                "sites",
                "Bright and dark spots are equally sharp; columns were taken as bright.",
                "If columns are dark, each site lies between columns.",
                "Look at the figure of the sites; then set `sites: polarity` to `bright` or"
                " `dark`.",
            )
        )
    return said


def of_shape(attrs: Mapping[str, Any]) -> list[Finding]:
    """Findings about the shape that the sites share, from the attributes of ``sites.zarr``."""
    distance, ratio = attrs.get("pairs"), float(attrs.get("elongation", 1.0))
    if distance is not None and attrs.get("pairs_resolved"):
        return [
            Finding(
                "pairs of columns",
                "note",
                "sites",
                f"Columns stand in pairs, {float(distance):.1f} px apart.",
                "Each column of a pair is a site; at the scale of the lattice, the first search saw"
                " one blob for each pair.",
                "For one site for each pair, set `sites: spacing` to the distance of the pairs.",
            )
        ]
    if distance is not None:
        return [
            Finding(
                "unresolved pairs",
                "serious",
                "sites",
                f"Each site may be a pair of columns about {float(distance):.1f} px apart that is"
                " not resolved: two Gaussians fit far better than one elongated one.",
                "Positions are those of pairs, with errors that hold for single columns.",
                f"Set `sites: spacing: {float(distance):.1f}` to search for single columns, and"
                " look at the figure of the sites.",
            )
        ]
    if ratio > _ELONGATED:
        return [
            Finding(
                "elongated sites",
                "care" if ratio > _VERY_ELONGATED else "note",
                "sites",
                f"Sites are elongated, {ratio:.1f} : 1.",
                "Astigmatism or drift; or each site is two columns that are not resolved, and"
                " positions are those of pairs.",
                "If they are pairs, set `sites: spacing` to the distance of their columns.",
            )
        ]
    return []


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
