"""The samples of one dataset behind those that its group was trained on.

What the members of an ensemble agree on, the axes of the latent space, the zero of the angles, the
classes and the modes follow from the samples of the group alone (``frame``), so that they are the
same for every dataset that is mapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.cohort.pool import IMAGES, concatenated, of_image, shares
from vaescope.columns import IMAGE

if TYPE_CHECKING:
    import xarray as xr

MOST = 4096  # sites of the group that settle its frame


def behind(frame: xr.Dataset, own: xr.Dataset) -> tuple[xr.Dataset, np.ndarray]:
    """The samples that settle the frame of a group, and behind them those of one dataset.

    Returns
    -------
    Samples with all columns of ``own``, and which of them (site,) bool settle the frame.
    """
    frames = int(frame["frame"].values.max(initial=-1)) + 1
    mine = of_image(own, len(np.atleast_1d(frame.attrs[IMAGES])), frames)
    whole = concatenated([_with_columns(frame, mine), mine])
    whole.attrs = dict(own.attrs)
    settles = np.arange(whole.sizes["site"]) < frame.sizes["site"]
    return whole, settles


def only(latents: xr.Dataset, own: xr.Dataset) -> xr.Dataset:
    """What was found of the samples of one dataset, of what ``behind`` gives."""
    found = latents.isel(site=slice(latents.sizes["site"] - own.sizes["site"], None))
    found = found.drop_vars(IMAGE, errors="ignore")
    found["frame"] = own["frame"]
    if "class_count" in found:
        count = np.bincount(found["consensus_class"].values, minlength=found.sizes["class"])
        found["class_count"] = (("class",), count, found["class_count"].attrs)
    return found


def settling(pool: xr.Dataset) -> xr.Dataset:
    """The samples of a group that settle its frame: at most ``MOST``, evenly over the images and
    spread over each."""
    image = pool[IMAGE].values
    numbers, sizes = np.unique(image, return_counts=True)
    rows = [
        np.flatnonzero(image == number)[np.linspace(0, size - 1, count).round().astype(int)]
        for number, size, count in zip(numbers, sizes, shares(sizes.tolist(), MOST), strict=True)
        if count
    ]
    return pool.isel(site=np.concatenate(rows))


def _with_columns(frame: xr.Dataset, own: xr.Dataset) -> xr.Dataset:
    """The samples of the group with columns for all that only a dataset of it has, not known."""
    missing: dict[str, Any] = {}
    for name, column in own.data_vars.items():
        if name not in frame and column.dims == ("site",):
            kind = column.dtype
            empty = np.nan if kind.kind == "f" else np.zeros((), kind)
            missing[str(name)] = ("site", np.full(frame.sizes["site"], empty, kind))
    return frame.assign(missing)
