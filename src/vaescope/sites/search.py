"""Atoms in the frames of an image: scale, detection, refinement, one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.progress import track
from vaescope.sites import filtered, noisy, overview, scale, sublattices, tiles
from vaescope.sites.order import order
from vaescope.sites.pairs import Shape, shape_of
from vaescope.sites.scale import Scale
from vaescope.sites.select import CLOSEST, apart
from vaescope.sites.tiles import Detection, Unrefined

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector
    from vaescope.sites.settings import Atoms

_TOO_NEAR = 1.2  # sites found farther apart than this times the spacing belie the spacing
_LIKELY = 0.5  # probability from which on a maximum is more likely a site than not
_TOO_FAR = 0.75  # and so do those nearer than this (a honeycomb has 0.58 lattice parameters)
_PAIRED = (1.5, 2.6)  # times as many sites as pairs, some of them cut by the edge or found as one
_ORDERED, _FEWEST = 0.3, 12  # order of sites on a lattice; a honeycomb has 0.45, chance 0.2
_AS_FAR = 0.2  # of the distance of a pair, by which the nearest sites may miss it


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
    frames = [da.asarray(frame) for frame in frames]
    seen = overview.of(frames, settings, threads, detector, measured)
    drowned = seen.drowned > 0
    search = _Search(
        seen.prepared(frames), measured, settings, threads, detector, seen.spread, drowned
    )
    lengths, chosen = search.at_the_scale_found(seen.lengths)
    alone = detector is None and settings.spacing is None and not drowned
    if alone and not _in_order(chosen, lengths):
        for hidden in overview.hidden_crystals(seen, settings):
            again = replace(search, frames=hidden.prepared(frames))
            closer, other = again.at_the_scale_found(hidden.lengths)
            if _in_order(other, closer):
                seen, search, lengths, chosen = hidden, again, closer, other
                break
    sign = seen.polarity.sign
    shape = Shape()
    if alone:
        shape = search.shape(chosen, lengths)
        if shape.two:
            lengths, chosen, shape = search.split(lengths, chosen, shape)
    strong, fit = 0, lengths
    if settings.method == "log" and settings.sublattices == "auto" and search.chooses:
        chosen, strong = sublattices.of_frames(search.frames, chosen, lengths)
        if search.measured is not None:
            chosen = [
                seen.on(np.asarray(known))
                for seen, known in zip(chosen, search.measured, strict=True)
            ]
        if strong and 0 < (nearest := _nearest(chosen)) < lengths.spacing:
            width = min(lengths.width, scale.WIDEST * nearest)
            fit = replace(lengths, spacing=nearest, width=width)
    # Frames side by side, or the tiles of a single one.
    inner = max(threads, 1) if len(frames) == 1 else 1

    def fitted(number: int) -> Detection:
        known = None if measured is None else measured[number]
        where = (number, search.frames[number], known, chosen[number])
        return tiles.fitted(*where, fit, settings.refine, sign, inner, seen.drowned)

    with ThreadPoolExecutor(max(threads, 1)) as pool:
        done = list(
            track("fitting sites in frames", pool.map(fitted, range(len(frames))), len(frames))
        )
    table = {
        f.name: np.concatenate([getattr(part, f.name) for part in done])
        for f in fields(Detection)
        if isinstance(getattr(done[0], f.name), np.ndarray)
    }
    more = {name: np.concatenate([part.more[name] for part in done]) for name in done[0].more}
    if not len(table["y"]):
        raise UserError(
            "no site stands out of the noise",
            found=f"0 sites at a spacing of {lengths.spacing:.1f} px",
            expected="at least one",
            remedy="Look at the image; then set `sites: spacing`, `threshold` or `polarity` in the "
            "recipe, or `ingest: preprocess: background` where the background outweighs the atoms",
        )
    widths = table["width"][np.isfinite(table["width"])]
    typical = float(np.median(widths)) if len(widths) else lengths.width
    return Detection(
        **table,
        more=more,
        spacing=lengths.spacing,
        typical_width=typical,
        periodic=lengths.periodic,
        shape=shape,
        texture=sum(seen.texture for seen in chosen),
        texture_height=max((seen.texture_height for seen in chosen), default=0.0),
        clear=_least_clear(chosen),
        polarity=seen.polarity,
        drowned=seen.drowned,
        strong=strong,
        nearest=fit.spacing,
        ground=seen.background,
    )


@dataclass
class _Search:
    """The frames that are searched, and how; ``spread`` of their pixels, for a detector;
    ``drowned`` : whether single columns drown in noise."""

    frames: list[da.Array]
    measured: list[da.Array] | None
    settings: Atoms
    threads: int
    detector: Detector | None
    spread: float
    drowned: bool = False

    @property
    def chooses(self) -> bool:
        """Whether columns are found one by one, and how high they are is not said."""
        return self.detector is None and self.settings.threshold is None and not self.drowned

    def at(self, lengths: Scale) -> list[Unrefined]:
        """Sites of every frame at a scale."""
        settings, threads = self.settings, self.threads
        if self.drowned:
            words = "looking for sites in noisy frames"
            found = (Unrefined(*noisy.places(frame, lengths)) for frame in self.frames)
        elif self.detector is None:
            words = "looking for sites in frames"
            found = (filtered.sites_of(frame, lengths, settings, threads) for frame in self.frames)
        else:
            words = "asking the detector about frames"
            how = (self.spread, settings.threshold, threads)
            found = (_learned(self.detector, frame, lengths, *how) for frame in self.frames)
        chosen = list(track(words, found, len(self.frames)))
        if self.measured is None:
            return chosen
        known = (np.asarray(each) for each in self.measured)
        return [seen.on(each) for seen, each in zip(chosen, known, strict=True)]

    def at_the_scale_found(self, lengths: Scale) -> tuple[Scale, list[Unrefined]]:
        """Sites at a scale, or else at that which the sites themselves have."""
        chosen = self.at(lengths)
        sure = self.drowned or self.settings.spacing is not None or not lengths.periodic
        if sure or not _any(chosen):
            return lengths, chosen
        distance = _nearest(chosen)
        if _TOO_FAR * lengths.spacing <= distance <= _TOO_NEAR * lengths.spacing:
            return lengths, chosen
        # The image has a sublattice too weak to be found: the lengths are those of the others.
        # Or the spacing is that of the unit cell, in which several atoms stand.
        width = min(lengths.width, scale.WIDEST * distance)
        lengths = replace(lengths, spacing=distance, width=width)
        return lengths, self.at(lengths)

    def shape(self, chosen: list[Unrefined], lengths: Scale) -> Shape:
        """The shape that sites share, judged in the part of the image that has most of them."""
        fullest = int(np.argmax([len(seen.position) for seen in chosen]))
        position, frame = chosen[fullest].position, self.frames[fullest]
        best, own = None, position[:0]
        for part in scale.crops(*frame.shape):
            corner, end = np.array([[side.start, side.stop] for side in part]).T
            inside = position[((position >= corner) & (position < end)).all(1)] - corner
            if best is None or len(inside) > len(own):
                best, own = part, inside
        block = scale.without_outliers(np.asarray(frame[best], float), lengths.outlier)
        return shape_of(block, own, lengths.spacing, lengths.width)

    def split(
        self, lengths: Scale, chosen: list[Unrefined], shape: Shape
    ) -> tuple[Scale, list[Unrefined], Shape]:
        """Sites at the distance of two columns in one site; as they were if that finds no pairs."""
        width = self.settings.width or shape.width
        closer = replace(lengths, spacing=shape.distance, width=width, periodic=True)
        again = self.at(closer)
        before, after = (sum(len(seen.position) for seen in found) for found in (chosen, again))
        near = _nearest(again) / shape.distance
        if _PAIRED[0] < after / before < _PAIRED[1] and abs(near - 1) < _AS_FAR:
            return closer, again, shape
        return lengths, chosen, replace(shape, two=False)


def _in_order(chosen: list[Unrefined], lengths: Scale) -> bool:
    """Whether sites are those of a crystal: many enough, and on a lattice."""
    fullest = max((seen.position for seen in chosen), key=len)
    if len(fullest) < _FEWEST:
        return False
    return bool(np.mean(order(fullest, lengths.spacing)) > _ORDERED)


def _least_clear(chosen: list[Unrefined]) -> float:
    """The least of how clearly the sites of frames stand out; not a number where none says."""
    known = [seen.clear for seen in chosen if np.isfinite(seen.clear)]
    return min(known, default=np.nan)


def _any(chosen: list[Unrefined]) -> bool:
    return any(len(seen.position) for seen in chosen)


def _learned(
    detector: Detector,
    frame: da.Array,
    lengths: Scale,
    spread: float,
    threshold: float | None,
    threads: int,
) -> Unrefined:
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
    return Unrefined(seen.position[keep], seen.score[keep], more)


def _nearest(chosen: list[Unrefined]) -> float:
    """Median distance (px) of a site to its nearest one in the same frame; 0 if there is none."""
    distances = [
        cKDTree(seen.position).query(seen.position, k=2)[0][:, 1]
        for seen in chosen
        if len(seen.position) > 1
    ]
    return float(np.median(np.concatenate(distances))) if distances else 0.0
