"""Fit the sites of a frame tile by tile, so that memory does not grow with the image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import dask.array as da
import numpy as np

from vaescope.parallel import results
from vaescope.sites import scale
from vaescope.sites.background import Background
from vaescope.sites.pairs import Shape
from vaescope.sites.polarity import Polarity
from vaescope.sites.refine import Fit, refine
from vaescope.sites.scale import Scale
from vaescope.sites.select import apart
from vaescope.sites.shrinkage import shrunk

_TILE = 1024  # px; a fixed size, so that results depend on neither chunks nor threads
_MARGIN = 4.0  # spacings around a tile whose sites are fitted along as neighbours
_MERGE = 0.3  # of the spacing: two fits nearer than this have found the same atom


@dataclass
class Detection:
    """Sites of all frames, arrays (site,), and the lengths used to find them (px)."""

    frame: np.ndarray
    y: np.ndarray
    x: np.ndarray
    amplitude: np.ndarray
    width: np.ndarray
    background: np.ndarray
    y_error: np.ndarray
    x_error: np.ndarray
    quality: np.ndarray
    score: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)  # what else the method tells, by name
    spacing: float = 0.0
    typical_width: float = 0.0
    periodic: bool = True
    texture: int = 0  # spots that were left out as the texture of a support
    texture_height: float = 0.0  # theirs over that of the columns
    clear: float = np.nan  # height over noise of the same rank, of sites without order
    drowned: float = 0.0  # height over the noise of columns that drown in it; 0: they do not
    strong: int = 0  # sublattices whose nearest distance is the spacing; 0: there is but one
    nearest: float = 0.0  # px, distance of nearest sites of all sublattices
    shape: Shape = field(default_factory=Shape)
    polarity: Polarity = field(default_factory=Polarity)
    ground: Background = field(default_factory=Background)


@dataclass
class Unrefined:
    """Sites of a frame before refinement; ``position`` (site, 2), the others (site,); ``texture`` :
    how many spots were left out as that of a support, of ``texture_height`` over the columns';
    ``clear`` : as in ``select.Selected``."""

    position: np.ndarray
    score: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)
    texture: int = 0
    texture_height: float = 0.0
    clear: float = np.nan

    def on(self, measured: np.ndarray) -> Unrefined:
        """Select the sites on measured pixels, a mask (height, width)."""
        last = np.array(measured.shape) - 1
        row, column = np.clip(np.rint(self.position).astype(int), 0, last).T
        keep = measured[row, column]
        more = {name: values[keep] for name, values in self.more.items()}
        return replace(self, position=self.position[keep], score=self.score[keep], more=more)


def fitted(
    number: int,
    frame: da.Array,
    known: da.Array | None,
    seen: Unrefined,
    lengths: Scale,
    wanted: bool,
    sign: float,
    threads: int,
    drowned: float = 0.0,
) -> Detection:
    """Sites of one frame, refined tile by tile if wanted; ``drowned`` : the height over the noise
    of columns that drown in it, 0 of others."""
    start, score = seen.position, seen.score
    count = len(start)
    position = start.copy()
    error, rest = np.full((count, 2), np.nan), np.full((count, 4), np.nan)
    if wanted:
        tiles = [
            tile
            for top in range(0, frame.shape[0], _TILE)
            for left in range(0, frame.shape[1], _TILE)
            if (tile := _tile(frame, known, np.array([top, left]), start, lengths)) is not None
        ]
        jobs = [(*blocks, near, origin, lengths) for _, _, blocks, near, origin in tiles]
        fits = results("fitting sites in tiles", _fit, jobs, threads)
        for (own, among, *_), fit in zip(tiles, fits, strict=True):
            fit = fit.where(among)
            position[own], error[own] = fit.position, fit.error
            rest[own] = np.column_stack(
                [sign * fit.amplitude, fit.width, sign * fit.background, fit.quality]
            )
        if drowned:
            position, error = shrunk(start, position, error)
    # A column cut by the edge may be fitted outside the image; its brightest visible point stays.
    last = np.array(frame.shape) - 1
    left = np.any((position < 0) | (position > last), axis=1)
    position[left] = np.clip(start[left], 0, last)
    error[left], rest[left] = np.nan, np.nan
    keep = apart(position, score, _MERGE * lengths.spacing)
    position, error, rest, score = position[keep], error[keep], rest[keep], score[keep]
    return Detection(
        drowned=drowned,
        frame=np.full(len(position), number),
        y=position[:, 0],
        x=position[:, 1],
        amplitude=rest[:, 0],
        width=rest[:, 1],
        background=rest[:, 2],
        y_error=error[:, 0],
        x_error=error[:, 1],
        quality=rest[:, 3],
        score=score,
        more={name: values[keep] for name, values in seen.more.items()},
    )


def _tile(
    frame: da.Array,
    known: da.Array | None,
    corner: np.ndarray,
    start: np.ndarray,
    lengths: Scale,
) -> tuple[np.ndarray, np.ndarray, tuple[da.Array, da.Array | None], np.ndarray, np.ndarray] | None:
    """Cut the windows in which the sites of a tile are fitted; None if there are none.

    Returns
    -------
    own : (site,) mask of the sites in the tile. among : (near,) mask of these among the sites that
    are fitted along. blocks : (height, width) of the frame, and of what was measured. near :
    (near, 2) their positions in the frame. origin : (2,) px, where the block begins.
    """
    own = _inside(start, corner, 0.0)
    if not own.any():
        return None
    margin = _MARGIN * lengths.spacing
    pad = int(np.ceil(margin + lengths.spacing))
    near = _inside(start, corner, margin)
    origin = np.maximum(corner - pad, 0)
    stop = corner + _TILE + pad
    part = (slice(origin[0], stop[0]), slice(origin[1], stop[1]))
    blocks = (frame[part], None if known is None else known[part])
    return own, own[near], blocks, start[near], origin


def _fit(
    block: np.ndarray,
    known: np.ndarray | None,
    near: np.ndarray,
    origin: np.ndarray,
    lengths: Scale,
) -> Fit:
    """Fits of the sites in and about a tile, in coordinates of the frame."""
    block = scale.without_outliers(np.asarray(block, float), lengths.outlier)
    measured = None if known is None else np.asarray(known)
    fit = refine(block, near - origin, lengths.width, lengths.spacing, measured)
    fit.position += origin
    return fit


def _inside(position: np.ndarray, corner: np.ndarray, margin: float) -> np.ndarray:
    """Which positions lie in a tile enlarged by a margin (px) on each side."""
    low, high = corner - margin, corner + _TILE + margin
    return np.all((position >= low) & (position < high), axis=1)
