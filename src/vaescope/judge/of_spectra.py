"""Findings about spectra as they were read, and about their pose: shifts, gains and backgrounds
that are to be doubted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vaescope.results.facts import Finding, Severity

if TYPE_CHECKING:
    import xarray as xr

_FAR, _MANY = 2.5, 0.04  # prior standard deviations, and share of the sites; normal: 0.012
_WIDE = 1.4  # prior standard deviations over which all shifts together spread
_OPEN = 0.5  # of the standard deviation of the prior: so little have the data said of a shift
_PEAK = 0.25  # of its highest, above its surroundings, that a second line has
_SHARE, _FEWEST = 0.02, 3  # of the sites that two lines confuse, at least
_TOGETHER = 0.5  # correlation of the shift with a latent, beyond which they are not made apart
_EMPTIER = 3.0  # times fewer shifts half-way between two lines than at their distance
_SPIKED = 0.015  # of the spectra
_PARTS = {"shift": "shift", "gain": "gain", "background": "background", "exponent": "power_law"}
"""Parts of the pose, and the settings that switch them on."""


def of_spectra_read(samples: xr.Dataset) -> list[Finding]:
    """Say what is to be doubted of the spectra themselves.

    samples : the Dataset of ``samples.zarr``.
    """
    share = float(samples.attrs.get("spectra_spiked", 0.0))
    if share < _SPIKED:
        return []
    return [
        Finding(
            "spikes",
            "care",
            "spectra",
            f"{share:.1%} of the spectra have a spike of one to three channels, as a cosmic ray"
            " leaves it.",
            "Spikes draw components, clusters and latents to themselves.",
            "Set `spectra: preprocess: spikes: 10` in the recipe, which replaces them by their"
            " neighbours along the axis.",
        )
    ]


def of_spectra(model: str, latents: xr.Dataset) -> list[Finding]:
    """Say what is to be doubted of the pose of spectra; nothing of a model without one.

    latents : the Dataset of ``latents.zarr``.
    """
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, model, says, means, remedy))

    if "consensus_shift" in latents and "prior_sd" in latents["consensus_shift"].attrs:
        about = latents["consensus_shift"].attrs
        prior, units = float(about["prior_sd"]), str(about["units"])
        shift = latents["consensus_shift"].values
        shift = shift - np.nanmedian(shift)
        spread = latents["shift_spread"].values
        unsure = float(np.mean(spread > _OPEN * prior))
        distance = confused(latents)
        if unsure > 0.5:
            say(
                "unsure shifts",
                "serious",
                f"The data say little of the shifts: they are unsure by {np.median(spread):.2g}"
                f" {units} (median), their prior by {prior:.2g} {units}.",
                "The spectra have too few counts for a shift each; the map of shifts shows mostly"
                " the prior.",
                "Join pixels (`sites: bin: 2`, or more) until the errors are a fraction of the"
                f" shifts, or leave the shift out (`models: {model}: shift: false`).",
            )
        elif distance is not None:
            say(
                "confused lines",
                "serious",
                f"Some spectra are shifted by about {distance:.3g} {units}, which is the distance"
                " of two lines, and hardly any by half of it.",
                "One line may have been taken for the other: there, shift and latents are wrong.",
                f"`models: {model}: shift_sd` of at most"
                f" {about['prior_setting'] * distance / (4 * prior):.2g} channels, if no spectrum"
                " shifts as far; else `spectra: preprocess: align: correlation` first.",
            )
        elif np.mean(np.abs(shift) > _FAR * prior) > _MANY or np.std(shift) > _WIDE * prior:
            wanted = float(about["prior_setting"]) * max(1.5 * np.std(shift) / prior, 2)
            say(
                "shifts at their limit",
                "serious",
                f"Shifts spread by {np.std(shift):.2g} {units}, more than their prior allows"
                f" ({prior:.2g} {units}).",
                "Large shifts come out too small, and what is left of them is in the latents.",
                f"Raise `models: {model}: shift_sd` to {math.ceil(wanted)} channels.",
            )
    if (latent := following(latents)) is not None:
        say(
            "shift follows a latent",
            "note",
            f"The shift of the spectra goes together with latent {latent + 1}.",
            "A change of shape and a shift can stand for each other where they always come"
            " together: how much is shift is then a matter of definition.",
            f"Nothing, if one cause may do both, as a valence; else compare `models: {model}:"
            " shift: false`.",
        )
    unsure_of = {one.kind for one in said} == {"unsure shifts"}
    still = [
        name
        for name in _PARTS
        if stands_still(latents, name) and not (name == "shift" and unsure_of)
    ]
    if still:
        words = " and ".join(f"the {name}" for name in still)
        off = ", ".join(f"{_PARTS[name]}: false" for name in still)
        say(
            "nothing to see in the pose",
            "note",
            f"{words.capitalize()} of the spectra var{'y' if len(still) > 1 else 'ies'} less"
            f" between sites than {'they are' if len(still) > 1 else 'it is'} uncertain.",
            "The spectra agree in this within their errors; its map is noise.",
            f"Nothing; `models: {model}: {off}` makes the other errors smaller.",
        )
    return said


def stands_still(latents: xr.Dataset, name: str) -> bool:
    """Whether a part of the pose varies less between sites than it is uncertain."""
    if f"consensus_{name}" not in latents:
        return False
    values = latents[f"consensus_{name}"].values
    return bool(np.nanstd(values) < np.nanmedian(latents[f"{name}_spread"].values))


def following(latents: xr.Dataset) -> int | None:
    """The latent that goes together with the shift; None where there is none."""
    if "consensus_shift" not in latents or "consensus_content" not in latents:
        return None
    shift, content = latents["consensus_shift"].values, latents["consensus_content"].values
    if not np.std(shift) > 0:
        return None
    each = [abs(np.corrcoef(shift, z)[0, 1]) if np.std(z) > 0 else 0.0 for z in content.T]
    return int(np.argmax(each)) if max(each, default=0.0) > _TOGETHER else None


def confused(latents: xr.Dataset) -> float | None:
    """The distance of two lines by which some spectra are shifted, and few by half of it; None
    where there is none."""
    if "reconstruction" not in latents or "energy" not in latents.coords:
        return None
    energy = latents["energy"].values.astype(float)
    shift = latents["consensus_shift"].values
    shift = shift - np.nanmedian(shift)
    central = np.argsort(np.abs(shift))[: max(len(shift) // 4, 1)]
    mean = latents["reconstruction"].isel(site=np.sort(central)).mean("site").values
    size = np.abs(shift)
    for distance in distances_of_lines(mean.reshape(-1, len(energy))[0]) * np.median(
        np.diff(energy)
    ):
        there = int(np.sum(np.abs(size - distance) < 0.25 * distance))
        between = int(np.sum(np.abs(size - 0.5 * distance) < 0.15 * distance))
        enough = there >= max(_SHARE * len(shift), _FEWEST)
        # The first range is 1.7 times as wide as the second.
        if enough and there > 1.7 * _EMPTIER * between:
            return float(distance)
    return None


def distances_of_lines(spectrum: np.ndarray) -> np.ndarray:
    """Distances (pair,) in channels between the lines of a spectrum (channel,)."""
    from scipy.signal import find_peaks

    height = float(np.ptp(spectrum))
    if height <= 0:
        return np.zeros(0)
    place = find_peaks(spectrum, prominence=_PEAK * height)[0]
    apart = np.abs(place[:, None] - place[None])
    return np.unique(apart[apart > 2]).astype(float)
