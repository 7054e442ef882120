"""What is known of a site from the image alone: a few hundred numbers that no turn changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.predict import objects
from vaescope.predict.rings import ring_spectra

NEAREST = 3  # objects that a site sees
CLOSE = 2.0  # px, reach of the small rings


@dataclass(frozen=True)
class Context:
    """What the image shows around each site.

    ``close``, ``wide`` (site, feature) : ring spectra (``rings.ring_spectra``) of the nearest two
    pixels, and of the whole window. ``near`` (channel, site, object, 7) : how the site lies to what
    stands out of each channel (``objects.nearest``). ``length`` (channel,) : half the usual width
    of these objects in pixels.
    """

    close: np.ndarray
    wide: np.ndarray
    near: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.wide)

    def table(self) -> np.ndarray:
        """(site, feature) : all of it; what is absent is far away (``objects.FAR`` lengths)."""
        flat = [
            objects.filled(near, length).reshape(len(self), -1)
            for near, length in zip(self.near, self.length, strict=True)
        ]
        return np.concatenate([self.close, self.wide, *flat], axis=1)


def of_image(image: np.ndarray, y: np.ndarray, x: np.ndarray, window: float) -> Context:
    """The context of sites in an image.

    Parameters
    ----------
    image : (channel, height, width), finite. y, x : (site,) in its pixels.
    window : side in pixels of the square around a site that is looked at closely.
    """
    return _context(image, [objects.find(plane) for plane in image], y, x, window, 2 * window)


def of_frames(
    images: np.ndarray, frame: np.ndarray, y: np.ndarray, x: np.ndarray, window: float
) -> Context:
    """The context of sites in several images.

    Parameters
    ----------
    images : (frame, channel, height, width), finite. frame : (site,) rows of ``images``.
    y, x, window : as in ``of_image``.
    """
    used, which = np.unique(frame, return_inverse=True)
    rows = [np.flatnonzero(which == k) for k in range(len(used))]
    parts = [
        of_image(images[k], y[some], x[some], window) for k, some in zip(used, rows, strict=True)
    ]
    order = np.argsort(np.concatenate(rows), kind="stable")
    return Context(
        np.concatenate([part.close for part in parts])[order],
        np.concatenate([part.wide for part in parts])[order],
        np.concatenate([part.near for part in parts], axis=1)[:, order],
        np.median([part.length for part in parts], axis=0),
    )


def of_patches(patches: np.ndarray) -> Context:
    """The context of patches (site, channel, height, width), each of which has its own picture."""
    sites, channels, height, width = patches.shape
    side = int(np.ceil(np.sqrt(sites)))
    sheet = np.zeros((channels, side * side, height, width), patches.dtype)
    sheet[:, :sites] = patches.transpose(1, 0, 2, 3)
    sheet[:, sites:] = patches[-1][:, None]
    sheet = sheet.reshape(channels, side, side, height, width).transpose(0, 1, 3, 2, 4)
    sheet = sheet.reshape(channels, side * height, side * width)
    row, column = np.divmod(np.arange(sites), side)
    y = row * height + (height - 1) / 2
    x = column * width + (width - 1) / 2
    owner = np.arange(side * height)[:, None] // height * side + np.arange(side * width) // width
    found = [objects.find(plane, owner) for plane in sheet]
    window = min(height, width)
    return _context(sheet, found, y, x, window - 2, window / 2)


def _context(
    image: np.ndarray,
    found: list[objects.Objects],
    y: np.ndarray,
    x: np.ndarray,
    window: float,
    reach: float,
) -> Context:
    scale = np.std(image, axis=(1, 2), keepdims=True)
    image = (image - image.mean((1, 2), keepdims=True)) / np.where(scale > 0, scale, 1)
    half = max(1.0, window / 2)
    return Context(
        ring_spectra(image, y, x, min(CLOSE, half)),
        ring_spectra(image, y, x, half),
        np.stack([objects.nearest(one, y, x, NEAREST, reach) for one in found]),
        np.array([one.length() for one in found]),
    )
