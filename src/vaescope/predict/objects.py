"""Particles of an image, or whatever stands out of it, and how a site lies to each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_PIXELS = 6  # of an object
FEATURES = 7  # that ``nearest`` gives of each
FAR = 6.0  # half widths; where an object counts that is absent


@dataclass(frozen=True)
class Objects:
    """What stands out of an image.

    ``label`` (height, width) from 1, 0 the background. Per object: ``centre`` (object, 2) in
    pixels; ``axis`` (object, 2) unit vector (y, x) along it; ``half`` (object, 2) half of its
    length and width in pixels, of the ellipse with the same second moments; ``level`` (object,)
    its mean height above the background over that of the highest tenth.
    """

    label: np.ndarray
    centre: np.ndarray
    axis: np.ndarray
    half: np.ndarray
    level: np.ndarray

    def __len__(self) -> int:
        return len(self.centre)

    def length(self) -> float:
        """Half the usual width in pixels; 4 where there is no object."""
        return float(np.median(self.half[:, 1])) if len(self) else 4.0


def find(plane: np.ndarray, owner: np.ndarray | None = None) -> Objects:
    """Find what stands out of an image, bright or dark, whichever covers less of it.

    The image is smoothed by a pixel. Regions that stand out of the scatter of the background are
    split where they are joined by necks, and each is bounded at half of its own height, so that
    faint particles are as wide as bright ones.

    Parameters
    ----------
    plane : (height, width), finite.
    owner : (height, width) whole numbers; no object reaches from one to another. None: one owner.
    """
    from scipy import ndimage
    from skimage import filters, measure, morphology, segmentation

    smooth = ndimage.gaussian_filter(np.asarray(plane, np.float64), 1.0, mode="mirror")
    if np.ptp(smooth) == 0:
        return _described(np.zeros(plane.shape, int), smooth)
    cut = filters.threshold_otsu(smooth)
    if (smooth > cut).mean() > 0.5:
        smooth, cut = -smooth, -cut
    below = smooth[smooth <= cut]
    ground = np.median(below)
    scatter = 1.4826 * np.median(np.abs(below - ground))
    low = min(cut, max(ground + 4 * scatter, ground + 0.35 * (cut - ground)))
    mask = smooth > low
    depth = ndimage.distance_transform_edt(mask)
    summits = morphology.h_maxima(ndimage.gaussian_filter(depth, 1.0), 0.75).astype(bool) & mask
    label = segmentation.watershed(-depth, measure.label(summits), mask=mask)
    if owner is not None:
        label = np.where(mask, label + owner * (int(label.max()) + 1), 0)
    return _described(_at_half_height(label, smooth, ground), smooth - ground)


def _at_half_height(label: np.ndarray, smooth: np.ndarray, ground: float) -> np.ndarray:
    """Labels 1, 2, … of the pixels above half the height of their object, tiny ones left out."""
    from skimage import measure

    out = np.zeros(label.shape, int)
    for one in measure.regionprops(_from_one(label), intensity_image=smooth):
        top = np.quantile(one.image_intensity[one.image], 0.85)
        kept = one.image & (one.image_intensity > ground + 0.5 * (top - ground))
        if kept.sum() >= LEAST_PIXELS:
            out[one.slice][kept] = out.max() + 1
    return out


def _from_one(label: np.ndarray) -> np.ndarray:
    names, place = np.unique(label, return_inverse=True)
    return place.reshape(label.shape) + (0 if names[0] == 0 else 1)


def _described(label: np.ndarray, above: np.ndarray) -> Objects:
    from skimage import measure

    found = measure.regionprops(label, intensity_image=above)
    if not found:
        none = np.zeros((0, 2))
        return Objects(label, none, none, none, np.zeros(0))
    level = np.array([one.intensity_mean for one in found])
    return Objects(
        label,
        np.array([one.centroid for one in found]),
        np.array([(np.cos(one.orientation), np.sin(one.orientation)) for one in found]),
        np.array([(one.axis_major_length + 0.02, max(one.axis_minor_length, 1.0)) for one in found])
        / 2,
        level / np.quantile(level, 0.9),
    )


def nearest(found: Objects, y: np.ndarray, x: np.ndarray, count: int, reach: float) -> np.ndarray:
    """How each site lies to the objects nearest to it.

    Parameters
    ----------
    y, x : (site,) in pixels. count : of objects per site. reach : distance in pixels beyond which
        an object counts as absent.

    Returns
    -------
    (site, count, 7) : distance to its boundary (negative inside), place along and across its axis
    from its centre in units of its half length and half width (both positive), distance to the
    nearer of its ends (all distances in pixels), logarithms of its size and aspect ratio, its
    level. NaN where there is no object within reach.
    """
    best = np.full((len(y), count, FEATURES), np.nan)
    away = np.full((len(y), count), np.inf)
    margin = int(np.ceil(reach)) + 1
    for k, box in enumerate(_boxes(found.label)):
        low = [max(0, side.start - margin) for side in box]
        high = [side.stop + margin for side in box]
        inside = (y >= low[0]) & (y <= high[0] - 1) & (x >= low[1]) & (x <= high[1] - 1)
        near = np.flatnonzero(inside)
        mask = found.label[low[0] : high[0], low[1] : high[1]] == k + 1
        features = _to_one(found, k, mask, np.array(low), y[near], x[near])
        every = np.concatenate([away[near], features[:, :1]], 1)
        order = np.argsort(every, axis=1, kind="stable")[:, :count]
        away[near] = np.take_along_axis(every, order, 1)
        joined = np.concatenate([best[near], features[:, None]], 1)
        best[near] = np.take_along_axis(joined, order[..., None], 1)
    best[~(away <= reach)] = np.nan
    return best


def _boxes(label: np.ndarray) -> list[tuple[slice, slice]]:
    from scipy.ndimage import find_objects

    return [box for box in find_objects(label) if box is not None]


def _to_one(
    found: Objects, k: int, mask: np.ndarray, corner: np.ndarray, y: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """(site, 7) features of sites to object ``k``, whose pixels are ``mask`` from ``corner`` on."""
    from scipy import ndimage

    signed = ndimage.distance_transform_edt(~mask) - ndimage.distance_transform_edt(mask)
    signed -= 0.5 * np.sign(signed)  # the boundary lies between pixels
    at = y - corner[0], x - corner[1]
    distance = ndimage.map_coordinates(signed, at, order=1, mode="nearest")
    dy, dx = y - found.centre[k, 0], x - found.centre[k, 1]
    ay, ax = found.axis[k]
    along, across = np.abs(dy * ay + dx * ax), np.abs(dx * ay - dy * ax)
    a, b = found.half[k]
    same = np.ones(len(y))
    return np.column_stack(
        [
            distance,
            along / a,
            across / b,
            np.hypot(along - a, across),
            same * np.log(a * b) / 2,
            same * np.log(a / b),
            same * found.level[k],
        ]
    )


def filled(near: np.ndarray, length: float) -> np.ndarray:
    """``near`` (site, object, 7) with an object far away in place of one that is absent."""
    far = FAR * length
    absent = np.array([far, FAR, FAR, far, 0.0, 0.0, 0.0])
    return np.where(np.isfinite(near), near, absent)
