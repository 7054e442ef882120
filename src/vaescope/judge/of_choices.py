"""Findings about what was chosen from an image for the search of sites, and about what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.results.facts import Finding
from vaescope.sites.settings import UNSURE_SKEWNESS
from vaescope.text import percent

if TYPE_CHECKING:
    import xarray as xr

_ELONGATED = 1.3  # long to short width of the mean site
_VERY_ELONGATED = 1.6  # astigmatism is corrected before an image is taken like that
_AGREED = 0.8  # share of the sites that filter and detector have both found
_TEXTURED = 0.15  # height of the texture of a support, over the columns, that moves these
_DISORDERED = 0.25  # mean order: smooth textures reached 0.20, no lattice was below 0.42
_CLEARLY = 1.6  # times as high as noise is deep; atoms at Rose's criterion have 1.9


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
    elif attrs.get("periodic") and abs(skewness) < UNSURE_SKEWNESS:
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


def of_clearness(attrs: Mapping[str, Any]) -> list[Finding]:
    """Findings about sites that may be noise or texture, from the attributes of ``sites.zarr``."""
    order, clear = (float(attrs.get(name, np.inf)) for name in ("order", "clear"))
    if order < _DISORDERED:
        return [
            Finding(
                "no order",
                "care",
                "sites",
                f"The sites lie in no order: {percent(order, 0)} of the vectors between neighbours"
                " repeat themselves; in a honeycomb 45 %, of places at random up to 20 %.",
                "They are spots of a texture, or atoms of a material that is amorphous.",
                "Look at the figure of the sites; if it shows a crystal, set `sites: spacing` to"
                " the distance of its columns.",
            )
        ]
    if clear < _CLEARLY:
        return [
            Finding(
                "close to the noise",
                "care",
                "sites",
                f"The median site rises only {clear:.1f} times as high above its surroundings as"
                " the darkest spots of noise and texture lie below theirs.",
                "Bright spots of the support may be among the sites, and atoms on its dark spots be"
                " missing.",
                "Take more electrons, or a thinner support; look at the figure of the sites, and"
                " set `sites: threshold` if it shows too many or too few.",
            )
        ]
    return []


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
