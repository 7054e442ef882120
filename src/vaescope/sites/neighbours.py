"""Find neighbouring sites in the image."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 6
"""Number of nearest sites that count as neighbours."""


def neighbours(
    frame: np.ndarray, position: np.ndarray, count: int = NEIGHBOURS
) -> np.ndarray | None:
    """Find the nearest sites of every site in the same frame.

    Parameters
    ----------
    frame : (site,) number of the frame. position : (site, 2) y and x in px. count : neighbours of
        each site.

    Returns
    -------
    Indices (site, count); None where a frame holds too few sites to speak of neighbours.
    """
    from scipy.spatial import cKDTree

    near = np.zeros((len(frame), count), int)
    for one in np.unique(frame):
        here = np.flatnonzero(frame == one)
        if len(here) <= count:
            return None
        tree = cKDTree(position[here])
        near[here] = here[tree.query(position[here], count + 1)[1][:, 1:]]
    return near
