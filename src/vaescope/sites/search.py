"""Atoms in the frames of an image: scale, detection, refinement, one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.parallel import results
from vaescope.progress import track
from vaescope.sites import detect, scale
from vaescope.sites.refine import Fit, refine
from vaescope.sites.scale import Scale
from vaescope.sites.select import CLOSEST, apart, select

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector
    from vaescope.sites.settings import Atoms

_REFINE_TILE = 1024  # px; a fixed size, so that results depend on neither chunks nor threads
_REFINE_MARGIN = 4.0  # spacings around a tile whose sites are fitted along as neighbours
_MERGE = 0.3  # of the spacing: two fits nearer than this have found the same atom
_TOO_NEAR = 1.2  # sites found farther apart than this times the spacing belie the spacing
_LIKELY = 0.5  # probability from which on a maximum is more likely a site than not
_TOO_FAR = 0.75  # and so do those nearer than this (a honeycomb has 0.58 lattice parameters)
FILTERS = {"log": detect.laplacian, "maxima": detect.smoothed}


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


@dataclass
class _Unrefined:
    """Sites of a frame before refinement; ``position`` (site, 2), the others (site,)."""

    position: np.ndarray
    score: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)

    def on(self, measured: np.ndarray) -> _Unrefined:
        """Select the sites on measured pixels, a mask (height, width)."""
        last = np.array(measured.shape) - 1
        row, column = np.clip(np.rint(self.position).astype(int), 0, last).T
        keep = measured[row, column]
        more = {name: values[keep] for name, values in self.more.items()}
        return _Unrefined(self.position[keep], self.score[keep], more)


def find_atoms(
    frames: list[da.Array],
    settings: Atoms,
    threads: int,
    detector: Detector | None = None,
    measured: list[da.Array] | None = None,
) -> Detection:
    """Find atoms in every frame, (height, width) each; settings and detector as in `sites.find`.

    ``measured`` : bool of the same shape, the pixels in which sites may lie and which fits use.
    """
    sign = 1.0 if settings.polarity == "bright" else -1.0
    frames = [sign * da.asarray(frame) for frame in frames]
    lengths, usual, spread = _scale(frames, settings, detector, threads)
    # Missing pixels look like the usual background: no filter can bear a NaN.
    frames = [da.where(da.isfinite(frame), frame, usual) for frame in frames]

    def seen(lengths: Scale) -> list[_Unrefined]:
        if detector is None:
            found = (_filtered(frame, lengths, settings, threads) for frame in frames)
            return on_measured(list(track("looking for sites in frames", found, len(frames))))
        wanted = settings.threshold
        found = (_learned(detector, frame, lengths, spread, wanted, threads) for frame in frames)
        return on_measured(list(track("asking the detector about frames", found, len(frames))))

    def on_measured(chosen: list[_Unrefined]) -> list[_Unrefined]:
        if measured is None:
            return chosen
        return [seen.on(np.asarray(known)) for seen, known in zip(chosen, measured, strict=True)]

    chosen = seen(lengths)
    if settings.spacing is None and lengths.periodic and any(len(s.position) for s in chosen):
        distance = _nearest(chosen)
        if not _TOO_FAR * lengths.spacing <= distance <= _TOO_NEAR * lengths.spacing:
            # The image has a sublattice too weak to be found: the lengths are those of the others.
            # Or the spacing is that of the unit cell, in which several atoms stand.
            width = min(lengths.width, scale.WIDEST * distance)
            lengths = replace(lengths, spacing=distance, width=width)
            chosen = seen(lengths)
    # Frames side by side, or the tiles of a single one.
    inner = max(threads, 1) if len(frames) == 1 else 1

    def fitted(number: int) -> Detection:
        known = None if measured is None else measured[number]
        where = (number, frames[number], known, chosen[number])
        return _fitted(*where, lengths, settings.refine, sign, inner)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        parts = list(
            track("fitting sites in frames", pool.map(fitted, range(len(frames))), len(frames))
        )
    table = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Detection)
        if f.name not in ("more", "spacing", "typical_width", "periodic")
    }
    more = {name: np.concatenate([part.more[name] for part in parts]) for name in parts[0].more}
    if not len(table["y"]):
        raise UserError(
            "no site stands out of the noise",
            found=f"0 sites at a spacing of {lengths.spacing:.1f} px",
            expected="at least one",
            remedy="Look at the image; then set `sites: spacing`, `threshold` or `polarity` in the "
            "recipe",
        )
    widths = table["width"][np.isfinite(table["width"])]
    typical = float(np.median(widths)) if len(widths) else lengths.width
    return Detection(
        **table,
        more=more,
        spacing=lengths.spacing,
        typical_width=typical,
        periodic=lengths.periodic,
    )


def _filtered(frame: da.Array, lengths: Scale, settings: Atoms, threads: int) -> _Unrefined:
    """Sites of a frame by the maxima of a filter."""
    filter_ = FILTERS[settings.method](lengths, settings.width)
    maxima, depths = detect.candidates(frame, lengths, filter_, threads=threads)
    area = frame.size / filter_.blob**2
    sites, score = select(maxima, depths, lengths, area=area, threshold=settings.threshold)
    return _Unrefined(np.stack([sites.y, sites.x], axis=1), score)


def _learned(
    detector: Detector,
    frame: da.Array,
    lengths: Scale,
    spread: float,
    threshold: float | None,
    threads: int,
) -> _Unrefined:
    """Sites of a frame by a learned detector."""
    from vaescope.sites.learned.detector import alike, look

    seen = look(detector, frame, lengths, spread=spread, threads=threads)
    keep = seen.score >= (_LIKELY if threshold is None else threshold)
    if not detector.ordered:
        keep[keep] = alike(seen.height[keep])
    keep[keep] = apart(seen.position[keep], seen.score[keep], CLOSEST * lengths.spacing)
    more = {"score_spread": seen.spread[keep]}
    if detector.species > 1:
        more["species"] = seen.species[keep].argmax(axis=1)
        more["species_probability"] = seen.species[keep].max(axis=1)
    return _Unrefined(seen.position[keep], seen.score[keep], more)


def _nearest(chosen: list[_Unrefined]) -> float:
    """Median distance (px) of a site to its nearest one in the same frame; 0 if there is none."""
    distances = [
        cKDTree(seen.position).query(seen.position, k=2)[0][:, 1]
        for seen in chosen
        if len(seen.position) > 1
    ]
    return float(np.median(np.concatenate(distances))) if distances else 0.0


def _scale(
    frames: list[da.Array], settings: Atoms, detector: Detector | None, threads: int
) -> tuple[Scale, float, float]:
    """Take spacing and width from the recipe, or else estimate them from the image.

    And the median of its pixels, and their standard deviation.
    """
    height, breadth = frames[0].shape
    if min(height, breadth) < 16:
        raise UserError(
            "the image is too small to find sites in it",
            found=f"{height} × {breadth} px",
            expected="at least 16 × 16 px",
        )
    used = sorted({0, len(frames) // 2, len(frames) - 1})  # first, middle and last frame
    parts = [
        np.asarray(frames[k][part], float) for k in used for part in scale.crops(height, breadth)
    ]
    finite = [part[np.isfinite(part)] for part in parts]
    usual = float(np.median(np.concatenate(finite))) if any(map(len, finite)) else 0.0
    parts = [np.where(np.isfinite(part), part, usual) for part in parts]
    parts = [part for part in parts if np.ptp(part) > 0]
    if not parts:
        raise UserError(
            "the image is constant", found="one value in all pixels", expected="a picture of atoms"
        )
    guess = scale.estimate(parts, threads)
    spacing, width = settings.spacing, settings.width
    if spacing is not None:
        likely = float(np.clip(guess.width, spacing / 10, spacing / 3))
        guess = replace(guess, spacing=float(spacing), width=likely, periodic=True)
    elif detector is not None:
        from vaescope.sites.learned.detector import rescale

        if width is None:
            guess = rescale(detector, parts[len(parts) // 2], guess)
        elif not (guess.periodic and detector.ordered):
            guess = replace(guess, spacing=4.0 * width, periodic=False)
    if width is not None:
        guess = replace(guess, width=float(width))
    return guess, usual, float(np.std(np.concatenate([part.ravel() for part in parts])))


def _fitted(
    number: int,
    frame: da.Array,
    known: da.Array | None,
    seen: _Unrefined,
    lengths: Scale,
    wanted: bool,
    sign: float,
    threads: int,
) -> Detection:
    """Sites of one frame, refined tile by tile if wanted."""
    start, score = seen.position, seen.score
    count = len(start)
    position = start.copy()
    error, rest = np.full((count, 2), np.nan), np.full((count, 4), np.nan)
    if wanted:
        tiles = [
            tile
            for top in range(0, frame.shape[0], _REFINE_TILE)
            for left in range(0, frame.shape[1], _REFINE_TILE)
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
    # A column cut by the edge may be fitted outside the image; its brightest visible point stays.
    last = np.array(frame.shape) - 1
    left = np.any((position < 0) | (position > last), axis=1)
    position[left] = np.clip(start[left], 0, last)
    error[left], rest[left] = np.nan, np.nan
    keep = apart(position, score, _MERGE * lengths.spacing)
    position, error, rest, score = position[keep], error[keep], rest[keep], score[keep]
    return Detection(
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
    margin = _REFINE_MARGIN * lengths.spacing
    pad = int(np.ceil(margin + lengths.spacing))
    near = _inside(start, corner, margin)
    origin = np.maximum(corner - pad, 0)
    stop = corner + _REFINE_TILE + pad
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
    low, high = corner - margin, corner + _REFINE_TILE + margin
    return np.all((position >= low) & (position < high), axis=1)
