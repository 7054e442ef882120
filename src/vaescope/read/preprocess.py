"""Optional corrections of an image before anything is looked for in it; all off by default.

Every step is a function of one chunk with as much of its surroundings as it needs, so that the
result does not depend on where the seams lie (hot pixels: but for the estimate of the noise).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import lazy
from vaescope.read.raw import in_chunks, show
from vaescope.read.settings import PreprocessSettings

if TYPE_CHECKING:
    import xarray as xr


def apply(
    dataset: xr.Dataset,
    settings: Mapping[str, Any] | PreprocessSettings | None,
    *,
    folder: Path | None = None,
) -> xr.Dataset:
    """Correct an image as the recipe's ``ingest: preprocess`` says, lazily.

    The order is the one in which a microscopist would do it: detector, scan, specimen, drift.

    Parameters
    ----------
    dataset : image contract.
    settings : the part `preprocess`; null or false switches a step off.
    folder : where a relative path of the flat field counts from, if it is not found as it stands.

    Returns
    -------
    The dataset with the image corrected and the attribute ``preprocess``, JSON of what was done;
    with ``frame_shift`` (time, axis) in pixels if frames were aligned.

    Raises
    ------
    UserError : an unknown step, a setting out of range, or a flat field that does not fit.
    """
    chosen = PreprocessSettings.of(settings)
    dataset = dataset.copy()
    done: list[dict[str, Any]] = []

    def correct(step: str, correction: Callable[..., Any], *options: Any) -> None:
        data, facts = correction(dataset["image"].data, *options)
        dataset["image"] = dataset["image"].copy(data=in_chunks(data.astype(np.float32)))
        done.append({"step": step, **facts})

    if chosen.flat_field is not None:
        correct("flat_field", flat_field, chosen.flat_field, folder)
    if chosen.hot_pixels is not None:
        correct("hot_pixels", hot_pixels, float(chosen.hot_pixels))
    if chosen.detrend_lines:
        kind = "linear" if chosen.detrend_lines == "linear" else "median"
        correct("detrend_lines", detrend_lines, kind)
    if chosen.background is not None:
        correct("background", background, float(chosen.background))
    if chosen.align_frames:
        from vaescope.read import align

        dataset, facts = align.apply(dataset)
        done.append({"step": "align_frames", **facts})
    if chosen.turn_frames is not None:
        dataset, facts = turn_frames(dataset, float(chosen.turn_frames))
        done.append({"step": "turn_frames", **facts})
    dataset.attrs["preprocess"] = json.dumps(done)
    return dataset


def flat_field(
    data: da.Array, file: str, folder: Path | None = None
) -> tuple[da.Array, dict[str, Any]]:
    """Divide every frame by an image of even illumination, scaled to the mean 1.

    Raises
    ------
    UserError : the file cannot be read, has another shape, or is not above zero everywhere.
    """
    from vaescope.read import fingerprint, load

    path = Path(file).expanduser()
    if not path.is_absolute() and not path.exists() and folder is not None:
        path = folder / path
    flat = load([path], {"unmeasured": "nan"})["image"].data
    if flat.shape[2:] != data.shape[2:] or flat.shape[1] not in (1, data.shape[1]):
        raise UserError(
            "the flat field does not have the shape of the image",
            file=path,
            found=show(flat.shape[2:]),
            expected=show(data.shape[2:]),
            remedy="Record it with the same scan, or set `flat_field: null`",
        )
    flat = flat.mean(axis=0, keepdims=True)
    mean, low = da.compute(flat.mean(axis=(0, 2, 3), keepdims=True), flat.min())
    if low <= 0:
        raise UserError(
            "the flat field must be above zero everywhere",
            file=path,
            found=f"a lowest value of {low:g}",
            remedy="Subtract less dark current from it, or set `flat_field: null`",
        )
    return data / (flat / mean), {"file": path.name, "sha256": fingerprint(path)}


def hot_pixels(data: da.Array, threshold: float) -> tuple[da.Array, dict[str, Any]]:
    """Set pixels to the median of their 3 × 3 surroundings where they stand out from it.

    ``threshold`` counts robust standard deviations (1.4826 times the median absolute deviation)
    of the differences between pixels and that median, in each chunk.
    """
    data = _overlapped(data, _without_hot, 1, threshold=threshold)
    return data, {"threshold": threshold}


def _without_hot(block: np.ndarray, threshold: float) -> np.ndarray:
    from scipy.ndimage import median_filter

    middle = median_filter(block, size=(1, 1, 3, 3), mode="nearest")
    apart = block - middle
    spread = 1.4826 * float(np.median(abs(apart - np.median(apart))))
    # More than half of the differences are nought where an image is smooth or coarsely digitised.
    spread = spread or float(apart.std())
    return np.where(abs(apart) > threshold * spread, middle, block) if spread else block


def detrend_lines(
    data: da.Array, kind: Literal["median", "linear"] = "median"
) -> tuple[da.Array, dict[str, Any]]:
    """Subtract from each scan line its median, or the straight line fitted to it."""
    width = data.shape[3]
    rows = max(1, min(data.shape[2], lazy.SIDE**2 // width))
    lines = data.rechunk((1, 1, rows, width))
    function = _less_median if kind == "median" else _less_line
    return lines.map_blocks(function, dtype=data.dtype, meta=data._meta), {"kind": kind}


def _less_median(block: np.ndarray) -> np.ndarray:
    return block - np.median(block, axis=-1, keepdims=True)


def _less_line(block: np.ndarray) -> np.ndarray:
    along = np.linspace(-1, 1, block.shape[-1])
    slope = (block @ along / (along @ along))[..., None]
    return (block - block.mean(axis=-1, keepdims=True) - slope * along).astype(block.dtype)


def background(data: da.Array, sigma: float) -> tuple[da.Array, dict[str, Any]]:
    """Subtract the image blurred by a Gaussian of standard deviation ``sigma`` in pixels."""
    depth = int(np.ceil(4 * sigma)) + 1  # scipy cuts the Gaussian at four standard deviations
    return _overlapped(data, _less_blur, depth, sigma=sigma), {"sigma": sigma}


def _less_blur(block: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return block - gaussian_filter(block, (0, 0, sigma, sigma), mode="reflect", truncate=4)


def turn_frames(dataset: xr.Dataset, degrees: float) -> tuple[xr.Dataset, dict[str, Any]]:
    """Turn every frame about its middle by a random angle within ± ``degrees``, for studies of how
    well a model finds it again; what a frame shows outside is its lowest value.

    The angle, counter-clockwise as seen, becomes ``truth_angle`` (time) in rad.
    """
    from scipy.ndimage import rotate

    frames = dataset.sizes["time"]
    angle = np.random.default_rng(0).uniform(-degrees, degrees, frames)
    data = dataset["image"].data.rechunk({2: -1, 3: -1})

    def turned(block: np.ndarray, place: np.ndarray) -> np.ndarray:
        out = np.empty_like(block)
        for k, one in enumerate(place.ravel()):
            for c, plane in enumerate(block[k]):
                low = float(plane.min())
                out[k, c] = rotate(plane, one, reshape=False, order=1, cval=low, axes=(1, 0))
        return out

    places = da.from_array(angle[:, None, None, None], chunks=(data.chunks[0], 1, 1, 1))
    moved = da.map_blocks(turned, data, places, dtype=data.dtype, meta=data._meta)
    dataset["image"] = dataset["image"].copy(data=in_chunks(moved))
    about = {"long_name": "angle", "units": "rad"}
    dataset["truth_angle"] = ("time", np.radians(angle), about)
    return dataset, {"degrees": degrees}


def _overlapped(
    data: da.Array, function: Callable[..., np.ndarray], depth: int, **options: Any
) -> da.Array:
    """Map a function over chunks with ``depth`` pixels of their surroundings.

    Where the surroundings reach across the whole image, a frame is taken as a whole.
    """
    if depth >= min(min(sizes) for sizes in data.chunks[2:]):
        whole = data.rechunk((1, 1, -1, -1))
        done = whole.map_blocks(function, dtype=data.dtype, meta=data._meta, **options)
        return done.rechunk(data.chunks)
    return da.map_overlap(
        function,
        data,
        depth=(0, 0, depth, depth),
        boundary="none",
        dtype=data.dtype,
        meta=data._meta,
        **options,
    )
