"""One zero of the angle for all sites, all members and, in space, for the lattice itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

from vaescope.analyse import symmetry
from vaescope.analyse.encode import Encoding

MEASURED = 1500  # canonical pictures whose turn is measured; the others follow their neighbours


@dataclass
class Gauge:
    """``turn`` (site,): by how much a site's canonical picture is turned against the reference
    picture, whose own strongest Fourier direction lies at ``zero`` from the x axis (both rad)."""

    turn: np.ndarray
    zero: float
    n: int


def measure(encoding: Encoding, n: int) -> Gauge:
    """The gauge of one member for symmetry ``n``."""
    content = encoding.content
    middle = int(((content - np.median(content, 0)) ** 2).sum(1).argmin())
    reference = encoding.canonical[middle]
    count = len(content)
    rows = np.unique(np.linspace(0, count - 1, min(count, MEASURED)).round().astype(int))
    turn = symmetry.drift(encoding.canonical[rows], reference, n)
    if len(rows) < count:
        turn = _follow(encoding, rows, turn, n)
    return Gauge(turn, direction(reference, n), n)


def direction(picture: np.ndarray, n: int) -> float:
    """Direction of the strongest n-fold Fourier component of a picture, rad in [-pi/n, pi/n)."""
    fold = n if n % 2 == 0 else 2 * n
    circles = symmetry.spectral_rings(picture[None])[0]
    angle = np.arange(symmetry.ANGLES) * (2 * np.pi / symmetry.ANGLES)
    moment = (circles * np.exp(1j * fold * angle)).sum()
    return float(symmetry.wrap(np.angle(moment) / fold, n))


def _follow(encoding: Encoding, rows: np.ndarray, turn: np.ndarray, n: int) -> np.ndarray:
    """Turns of all sites from those measured nearby in content."""
    place = encoding.content / np.maximum(encoding.content.std(0), 1e-6)
    near = NearestNeighbors(n_neighbors=4).fit(place[rows]).kneighbors(place, return_distance=False)
    return symmetry.circular_mean(turn[near], n, axis=1)
