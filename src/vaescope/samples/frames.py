"""Use the frames of a stack as patches, with the truth of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns
from vaescope.columns import carried
from vaescope.errors import UserError
from vaescope.samples.gaps import MEASURED
from vaescope.samples.normalise import ROUNDING, of_stack

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.samples.settings import Patches

MOST_PIXELS = 64  # samples per side, unless the recipe says otherwise
_BLOCK = 512  # frames resampled at once


def extract_frames(image: xr.Dataset, sites: xr.Dataset, settings: Patches) -> xr.Dataset:
    """Take every frame as the patch of its site.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x) and perhaps `truth_…` (time, …).
    sites : Dataset of `sites.frames.every_frame`.
    settings : the part `patches` of a recipe.

    Returns
    -------
    Dataset over `site`, in the form of a samples store. Oblong frames are padded to squares by
    their edge. `truth_NAME` (site) are numbers known of each frame; `truth_NAME` (site,
    NAME_channel, NAME_y, NAME_x) pictures, sampled like the patches and on their scale where they
    have the same channels; `truth_NAME` (site, NAME_point) curves.
    """
    import xarray as xr

    side = max(image.sizes["y"], image.sizes["x"])
    pixels = settings.pixels or min(side, MOST_PIXELS)
    pitch = side / pixels
    raw = _sampled(image["image"], pixels)
    kind = settings.normalise
    offset, scale = _normalisation(raw, kind)
    patch = (raw - offset[:, :, None, None]) / scale[:, :, None, None]
    axis = (np.arange(pixels) + 0.5) * pitch - side / 2
    signal = image["image"].attrs.get("units", "1")
    result = xr.Dataset(
        {
            "patch": (
                ("site", "channel", "py", "px"),
                patch.astype(np.float32),
                {"long_name": "normalised signal", "units": "1"},
            ),
            "norm_offset": (
                ("site", "channel"),
                offset,
                {"long_name": "raw signal at which a patch is 0", "units": signal},
            ),
            "norm_scale": (
                ("site", "channel"),
                scale,
                {"long_name": "raw signal per unit of a patch", "units": signal},
            ),
        },
        coords={
            "site": sites["site"].values,
            "channel": [str(name) for name in image["channel"].values],
            "py": ("py", axis, {"long_name": "y from the centre", "units": "px"}),
            "px": ("px", axis, {"long_name": "x from the centre", "units": "px"}),
        },
        attrs={
            **carried(sites.attrs),
            **{name: value for name, value in settings.as_dict().items() if value is not None},
            "pitch": pitch,
            "size": float(side),
            "pixels": pixels,
        },
    )
    if "measured" in image:
        share = _sampled(image["measured"].astype(np.float32).expand_dims("channel", 1), pixels)
        seen = share[:, 0] > 1 - ROUNDING
        result[MEASURED] = (("site", "py", "px"), seen, {"long_name": "measured", "units": "1"})
    result = result.assign(columns.of(sites))
    for name in (str(n) for n in image if str(n).startswith("truth_")):
        known = image[name]
        if known.dims[0] != "time":
            continue
        if known.ndim < 4:
            result[name] = (("site", *known.dims[1:]), known.values, known.attrs)
        else:
            result[name] = (("site", *known.dims[1:]), *_twin(known, pixels, kind, offset, scale))
    return result


def _twin(
    known: xr.DataArray, pixels: int, kind: str, offset: np.ndarray, scale: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Load the target pictures of the frames: on their scale if they have the same channels."""
    raw = _sampled(known, pixels)
    if raw.shape[1] != offset.shape[1] or kind == "patch":
        low, size = (
            of_stack(raw, "image" if kind == "patch" else kind) if kind != "none" else (0, 1)
        )
        return ((raw - low) / size).astype(np.float32), dict(known.attrs)
    scaled = (raw - offset[:, :, None, None]) / scale[:, :, None, None]
    return scaled.astype(np.float32), dict(known.attrs)


def _sampled(stack: xr.DataArray, pixels: int) -> np.ndarray:
    """(frame, channel, pixels, pixels) of a stack (frame, channel, y, x), padded to squares."""
    from skimage.transform import resize

    height, width = stack.shape[2:]
    side = max(height, width)
    margin = [
        (0, 0),
        (0, 0),
        *(((side - n) // 2, side - n - (side - n) // 2) for n in (height, width)),
    ]
    out = np.empty((*stack.shape[:2], pixels, pixels), np.float32)
    for start in range(0, len(out), _BLOCK):
        block = np.asarray(stack[start : start + _BLOCK], np.float32)
        block = np.pad(block, margin, mode="edge")
        if side != pixels:
            shape = (*block.shape[:2], pixels, pixels)
            block = resize(block, shape, order=1, mode="edge", anti_aliasing=side > pixels)
        out[start : start + _BLOCK] = block
    return out


def _normalisation(raw: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale (site, channel)."""
    offset, scale = np.zeros(raw.shape[:2]), np.ones(raw.shape[:2])
    if kind == "patch":
        offset = raw.mean(axis=(2, 3), dtype=np.float64)
        deviation = raw.std(axis=(2, 3), dtype=np.float64)
        scale = np.where(deviation > 1e-6 * np.abs(raw).max(), deviation, 1.0)
    elif kind == "signed":
        raise UserError(
            "frames that are patches have no signed normalisation",
            found="normalise: signed",
            expected="normalise: image, unit, patch or none",
        )
    elif kind != "none":
        for channel in range(raw.shape[1]):
            offset[:, channel], scale[:, channel] = of_stack(raw[:, channel], kind)
    return offset, scale
