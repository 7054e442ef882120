"""Part a simulated Dataset into what an image store holds and what a store of spectra holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

OWN_AXES = {"spectrum_y": "y", "spectrum_x": "x"}
"""Axes of simulated spectra, whose grid need not be that of the image; in a store, y and x."""
_ON_THE_IMAGE = {"pitch_y": 1.0, "pitch_x": 1.0, "start_y": 0.0, "start_x": 0.0}
"""A spectrum for every pixel of the image, where a system says nothing else."""


def _spectral(dataset: xr.Dataset) -> list[str]:
    own = {*OWN_AXES, "energy"}
    return [str(name) for name, array in dataset.variables.items() if own & set(array.dims)]


def image_of(dataset: xr.Dataset) -> xr.Dataset:
    """The simulated image (time, channel, y, x) with its truth, without its spectra."""
    return dataset.drop_vars(_spectral(dataset))


def spectra_of(dataset: xr.Dataset) -> xr.Dataset:
    """The simulated spectra (time, y, x, energy) with the truth of each.

    Raises
    ------
    UserError : the simulated system has no spectra.
    """
    if "spectra" not in dataset:
        raise UserError(
            "this simulation is an image without spectra",
            expected="`simulate:plasmons` or another with spectra",
            remedy="Choose another source, or a recipe without `spectra: read: true`",
        )
    attrs = {**_ON_THE_IMAGE, "image_from": "", "counts": 0, **dataset.attrs}
    kept = dataset[[name for name in _spectral(dataset) if name != "energy"]].drop_attrs()
    names = {axis: own for axis, own in OWN_AXES.items() if axis in kept.dims}
    for name in list(kept.variables):
        kept[name].attrs = dict(dataset[name].attrs)
    return kept.drop_vars(["y", "x"], errors="ignore").rename(names).assign_attrs(attrs)
