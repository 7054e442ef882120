"""The samples of several images together: what the models of a group are trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vaescope.columns import IMAGE
from vaescope.errors import UserError
from vaescope.quantities.cf_attributes import attributes
from vaescope.samples import gaps
from vaescope.samples.held_out import HELD_OUT

if TYPE_CHECKING:
    import xarray as xr

_BLOCK = 4096  # sites of a chunk
IMAGES = "images"
"""Attribute with the names of these images."""


def pooled(samples: Mapping[str, xr.Dataset], most: int, seed: int) -> xr.Dataset:
    """Draw sites evenly over images.

    Parameters
    ----------
    samples : the Datasets of ``samples.zarr`` by the names of their images.
    most : sites in all; an image with fewer than its share gives all it has, and the others more.
    seed : of the choice.

    Returns
    -------
    A Dataset as of ``samples.zarr`` of complete patches only, with a column ``image`` (site,) and
    the names of the images as its attribute ``images``. Frames are numbered on from image to image.

    Raises
    ------
    UserError : the patches of two images have different channels.
    """

    rows = {name: _usable(own) for name, own in samples.items()}
    counts = shares([len(own) for own in rows.values()], most)
    random = np.random.default_rng(seed)
    parts, frames = [], 0
    for number, (name, count) in enumerate(zip(samples, counts, strict=True)):
        own = samples[name]
        _refuse_other_channels(own, name, next(iter(samples.values())), next(iter(samples)))
        chosen = np.sort(random.choice(rows[name], count, replace=False))
        part = own.isel(site=chosen)
        parts.append(of_image(part, number, frames))
        if len(chosen):
            frames = int(parts[-1]["frame"].values.max()) + 1
    whole = concatenated(parts).chunk({"site": _BLOCK})
    whole = whole.assign_coords(site=np.arange(whole.sizes["site"]))
    whole.attrs = {**next(iter(samples.values())).attrs, IMAGES: list(samples)}
    return whole


def shares(available: list[int], most: int) -> list[int]:
    """How many sites each image gives, of so many that it has, so that all give alike as far as
    they can."""
    given = [0] * len(available)
    left = most
    for place, number in enumerate(sorted(range(len(available)), key=lambda k: available[k])):
        given[number] = min(available[number], left // (len(available) - place))
        left -= given[number]
    return given


def of_image(samples: xr.Dataset, number: int, frames: int) -> xr.Dataset:
    """Samples of one image among those of several: the number of the image, and its frames numbered
    from ``frames`` on."""
    about = attributes("image of the group", "1", "categorical")
    own = np.full(samples.sizes["site"], number)
    return samples.assign({IMAGE: ("site", own, about), "frame": samples["frame"] + frames})


def concatenated(parts: list[xr.Dataset]) -> xr.Dataset:
    """Samples one after the other; of the columns, those that all have. Where only some say which
    samples were measured, those of the others were."""
    import xarray as xr

    if any(gaps.MEASURED in part for part in parts):
        parts = [_with_measured(part) for part in parts]
    if any(gaps.PARTIAL in part for part in parts):
        parts = [_with_partial(part) for part in parts]
    common = set.intersection(*(set(map(str, part.data_vars)) for part in parts))
    kept = [name for name in parts[0].data_vars if name in common]
    return xr.concat(
        [part[kept] for part in parts],
        dim="site",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )


def _with_measured(part: xr.Dataset) -> xr.Dataset:
    if gaps.MEASURED in part:
        return part
    shape = [part.sizes[dim] for dim in ("site", "py", "px")]
    return part.assign({gaps.MEASURED: (("site", "py", "px"), np.ones(shape, bool))})


def _with_partial(part: xr.Dataset) -> xr.Dataset:
    if gaps.PARTIAL in part:
        return part
    return part.assign({gaps.PARTIAL: ("site", np.zeros(part.sizes["site"], bool))})


def _usable(samples: xr.Dataset) -> np.ndarray:
    """Rows of the samples that a model may be trained on."""
    usable = gaps.whole(samples)
    if HELD_OUT in samples:
        usable &= samples[HELD_OUT].values == 0
    return np.flatnonzero(usable)


def _refuse_other_channels(own: xr.Dataset, name: str, first: xr.Dataset, of_first: str) -> None:
    channels = [[str(one) for one in each["channel"].values] for each in (own, first)]
    if len(channels[0]) != len(channels[1]):
        raise UserError(
            "the images of a group have different channels",
            found=f"`{name}` has {', '.join(channels[0])}; `{of_first}` has"
            f" {', '.join(channels[1])}",
            expected="patches of the same channels",
            remedy="Name the channels to be used in the recipe (`patches: channels`)",
        )
