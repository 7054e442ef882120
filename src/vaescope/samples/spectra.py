"""The spectrum of every site: that of its pixel, block of pixels, or frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities.cf_attributes import attributes

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr

_BLOCK_BYTES = 2**25  # of a chunk of samples


def spectrum_view(spectra: xr.Dataset, sites: xr.Dataset) -> xr.Dataset:
    """Take the spectrum of every site that has one, lazily.

    Parameters
    ----------
    spectra : Dataset with `spectra` (time, y, x, energy), as in a spectra store.
    sites : Dataset as `sites.find` gives it. Sites with a `row` and a `column` are pixels, or
        blocks, of the spectra; frames of a stack have a spectrum each; all other sites have the
        spectrum of the pixel in which they lie.

    Returns
    -------
    Dataset over `site`, those with a measured spectrum: ``spectrum`` (site, energy) float32 with
    the coordinate ``energy``, as the spectra store has it; ``spectrum_scale`` (site,) what it was
    divided by there, if it was (``normalised_by``), so that the recorded signal is ``spectrum *
    spectrum_scale``; and ``truth_NAME`` (site, …)
    of what is known of the spectra (time, y, x, …).

    Raises
    ------
    UserError : the spectra have no pixel for any site, or are not one for each frame.
    """
    import xarray as xr

    pixel, block = _pixels_of(spectra, sites)
    rows = np.flatnonzero((pixel >= 0).all(1) & _measured(spectra, pixel, block))
    if not len(rows):
        raise UserError(
            "no site lies on a measured spectrum",
            found=f"{sites.sizes['site']} sites, and spectra of {_grid(spectra)} pixels",
            remedy="Check `spectra: start_y`, `start_x`, `pitch_y` and `pitch_x` in the recipe",
        )
    values = _taken(spectra["spectra"].data, pixel[rows], block)
    made = xr.Dataset(
        {
            "spectrum": (
                ("site", "energy"),
                values.astype(np.float32),
                dict(spectra["spectra"].attrs),
            ),
        },
        coords={"site": sites["site"].values[rows], "energy": spectra["energy"].variable},
        attrs={f"spectra_{key}": spectra.attrs[key] for key in _CARRIED if key in spectra.attrs},
    )
    if "normalised_by" in spectra:
        divisor = _taken(spectra["normalised_by"].data, pixel[rows], block).compute()
        about = attributes("recorded signal per unit of a spectrum", "1")
        made["spectrum_scale"] = ("site", np.asarray(divisor, float), about)
    for label, known in spectra.data_vars.items():
        if str(label).startswith("truth_") and known.dims[:3] == ("time", "y", "x"):
            values = _taken(known.data, pixel[rows], block).compute()
            made[label] = (("site", *known.dims[3:]), values, known.attrs)
    return made


_CARRIED = (
    "image_from",
    "counts",
    "calibrated",
    "pitch_y",
    "pitch_x",
    "start_y",
    "start_x",
    "spiked",
    "source_files",
    "source_sha256",
)
"""Attributes of a spectra store that go with the samples, as ``spectra_NAME``."""


def _grid(spectra: xr.Dataset) -> str:
    return " × ".join(str(spectra.sizes[axis]) for axis in ("time", "y", "x"))


def _pixels_of(spectra: xr.Dataset, sites: xr.Dataset) -> tuple[np.ndarray, int]:
    """First spectrum pixel (site, 3) of each site as time, y, x, -1 where there is none, and the
    side of the block of pixels that is a site."""
    frame = sites["frame"].values.astype(int)
    times, height, width = (spectra.sizes[axis] for axis in ("time", "y", "x"))
    if "row" in sites:
        pixel = np.stack([frame, sites["row"].values, sites["column"].values], axis=1)
        return pixel.astype(int), int(sites.attrs.get("bin", 1))
    if height == width == 1:
        if times <= frame.max():
            raise UserError(
                "there is not one spectrum for each frame",
                found=f"{times} spectra and {frame.max() + 1} frames",
                remedy="Give the spectra and the patches of a source in the same order and number",
            )
        return np.stack([frame, 0 * frame, 0 * frame], axis=1), 1
    place = []
    for axis, count in (("y", height), ("x", width)):
        pitch = float(spectra.attrs.get(f"pitch_{axis}", 1.0))
        start = float(spectra.attrs.get(f"start_{axis}", 0.0))
        nearest = np.rint((sites[axis].values - start) / pitch).astype(int)
        place.append(np.where((nearest >= 0) & (nearest < count), nearest, -1))
    return np.stack([np.where(frame < times, frame, -1), *place], axis=1), 1


def _measured(spectra: xr.Dataset, pixel: np.ndarray, block: int) -> np.ndarray:
    """Whether every spectrum of a site (site,) was measured."""
    if "measured" not in spectra:
        return np.ones(len(pixel), bool)
    mask = np.asarray(spectra["measured"].values, bool)
    found = np.ones(len(pixel), bool)
    for down in range(block):
        for right in range(block):
            found &= mask[pixel[:, 0], pixel[:, 1] + down, pixel[:, 2] + right]
    return found


def _taken(data: da.Array, pixel: np.ndarray, block: int) -> da.Array:
    """Values (site, …) of pixels (site, 3) as time, y, x from data (time, y, x, …); means over
    blocks, which of classes (whole numbers) are the value of their first pixel."""
    import dask.array as da

    data = da.asarray(data)
    times, height, width = data.shape[:3]
    rest = data.shape[3:]
    if block > 1:
        rows, columns = height // block, width // block
        data = data[:, : rows * block, : columns * block]
        if data.dtype.kind == "f":
            data = data.reshape(times, rows, block, columns, block, *rest).mean((2, 4))
        else:
            data = data[:, ::block, ::block]
        height, width = rows, columns
    place = (pixel[:, 0], pixel[:, 1] // block, pixel[:, 2] // block)
    flat = np.ravel_multi_index(place, (times, height, width))
    sites = max(int(_BLOCK_BYTES / (data.dtype.itemsize * max(np.prod(rest), 1))), 1)
    lines = max(sites // width, 1)
    values = data.rechunk((1, lines, width, *rest)).reshape(-1, *rest)
    if not np.array_equal(flat, np.arange(times * height * width)):
        values = values[flat]
    return values.rechunk((sites, *rest))
