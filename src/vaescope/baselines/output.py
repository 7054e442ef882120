"""The Dataset of ``baselines.zarr``: results of all methods, padded to the largest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns
from vaescope.baselines.methods import METHODS, TRAITS
from vaescope.baselines.outcome import NOISE, MethodResult
from vaescope.baselines.pixels import mask
from vaescope.baselines.seen import energies
from vaescope.columns import carried
from vaescope.quantities import CLASSES, OTHER, attributes

if TYPE_CHECKING:
    import xarray as xr


def dataset_of(
    patches: xr.Dataset,
    names: list[str],
    found: dict[str, MethodResult],
    stability: dict[str, float],
    *,
    disc: bool,
    spectra: bool,
) -> xr.Dataset:
    """Put all results into one Dataset, padded to the largest."""
    import xarray as xr

    label = np.full((len(names), patches.sizes["site"]), NOISE, np.int32)
    explained = np.full(len(names), np.nan)
    for row, name in enumerate(names):
        if name in found:
            label[row] = found[name].label
            if found[name].explained is not None:
                explained[row] = found[name].explained
    steady = [stability.get(name, np.nan) for name in names]
    place = _padded(patches, names, {name: one.embedding for name, one in found.items()})
    pictures = {name: one.pictures for name, one in found.items() if one.pictures is not None}
    drawn = (
        _spectra(patches, names, pictures) if spectra else _pictures(patches, names, pictures, disc)
    )
    dataset = xr.Dataset(
        {
            "label": (("baseline", "site"), label, _of_label(int(label.max(initial=0)))),
            "embedding": (("baseline", "site", "component"), place, _PLACE),
            **drawn,
            "explained": ("baseline", explained, attributes("share of the variance", "1")),
            "stability": (
                "baseline",
                np.array(steady, float),
                attributes("adjusted Rand index of fits to half of the sites", "1"),
            ),
        },
        coords={
            "baseline": names,
            **{
                trait: ("baseline", np.array([getattr(METHODS[name], trait) for name in names]))
                for trait in TRAITS
            },
            "component": np.arange(1, place.shape[2] + 1),
            "site": patches["site"].values,
        },
    )
    if spectra:
        dataset = dataset.assign(_of_spectra(patches, names, found))
    of_sites = columns.without_truth(patches).items()
    dataset = dataset.assign_coords({name: one for name, one in of_sites if name not in dataset})
    dataset.attrs = carried(patches.attrs)
    return dataset


def _padded(
    patches: xr.Dataset, names: list[str], values: Mapping[str, np.ndarray | None]
) -> np.ndarray:
    """(baseline, site, component) float32, NaN where there is none."""
    wide = max([0, *(one.shape[1] for one in values.values() if one is not None)])
    place = np.full((len(names), patches.sizes["site"], wide), np.nan, np.float32)
    for row, name in enumerate(names):
        one = values.get(name)
        if one is not None:
            place[row, :, : one.shape[1]] = one
    return place


def _pictures(
    patches: xr.Dataset, names: list[str], pictures: Mapping[str, np.ndarray], disc: bool
) -> dict[str, xr.DataArray]:
    """``pictures`` (baseline, picture, channel, py, px)."""
    import xarray as xr

    channels, height, width = (patches.sizes[axis] for axis in ("channel", "py", "px"))
    inside = mask(height, width, disc)
    deep = max([0, *map(len, pictures.values())])
    picture = np.full((len(names), deep, channels, height, width), np.nan, np.float32)
    for row, name in enumerate(names):
        if name in pictures:
            shown = pictures[name].reshape(len(pictures[name]), channels, -1)
            picture[row, : len(shown)][:, :, inside] = shown
    axes = {axis: patches[axis].values for axis in ("channel", "py", "px")}
    return {
        "pictures": xr.DataArray(
            picture,
            dims=("baseline", "picture", "channel", "py", "px"),
            coords={"picture": np.arange(deep), **axes},
            attrs=attributes("component, centre, unit or end member, normalised signal", "1"),
        )
    }


def _spectra(
    patches: xr.Dataset, names: list[str], pictures: Mapping[str, np.ndarray]
) -> dict[str, xr.DataArray]:
    """``spectra`` (baseline, picture, energy), NaN in channels that were not measured."""
    import xarray as xr

    kept = energies(patches)
    deep = max([0, *map(len, pictures.values())])
    spectra = np.full((len(names), deep, len(kept)), np.nan, np.float32)
    for row, name in enumerate(names):
        if name in pictures:
            spectra[row, : len(pictures[name])][:, kept] = pictures[name]
    axis = {"energy": patches["energy"].variable} if "energy" in patches.coords else {}
    unit = "1"
    if "spectrum_scale" in patches:
        unit = str(patches["spectrum_scale"].attrs.get("units", "1"))
    return {
        "spectra": xr.DataArray(
            spectra,
            dims=("baseline", "picture", "energy"),
            coords={"picture": np.arange(deep), **axis},
            attrs=attributes("component, centre, unit or end member", unit),
        )
    }


def _of_spectra(
    patches: xr.Dataset, names: list[str], found: Mapping[str, MethodResult]
) -> dict[str, Any]:
    """``embedding_error`` and ``residual`` of the methods that have them."""
    left = np.full((len(names), patches.sizes["site"]), np.nan, np.float32)
    for row, name in enumerate(names):
        residual = found[name].residual if name in found else None
        if residual is not None:
            left[row] = residual
    wide = max([0, *(f.embedding.shape[1] for f in found.values() if f.embedding is not None)])
    error = np.full((len(names), patches.sizes["site"], wide), np.nan, np.float32)
    for row, name in enumerate(names):
        errors = found[name].errors if name in found else None
        if errors is not None:
            error[row, :, : errors.shape[1]] = errors
    words = "residual, root mean square, in units of the noise"
    return {
        "embedding_error": (
            ("baseline", "site", "component"),
            error,
            attributes("posterior standard deviation of a share", "1", group=OTHER),
        ),
        "residual": (("baseline", "site"), left, attributes(words, "1", group=OTHER)),
    }


_PLACE = attributes("place in the embedding", "1", "diverging", group=OTHER)


def _of_label(most: int) -> dict[str, Any]:
    """Attributes of labels from 0 to ``most``; ``NOISE`` is none of them."""
    clusters = [f"cluster {k}" for k in range(most + 1)]
    return attributes("cluster", "1", "categorical", meanings=clusters, group=CLASSES)
