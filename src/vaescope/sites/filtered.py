"""Sites of a frame by the maxima of a filter, chosen by the frame where there is no order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np

from vaescope.sites import detect, scale, skewness
from vaescope.sites.order import texture
from vaescope.sites.prewhitened import prewhitened
from vaescope.sites.scale import Scale
from vaescope.sites.select import select
from vaescope.sites.tiles import Unrefined

if TYPE_CHECKING:
    from vaescope.sites.settings import Atoms

FILTERS = {"log": detect.laplacian, "maxima": detect.smoothed}


def sites_of(frame: da.Array, lengths: Scale, settings: Atoms, threads: int) -> Unrefined:
    """Find the sites of a frame (height, width), bright ones, at a scale.

    Atoms without order are sought by the prewhitened filter too. Either filter leaves the same
    share of false sites, judged by its own minima: the one that finds more is taken.
    """
    if not lengths.periodic and settings.threshold is None:
        return _unordered(frame, lengths, settings, threads)
    filter_ = FILTERS[settings.method](lengths, settings.width)
    maxima, depths = detect.candidates(frame, lengths, filter_, threads=threads)
    area = frame.size / filter_.blob**2
    seen = select(maxima, depths, lengths, area=area, threshold=settings.threshold)
    sites, score = seen.sites, seen.score
    position = np.stack([sites.y, sites.x], axis=1)
    if settings.threshold is not None or len(position) < 3:
        return Unrefined(position, score)
    own = ~texture(position, sites.height, lengths.spacing)
    left_out = int((~own).sum())
    height = np.median(sites.height[~own]) / np.median(sites.height[own]) if left_out else 0.0
    return Unrefined(position[own], score[own], texture=left_out, texture_height=float(height))


def _unordered(frame: da.Array, lengths: Scale, settings: Atoms, threads: int) -> Unrefined:
    """Sites of a frame without order."""
    parts = [np.asarray(frame[part], float) for part in scale.crops(*frame.shape)]
    parts = [scale.without_outliers(part, lengths.outlier) for part in parts]
    filters = [FILTERS[settings.method](lengths, settings.width)]
    if settings.method == "log":
        filters.append(prewhitened(parts, settings.width or lengths.width))
    found = []
    for filter_ in filters:
        maxima, depths = detect.candidates(frame, lengths, filter_, threads=threads)
        area = frame.size / filter_.blob**2
        skewed = skewness.of_noise(parts, filter_)
        seen = select(maxima, depths, lengths, area=area, skewed=skewed)
        position = np.stack([seen.sites.y, seen.sites.x], axis=1)
        found.append(Unrefined(position, seen.score, clear=seen.clear))
    return max(found, key=lambda one: len(one.position))
