"""Findings about spectra predicted from an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaescope.results.facts import Finding

if TYPE_CHECKING:
    import xarray as xr

_WORSE = 1.02  # times the error of the better baseline
_USELESS = 0.95  # of the error of the mean spectrum
_PLACES = 6  # on which bands rest at least
_BAND = (0.55, 0.85)  # share of the measured values in the band of 68 %


def of_prediction(model: str, latents: xr.Dataset, samples: xr.Dataset) -> list[Finding]:
    """Say what is to be doubted in the spectra that a model predicts; nothing where it predicts
    none.

    latents, samples : the Datasets of ``latents.zarr`` and ``samples.zarr``.
    """
    known = latents.attrs
    if "prediction_relative_error" not in known:
        return []
    said: list[Finding] = []
    if made := str(samples.attrs.get("spectra_image_from") or ""):
        said.append(
            Finding(
                "image is part of the spectra",
                "care",
                model,
                f"The image is made of the spectra themselves ({made}).",
                "Part of what is predicted is given away by the image: the error is smaller than"
                " it would be from an image recorded apart.",
                "Give an image that was recorded beside the spectra, if there is one.",
            )
        )
    if known.get("prediction_flatters"):
        said.append(
            Finding(
                "held out at random",
                "care",
                model,
                "The sites held out lie among those of the training, whose windows overlap theirs,"
                " or it is not known where they lie.",
                "Errors are smaller than they would be in a place that no training has seen.",
                "Set `prediction: held_out: blocks` in the recipe, where sites lie in one image.",
            )
        )
    error = float(known["prediction_relative_error"])
    if error > _USELESS:
        said.append(
            Finding(
                "not predictable",
                "serious",
                model,
                f"In places that no training has seen, predicted spectra are off by {error:.2f}"
                " times the mean square error of the mean spectrum.",
                "The image does not tell the spectrum there: read the maps of predicted spectra as"
                " the mean, and nothing more.",
                "Measure spectra in more places, or of more objects; an image with another signal"
                " may tell more.",
            )
        )
    baselines = {
        "nearest neighbours": known.get("prediction_relative_error_neighbours"),
        "ridge regression": known.get("prediction_relative_error_ridge"),
    }
    better = {name: float(e) for name, e in baselines.items() if e and error > _WORSE * float(e)}
    if better and error <= _USELESS:
        name = min(better, key=lambda key: better[key])
        said.append(
            Finding(
                "a baseline predicts better",
                "note",
                model,
                f"{name.capitalize()} predict{'s' if 'ridge' in name else ''} the held-out spectra"
                f" better ({better[name]:.2f}) than the blend ({error:.2f}).",
                "The weights of the blend come from blocks of the training, which differ from what"
                " was held out.",
                "Nothing, if the difference is small; more objects would settle it.",
            )
        )
    places = int(known.get("prediction_band_places", _PLACES))
    if known.get("prediction_held_out") == "blocks" and places < _PLACES:
        said.append(
            Finding(
                "bands rest on few places",
                "note",
                model,
                f"The bands are calibrated on {places} places of the training, each as wide as a"
                " window.",
                "How much errors differ from place to place is hardly known from so few: the bands"
                " hold for objects like those of the training.",
                "Measure spectra in a larger image, or of more objects.",
            )
        )
    inside = float(known.get("prediction_coverage_68", 0.68))
    if not _BAND[0] <= inside <= _BAND[1]:
        wide = inside > _BAND[1]
        said.append(
            Finding(
                "bands too wide" if wide else "bands too narrow",
                "note" if wide else "care",
                model,
                f"The 68 % bands hold {100 * inside:.0f} % of the spectra measured at the sites"
                " held out.",
                "What was held out is easier than the blocks on which bands were calibrated."
                if wide
                else "What was held out differs more from the training than its blocks differ from"
                " each other.",
                "Read the bands as too wide there."
                if wide
                else "Measure spectra of more objects; until then take the 95 % band.",
            )
        )
    return said
