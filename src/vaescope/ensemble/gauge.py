"""One zero of the angle for all sites, all members and, in space, for the lattice itself.

Three ways, for three kinds of patches. Around the sites of a lattice the strongest Fourier
direction is a zero that all structures share, and that does not depend on which sublattice lies in
the centre. Pictures that are patches by themselves share no lattice: there each is compared with
its most similar neighbours, and from member to member with the picture of the same patch. Sites
with a direction of their own, such as those of a domain wall, have it as their zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vaescope import circular
from vaescope.ensemble import orientation
from vaescope.ensemble.blocks import by_blocks
from vaescope.ensemble.encode import Encoding
from vaescope.models import orbit

MEASURED = 1500  # canonical pictures whose turn is measured; the others follow their neighbours
DRAWN = 128  # of them at once: their spectra are many times as large
LIKE = 32  # sites of like content over which an angle is compared with a direction
COMPARED = 800  # canonical pictures that are compared each with each


@dataclass
class Gauge:
    """``turn`` (site,): by how much a site's canonical picture is turned against the reference,
    whose own zero lies at ``zero`` from the x axis (both rad). ``of`` gives the turn (row,) of
    further pictures (row, channel, side, side) that the same member draws. ``sense`` (site,): 1, or
    -1 where the picture lies across, so that its axes shear the other way."""

    turn: np.ndarray
    zero: float
    of: Callable[[np.ndarray], np.ndarray]
    sense: np.ndarray


def of_lattice(encoding: Encoding, n: int, frame: np.ndarray) -> Gauge:
    """The gauge of one member for a lattice of symmetry ``n``. Its reference is the most typical
    of the sites in ``frame`` (site,)."""
    content = encoding.content[:]
    middle = most_typical(content, frame)
    reference = encoding.canonical[middle]
    rows = _some(len(content), MEASURED)
    parts = np.array_split(rows, -(-len(rows) // DRAWN))
    turn = np.concatenate([orientation.drift(encoding.canonical[p], reference, n) for p in parts])
    if len(rows) < len(content):
        turn = _follow(content, rows, turn, n)
    return Gauge(
        turn,
        direction(reference, n),
        lambda drawn: orientation.drift(drawn, reference, n),
        orbit.same_sense(turn).astype(np.int8),
    )


def most_typical(content: np.ndarray, among: np.ndarray) -> int:
    """The row of content (site, latent) nearest to the median, of the sites ``among`` (site,)."""
    rows = np.flatnonzero(among)
    own = content[rows]
    return int(rows[((own - np.median(own, 0)) ** 2).sum(1).argmin()])


def of_pictures(encodings: Sequence[Encoding], reference: int) -> list[Gauge]:
    """The gauges of all members of an ensemble for patches without a common lattice.

    The reference member's pictures are compared among themselves, those of the others with the
    reference member's picture of the same patch.
    """
    own = encodings[reference]
    rows = _some(len(own.content), COMPARED)
    drawn = orbit.harmonics(np.asarray(own.canonical))
    measured = orbit.harmonics(own.canonical[rows])
    graph = orbit.neighbours(orbit.distances(measured))
    turn, _ = orbit.transport(measured, graph)
    base, near = orbit.turns_of_rest(drawn, measured, turn)
    sense = orbit.shear_signs(graph, turn)[near] * orbit.same_sense(base - turn[near])

    def of(pictures: np.ndarray) -> np.ndarray:
        return orbit.turns_of_rest(orbit.harmonics(pictures), drawn, base)[0]

    gauges = []
    for encoding in encodings:
        if encoding is own:
            gauges.append(Gauge(base, 0.0, of, sense))
            continue
        assert encoding.angle is not None and own.angle is not None
        options = orbit.candidates(orbit.harmonics(np.asarray(encoding.canonical)), drawn)
        # Of turns that fit a symmetric picture equally well, the one on which the angles agree.
        apart = own.angle[:] - encoding.angle[:]
        nearest = [
            option[np.abs(np.angle(np.exp(1j * (option - gap)))).argmin()]
            for option, gap in zip(options, apart, strict=True)
        ]
        against = np.array(nearest)
        gauges.append(Gauge(base + against, 0.0, of, sense * orbit.same_sense(against)))
    return gauges


def of_directions(encoding: Encoding, direction: np.ndarray, n: int) -> Gauge:
    """The gauge of one member for sites that have a direction (site,) of their own, in rad from x
    to y, NaN where it is not known; ``n`` : the symmetry of the angle.

    A canonical picture is turned by as much as the angles of sites with like content differ from
    their directions: a mean over neighbours in content, so that the angle of a single site still
    says how far it is from its direction.
    """
    angle = encoding.angle
    assert angle is not None
    apart = circular.wrap(-direction - angle[:], 2 * np.pi / n)
    known = np.flatnonzero(np.isfinite(apart))
    content = encoding.content[:]
    turn = np.zeros(len(content))
    if len(known):
        turn = _follow(content, known, apart[known], n, LIKE)
    drawn = _some(len(content), COMPARED)
    measured = orbit.harmonics(encoding.canonical[drawn])

    def of(pictures: np.ndarray) -> np.ndarray:
        return orbit.turns_of_rest(orbit.harmonics(pictures), measured, turn[drawn])[0]

    return Gauge(turn, 0.0, of, orbit.same_sense(turn).astype(np.int8))


def direction(picture: np.ndarray, n: int) -> float:
    """Direction of the strongest n-fold Fourier component of a picture, rad in [-pi/n, pi/n)."""
    fold = n if n % 2 == 0 else 2 * n
    circles = orientation.spectral_rings(picture[None])[0]
    angle = np.arange(orientation.ANGLES) * (2 * np.pi / orientation.ANGLES)
    moment = (circles * np.exp(1j * fold * angle)).sum()
    return float(circular.wrap(np.angle(moment) / fold, 2 * np.pi / n))


def _some(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _follow(
    content: np.ndarray, rows: np.ndarray, turn: np.ndarray, n: int, near: int = 4
) -> np.ndarray:
    """Turns of all sites: means of the ``near`` measured ones that are nearest in content."""
    from sklearn.neighbors import NearestNeighbors

    place = content / np.maximum(content.std(0), 1e-6)
    nearest = NearestNeighbors(n_neighbors=min(near, len(rows))).fit(place[rows])

    def some(these: slice) -> np.ndarray:
        those = nearest.kneighbors(place[these], return_distance=False)
        return circular.mean(turn[those], 2 * np.pi / n, axis=1)

    return by_blocks(some, len(content))
