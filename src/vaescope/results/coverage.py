"""What of an image was measured: its share, where the rest lies, and the image with NaN there.

``image.zarr`` holds plausible values everywhere, for filters; readers that show or hand on the
image take it from here, so that nothing that was filled in passes for data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

NAN, CONSTANT, LINES = "unmeasured_nan", "unmeasured_constant", "unmeasured_lines"
"""Attributes of an image: shares of its pixels that the file has as NaN, as lines or areas of one
value, and on bad scan lines."""
_FRAMES = 64  # frames whose rows are looked at
_SMALL = 1e-4  # of the image: no share below it is put into words


def with_gaps(image: xr.Dataset) -> xr.DataArray:
    """Give the image (time, channel, y, x), lazily, with NaN where nothing was measured.

    image : Dataset of ``image.zarr``.
    """
    pixels = image["image"]
    if "measured" not in image:
        return pixels
    return pixels.where(image["measured"]).transpose(*pixels.dims).assign_attrs(pixels.attrs)


def coarse(plane: np.ndarray, step: int) -> np.ndarray:
    """Average ``step`` × ``step`` pixels of (height, width) into one, leaving out NaN; NaN where
    there is nothing else."""
    high, wide = (max(side // step, 1) for side in plane.shape)
    cut = plane[: high * step, : wide * step].astype(np.float32)
    tall, broad = (min(step, side) for side in cut.shape)
    blocks = cut.reshape(high, tall, wide, broad)
    known = np.isfinite(blocks)
    if known.all():
        return blocks.mean(axis=(1, 3))
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.where(count, total / np.maximum(count, 1), np.nan).astype(np.float32)


@dataclass(frozen=True)
class Coverage:
    """What of an image was measured.

    ``measured`` : share of all pixels; ``causes`` : in words, what marks the rest in the file;
    ``place`` : in words, where whole rows of pixels are missing, empty where none are; ``moved`` :
    share of the pixels that came in beside frames when they were aligned; ``areas`` : whether areas
    or lines of one value count as missing.
    """

    measured: float = 1.0
    causes: tuple[str, ...] = ()
    place: str = ""
    moved: float = 0.0
    areas: bool = False

    @property
    def missing(self) -> float:
        """Share of all pixels that was not measured."""
        return 1.0 - self.measured

    @property
    def words(self) -> str:
        """How and where the rest is missing, in words; may be empty."""
        return "; ".join(part for part in (" and ".join(self.causes), self.place) if part)


def coverage(image: xr.Dataset) -> Coverage:
    """Measure how much of an image was measured (``image.zarr``)."""
    if "measured" not in image:
        return Coverage()
    share = float(image["measured"].mean())
    attrs = image.attrs
    known = {name: float(attrs.get(name, 0.0)) for name in (NAN, CONSTANT, LINES)}
    causes = []
    if known[NAN] > _SMALL:
        causes.append("NaN in the file")
    if known[CONSTANT] > _SMALL:
        causes.append("areas or lines of one value")
    if known[LINES] > _SMALL:
        causes.append("bad scan lines")
    moved = max(1.0 - share - sum(known.values()), 0.0) if "frame_shift" in image else 0.0
    if moved > _SMALL:
        causes.append("what came in beside aligned frames")
    return Coverage(share, tuple(causes), _rows(image["measured"]), moved, known[CONSTANT] > _SMALL)


def _rows(measured: xr.DataArray) -> str:
    """Where whole rows are missing, in words: of one image its rows, of many their number."""
    frames = measured.sizes["time"]
    some = np.unique(np.linspace(0, frames - 1, min(frames, _FRAMES)).round().astype(int))
    empty = ~measured.isel(time=some).any("x").transpose("time", "y").values
    if frames > 1:
        blank = int(empty.all(1).sum())
        return f"{blank} of {len(some)} frames wholly" if blank else ""
    rows = empty[0]
    count = len(rows)
    top, bottom = int(np.argmin(rows)), int(np.argmin(rows[::-1]))
    inner = int(rows[top : count - bottom].sum())
    parts = [
        f"the {side} {_percent(number / count)} of the rows"
        for side, number in (("top", top), ("bottom", bottom))
        if number
    ]
    if inner:
        noun = "row" if inner == 1 else "rows"
        parts.append(f"{inner} {noun} in between" if parts else f"{inner} whole {noun}")
    return ", ".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
