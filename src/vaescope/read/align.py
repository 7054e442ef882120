"""Drift alignment of the frames of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read.raw import in_chunks

if TYPE_CHECKING:
    import xarray as xr

UPSAMPLING = 20  # shifts to a twentieth of a pixel; finer is below the noise of real frames


def apply(dataset: xr.Dataset) -> tuple[xr.Dataset, dict[str, Any]]:
    """Register every frame to the first, and add the shifts to the dataset.

    Shifts from frame to frame are found by cross-correlation of the first channel and summed up.
    On a perfect lattice a drift of more than half a lattice vector between two frames cannot be
    told from a smaller one. What comes in from outside the frame repeats its edge and counts as
    not measured.

    Returns
    -------
    The dataset with ``frame_shift`` (time, axis) in pixels, what was added to the position of each
    frame, with ``measured`` moved along, and the facts to be recorded.
    """
    import xarray as xr

    frames = in_chunks(dataset["image"].data)
    shifts = drift(frames[:, 0])
    if len(shifts) == 1:
        return dataset, {"frames": 1, "note": "a single frame has nothing to be aligned with"}
    whole = frames.rechunk((1, 1, -1, -1))
    moved = da.map_blocks(_moved, whole, shifts=shifts, dtype=np.float32, meta=frames._meta)
    dataset = dataset.copy()
    dataset["image"] = dataset["image"].copy(data=in_chunks(moved))
    if abs(shifts).max() >= 0.5 or "measured" in dataset:
        about = {"long_name": "measured", "units": "1"}
        dataset["measured"] = (("time", "y", "x"), _measured(dataset, shifts), about)
    dataset["frame_shift"] = xr.DataArray(
        shifts,
        dims=("time", "axis"),
        coords={"axis": np.array(["y", "x"])},
        attrs={"long_name": "shift applied to the frame", "units": "px"},
    )
    return dataset, {"frames": len(shifts), "largest_shift": float(abs(shifts).max())}


def drift(frames: da.Array) -> np.ndarray:
    """Estimate the drift of (frame, y, x): (frame, 2) shifts in px (y, x) onto the first frame."""
    shifts = np.cumsum(np.concatenate([np.zeros((1, 2)), steps(frames)]), axis=0)
    if not np.isfinite(shifts).all():
        raise UserError(
            "the drift between frames cannot be found; a frame may be constant",
            remedy="Set `align_frames: false` in the recipe, or leave the blank frames out",
        )
    return shifts


def steps(frames: da.Array) -> np.ndarray:
    """(frame - 1, 2) shifts in pixels (y, x) that bring each frame of (frame, y, x) but the first
    onto the one before it; beside a constant frame they may be anything, or NaN."""
    pairs = [_step(frames[k - 1], frames[k]) for k in range(1, frames.shape[0])]
    return np.reshape(np.array(dask.compute(*pairs), float), (-1, 2))


def _step(before: da.Array, after: da.Array) -> Any:
    whole = [frame.rechunk(frame.shape).to_delayed().item() for frame in (before, after)]
    return dask.delayed(_shift)(*whole)


def _shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    from scipy.signal.windows import tukey
    from skimage.registration import phase_cross_correlation

    # A frame is no periodic pattern: its edges are faded out, else they pin the shift at nought.
    window = np.multiply.outer(*(tukey(n, 0.25) for n in before.shape))
    pair = [(frame - frame.mean()) * window for frame in (before, after)]
    # Not whitened: in blurred and noisy frames most frequencies hold nothing but noise.
    return phase_cross_correlation(*pair, upsample_factor=UPSAMPLING, normalization=None)[0]


def _measured(dataset: xr.Dataset, shifts: np.ndarray) -> da.Array:
    """What was measured of frames that were moved, (time, y, x)."""
    shape = tuple(dataset.sizes[dim] for dim in ("time", "y", "x"))
    if "measured" in dataset:
        before = da.asarray(dataset["measured"].data)
    else:
        before = da.ones(shape, dtype=bool, chunks=(1, -1, -1))
    whole = before.rechunk((1, -1, -1))
    return da.map_blocks(_moved_mask, whole, shifts=shifts, dtype=bool, meta=before._meta)


def _moved_mask(block: np.ndarray, shifts: np.ndarray, block_info: Any = None) -> np.ndarray:
    from scipy.ndimage import shift

    first = block_info[0]["array-location"][0][0] if block_info else 0
    moved = [
        shift(frame.astype(np.float32), shifts[first + k], order=1, cval=0)
        for k, frame in enumerate(block)
    ]
    return np.reshape(moved, block.shape) > 1 - 1e-3


def _moved(block: np.ndarray, shifts: np.ndarray, block_info: Any = None) -> np.ndarray:
    from scipy.ndimage import shift

    first = block_info[0]["array-location"][0][0] if block_info else 0
    moved = [
        shift(channel, shifts[first + k], order=3, mode="nearest")
        for k, frame in enumerate(block)
        for channel in frame
    ]
    return np.reshape(moved, block.shape).astype(np.float32)
