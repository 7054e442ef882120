"""Predict the spectra of the sites of a dataset, beside what a model predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.predict.prediction import ImagedSpectra, spectra
from vaescope.predict.settings import PredictSettings
from vaescope.samples.held_out import split_of
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr


def from_samples(
    image: xr.Dataset,
    samples: xr.Dataset,
    settings: Mapping[str, Any] | PredictSettings | None = None,
    *,
    model: xr.Dataset | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Predict the spectrum of every sample from what the image shows around it.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    samples : the Dataset of a samples store with both views, and perhaps with ``held_out``.
    settings : the part `prediction` of a recipe.
    model : Dataset of a model's latents with what its members predict, ``predicted_spectrum``; its
        error joins those of the baselines.
    seed : of all random numbers.

    Returns
    -------
    The Dataset that ``predict.spectra`` returns, at the sites of ``samples`` and on their energies.
    ``relative_error_network`` is that of ``model``.

    Raises
    ------
    UserError : as of ``predict.spectra``.
    """
    wanted = PredictSettings.of(settings)
    if wanted.window is None and "size" in samples.attrs:
        wanted = replace(wanted, window=float(samples.attrs["size"]))
    placed = traits_of(samples.attrs).placed
    pitch = [float(samples.attrs.get(f"spectra_pitch_{axis}", 1.0)) for axis in ("y", "x")]
    around = {
        "images": np.asarray(image["image"].values, float),
        "frame": samples["frame"].values.astype(int)
        if "frame" in samples
        else np.zeros(samples.sizes["site"], int),
        "y": samples["y"].values,
        "x": samples["x"].values,
        "pitch": max(float(np.sqrt(pitch[0] * pitch[1])), 1.0),
    }
    pairs = ImagedSpectra(
        np.asarray(samples["spectrum"].values, float),
        **(around if placed else {"patches": np.asarray(samples["patch"].values, float)}),
        counts=bool(samples.attrs.get("spectra_counts", False)),
        split=split_of(samples),
    )
    found = spectra(pairs, wanted, seed=seed)
    found = found.assign_coords(site=samples["site"].values, energy=samples["energy"].variable)
    about = samples["spectrum"].attrs
    for name in found.data_vars:
        if "energy" in found[name].dims or "error" in str(name):
            found[name].attrs["units"] = str(about.get("units", "1"))
    found["held_out"].attrs["how"] = str(found.attrs["held_out"])
    if model is not None and "predicted_spectrum" in model:
        found.attrs["relative_error_network"] = _relative_error(
            model["predicted_spectrum"].values, pairs.spectra, found
        )
    return found


def beside(
    latents: xr.Dataset,
    image: xr.Dataset,
    samples: xr.Dataset,
    settings: Mapping[str, Any] | PredictSettings | None = None,
    *,
    seed: int = 0,
) -> xr.Dataset:
    """Lay the predicted spectra of a dataset beside the latents of its model, in the place of those
    that the model alone predicts; parameters and errors as of ``from_samples``.

    Attributes of the prediction are called ``prediction_NAME``.
    """
    found = from_samples(image, samples, settings, model=latents, seed=seed)
    replaced = [name for name in (*found.data_vars, *found.coords) if name in latents.variables]
    replaced = [name for name in replaced if name not in ("site", "energy")]
    kept = latents.drop_vars(replaced)
    attrs = {f"prediction_{name}": value for name, value in found.attrs.items()}
    words = {"error": "prediction_error", "baseline_error": "baseline_prediction_error"}
    return kept.assign(found.rename(words).variables).assign_attrs(attrs)


def _relative_error(predicted: np.ndarray, measured: np.ndarray, found: xr.Dataset) -> float:
    """Mean square error at test sites over that of the mean spectrum."""
    test = found["held_out"].values == 1
    missed = float(np.nanmean((predicted[test] - measured[test]) ** 2))
    of_mean = float(
        np.nanmean(np.square(found["baseline_error"].sel(baseline="mean").values[test]))
    )
    return missed / of_mean if of_mean else float("nan")
