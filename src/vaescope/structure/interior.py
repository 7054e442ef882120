"""Windows inside a domain: around them, content changes little from place to place.

A window that a wall crosses has something of both domains, and a content in between. Many of these
fill the gap between two domains, which the windows inside of them leave open.
"""

from __future__ import annotations

import numpy as np

from vaescope.sites.neighbours import neighbours

_AROUND = 20  # nearest windows to which a plane is fitted
_INSIDE = 0.5  # of all windows


def inside(content: np.ndarray, frame: np.ndarray, position: np.ndarray) -> np.ndarray | None:
    """The half of the windows (site,) bool around which the content has the least slope; None where
    frames hold too few.

    Parameters
    ----------
    content : (site, latent). frame : (site,). position : (site, 2) px.
    """
    near = neighbours(frame, position, _AROUND)
    if near is None:
        return None
    near = np.concatenate([np.arange(len(near))[:, None], near], axis=1)
    place = position[near] - position[near].mean(1, keepdims=True)
    value = (content / np.maximum(content.std(0), 1e-12))[near]
    along = np.einsum("sji,sjl->sil", place, value - value.mean(1, keepdims=True))
    slope = np.linalg.norm(along, axis=(1, 2)) / (place**2).sum((1, 2))
    return np.asarray(slope <= np.quantile(slope, _INSIDE))
