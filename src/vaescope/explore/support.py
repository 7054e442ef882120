"""Where a latent space is real: which places decode to something like the data.

A place is real as far as encoding what it decodes to leads back to it, and as far as data are
encoded near it. Both are measured by what holds for the data themselves, so that neither has a
threshold to choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAREST = 5
"""The distance to as many encoded data says how dense they are."""
QUANTILE = 0.99
"""Of the data themselves lie within the limits."""
REAL = 0.5
"""A place with at least this support is called real."""


@dataclass(frozen=True)
class Support:
    """How real places of a latent space are.

    ``weight`` (n,) from 0 to 1, 1 where a place is no worse than nearly all the data; ``away`` (n,)
    distance from a place to what it decodes to and is encoded to again, ``gap`` (n,) distance to
    the nearest data; both in units of what 99 % of the data stay below.
    """

    weight: np.ndarray
    away: np.ndarray
    gap: np.ndarray

    @property
    def real(self) -> np.ndarray:
        """(n,) bool."""
        return self.weight >= REAL


def of_places(
    places: np.ndarray,
    back: np.ndarray,
    encoded: np.ndarray,
    encoded_back: np.ndarray,
) -> Support:
    """Support of places in a latent space.

    Parameters
    ----------
    places : (n, latent). back : (n, latent), mean of the encoder for what they decode to.
    encoded : (m, latent), mean of the encoder for the data. encoded_back : (m, latent), for what
        these decode to.

    Beyond each limit the weight falls as a normal distribution does: to 0.61 at twice the limit.
    """
    from scipy.spatial import cKDTree

    spread = encoded.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    known = encoded / spread
    nearest = min(NEAREST, max(len(encoded) - 1, 1))
    tree = cKDTree(known)
    among = tree.query(known, nearest + 1)[0][:, -1]
    gap = tree.query(places / spread, [nearest])[0][:, 0]
    own_away = np.linalg.norm((encoded_back - encoded) / spread, axis=1)
    away = np.linalg.norm((back - places) / spread, axis=1)
    away = away / _limit(own_away)
    gap = gap / _limit(among)
    weight = np.exp(-0.5 * (np.maximum(away - 1, 0) ** 2 + np.maximum(gap - 1, 0) ** 2))
    return Support(np.where(np.isfinite(weight), weight, 0.0), away, gap)


def _limit(values: np.ndarray) -> float:
    """What nearly all values stay below, and never zero."""
    return max(float(np.nanquantile(values, QUANTILE)), 1e-6)
