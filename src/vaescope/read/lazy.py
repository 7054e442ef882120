"""Arrays that stay on the disk until Dask asks for a piece of them.

Each source holds only the path and what is needed to find the piece again: it opens the file anew
for every piece, so that it can travel to another process and keeps no file open in between.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

WHOLE = 2**21  # values of a chunk of whole spectra
SIDE = 1024  # pixels per side of a chunk: 4 MiB of float32, a few hundred sites


@dataclass(frozen=True)
class OfFile:
    """What lies in a file; its path is absolute, since workers of a Dask scheduler may have been
    started anywhere."""

    path: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", os.path.abspath(self.path))


@dataclass(frozen=True)
class Mapped(OfFile):
    """Uncompressed numbers in a file, from ``offset`` bytes on, read through a memory map."""

    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    order: str = "C"

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def file(self) -> Any:
        """The file that has the numbers, by its name or opened."""
        return self.path

    def __getitem__(self, index: Any) -> np.ndarray:
        whole = np.memmap(
            self.file(),
            dtype=self.dtype,
            mode="r",
            offset=self.offset,
            shape=self.shape,
            order=self.order,  # type: ignore[call-overload]
        )
        return np.array(whole[index])


@dataclass(frozen=True)
class InHdf5(OfFile):
    """A dataset of an HDF5 file."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        import h5py

        with h5py.File(self.path, "r") as file:
            return file[self.name][index]


@dataclass(frozen=True)
class Decoded(OfFile):
    """Data that can only be decoded as a whole, such as a PNG; the last few are cached."""

    decode: Any  # a module-level function (path, part) -> array
    part: Any
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Any) -> np.ndarray:
        stamp = Path(self.path).stat().st_mtime_ns
        return np.array(_decoded(self.decode, self.path, self.part, stamp)[index])


@lru_cache(maxsize=2)
def _decoded(decode: Any, path: str, part: Any, _stamp: int) -> np.ndarray:
    return decode(path, part)


def array(source: Any, pieces: tuple[int, ...] | None = None) -> da.Array:
    """Make a Dask array over a source, in chunks of up to 1024 × 1024 pixels, or in ``pieces``."""
    shape = tuple(int(n) for n in source.shape)
    return da.from_array(
        source,
        chunks=pieces or chunks(shape),
        name=False,
        asarray=True,
        meta=np.empty((0,) * len(shape), source.dtype),
    )


def whole_along(
    axis: int, shape: tuple[int, ...], inner: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Choose chunks of about 8 MiB of float32 that are whole along an axis, if they can be.

    ``inner`` are the chunks of the file, which are read as a whole: those chosen hold full ones.
    """
    sizes = [max(n, 1) for n in shape]
    for k in [*(k for k in range(len(shape)) if k != axis), axis]:
        room = max(1, WHOLE // (math.prod(sizes) // sizes[k]))
        step = min(inner[k], sizes[k]) if inner else 1
        sizes[k] = min(sizes[k], max(step, room // step * step))
    return tuple(sizes)


def chunks(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Choose the chunks of an image array: many small frames, or a part of a large one.

    A short last axis (channels) stays whole.
    """
    tail = 3 if len(shape) > 2 and shape[-1] < 16 else 2
    sides = [min(max(n, 1), SIDE) for n in shape[-tail:]]
    room = max(1, SIDE**2 // math.prod(sides))
    frames = [1 for _ in shape[:-tail]]
    if frames:
        frames[0] = max(1, min(shape[0], room))
    return (*frames, *sides)
