"""Similarity of pictures up to a turn: each two are compared at the turn that fits best.

A model may draw one structure upright in one region of its latents and turned in another, since
nothing in the evidence bound says which way up a canonical picture lies. Two pictures are therefore
compared at the turn at which they are most alike. Following the most similar pairs from picture to
picture gives every one its turn against its neighbours (a discrete parallel transport), however the
latents are torn between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

ANGLES = 128  # trial turns: 2.8 degrees, refined by interpolation
FREQUENCIES = 24  # angular harmonics used: finer detail says nothing of a turn
NEIGHBOURS = 8
ALIKE = 0.02  # turns whose correlation is this near the best are as good (a diamond's half-turn)
SWEEPS = 30
_BLOCK = 64


@dataclass
class Harmonics:
    """Angular harmonics of pictures, (row, ring, frequency), of norm 1 but for the mean."""

    values: np.ndarray
    norm: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, rows: np.ndarray) -> Harmonics:
        """Only some of the pictures."""
        return Harmonics(self.values[rows], self.norm[rows])


def on_circles(pictures: np.ndarray, radii: np.ndarray, angles: int) -> np.ndarray:
    """Sample pictures (row, side, side) on circles about their middle: (row, radius, angle).

    Radii are in pixels; angles run counter-clockwise as seen on the screen. Not by
    ``skimage.transform.warp_polar``, whose radii begin at zero and whose angles run clockwise.
    """
    centre = (pictures.shape[-1] - 1) / 2
    angle = np.arange(angles) * (2 * np.pi / angles)
    place = [centre - radii[:, None] * np.sin(angle), centre + radii[:, None] * np.cos(angle)]
    return np.stack(
        [ndimage.map_coordinates(plane, place, order=1, mode="nearest") for plane in pictures]
    )


def harmonics(pictures: np.ndarray) -> Harmonics:
    """Of pictures (row, channel, side, side), on circles about their middle."""
    side = pictures.shape[-1]
    radii = np.arange(1.0, side / 2)
    values = np.empty((len(pictures), pictures.shape[1] * len(radii), FREQUENCIES), np.complex64)
    level = pictures.mean(axis=(0, 2, 3))
    for row, picture in enumerate(pictures):
        rings = on_circles(picture - level[:, None, None], radii, ANGLES)
        spectrum = np.fft.rfft(np.concatenate(rings), axis=-1)[:, :FREQUENCIES] / ANGLES
        values[row] = spectrum * np.sqrt(np.tile(radii, len(rings)))[:, None]
    values[..., 1:] *= np.sqrt(2)  # stands for its conjugate as well
    norm = np.sqrt((np.abs(values) ** 2).sum((1, 2)))
    return Harmonics(values, np.maximum(norm, 1e-12))


def products(one: Harmonics, other: Harmonics) -> np.ndarray:
    """Scalar products (row of one, row of other, turn): ``one`` turned back by the trial turns.

    The trial turn k is k 2 pi / ANGLES, counter-clockwise as seen.
    """
    each = np.einsum("irm,jrm->ijm", one.values, other.values.conj(), optimize=True)
    spectrum = np.zeros((*each.shape[:2], ANGLES // 2 + 1), np.complex64)
    # The harmonics were doubled for their conjugates; irfft does that itself.
    spectrum[..., :FREQUENCIES] = each
    spectrum[..., 1:FREQUENCIES] /= 2
    return np.fft.irfft(spectrum, n=ANGLES, axis=-1) * ANGLES


def distances(pictures: Harmonics) -> np.ndarray:
    """Distance (row, row) of each two pictures at the turn at which they are most alike."""
    out = np.empty((len(pictures), len(pictures)), np.float32)
    power = pictures.norm**2
    for start in range(0, len(pictures), _BLOCK):
        rows = slice(start, start + _BLOCK)
        part = Harmonics(pictures.values[rows], pictures.norm[rows])
        best = products(part, pictures).max(-1)
        out[rows] = np.sqrt(np.maximum(power[rows, None] + power[None] - 2 * best, 0.0))
    np.fill_diagonal(out, 0.0)
    return np.minimum(out, out.T)


def neighbours(distance: np.ndarray, count: int = NEIGHBOURS) -> sparse.csr_array:
    """Symmetric graph of the nearest pictures and of the minimum spanning tree over all, weighted
    by distance: connected, however far apart its parts are."""
    count = min(count, len(distance) - 1)
    near = np.argsort(distance, axis=1, kind="stable")[:, 1 : count + 1]
    rows = np.repeat(np.arange(len(distance)), count)
    # A distance of 0 would be no edge.
    dense = np.maximum(distance, 1e-9)
    weight = dense[rows, near.ravel()]
    graph = sparse.csr_array((weight, (rows, near.ravel())), shape=distance.shape)
    tree = csgraph.minimum_spanning_tree(dense - np.diag(np.diag(dense)))
    graph = graph.maximum(sparse.csr_array(tree))
    return graph.maximum(graph.T).tocsr()


def candidates(one: Harmonics, other: Harmonics) -> list[np.ndarray]:
    """For each pair of rows, the turns (rad) of ``one`` against ``other`` that are equally good.

    The smallest turn comes first.
    """
    step = 2 * np.pi / ANGLES
    out = []
    each = (one.values * other.values.conj()).sum(1)
    spectrum = np.zeros((len(each), ANGLES // 2 + 1), np.complex64)
    spectrum[:, :FREQUENCIES] = each
    spectrum[:, 1:FREQUENCIES] /= 2
    values = np.fft.irfft(spectrum, n=ANGLES, axis=-1) * ANGLES
    before, after = np.roll(values, 1, -1), np.roll(values, -1, -1)
    top = (values >= before) & (values > after)
    swing = values.max(-1) - values.min(-1)
    limit = values.max(-1) - ALIKE * swing
    for row in range(len(values)):
        peaks = np.flatnonzero(top[row] & (values[row] >= limit[row]))
        if not len(peaks):
            peaks = np.array([values[row].argmax()])
        bend = before[row, peaks] - 2 * values[row, peaks] + after[row, peaks]
        fine = 0.5 * (before[row, peaks] - after[row, peaks]) / np.where(bend == 0, 1, bend)
        turn = (peaks + np.clip(fine, -0.5, 0.5)) * step
        turn = (turn + np.pi) % (2 * np.pi) - np.pi
        out.append(turn[np.argsort(np.abs(turn), kind="stable")])
    return out


def transport(pictures: Harmonics, graph: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The turn (row,) of every picture against its neighbours, and the component it belongs to.

    Turns are first followed along the minimum spanning tree of the graph, then made consistent
    over all its edges by sweeps of circular means. Each component has a zero of its own.
    """
    tree = csgraph.minimum_spanning_tree(graph)
    count, component = csgraph.connected_components(tree, directed=False)
    turn = np.zeros(len(pictures))
    for k in range(count):
        start = int(np.flatnonzero(component == k)[0])
        order, parent = csgraph.breadth_first_order(tree, start, directed=False)
        if len(order) == 1:
            continue
        above = parent[order[1:]]
        steps = candidates(pictures.rows(order[1:]), pictures.rows(above))
        for node, up, step in zip(order[1:], above, steps, strict=True):
            turn[node] = turn[up] + step[0]
    edges = sparse.coo_array(graph)
    rows, columns = edges.coords
    steps = candidates(pictures.rows(rows), pictures.rows(columns))
    width = max(len(step) for step in steps) if steps else 1
    table = np.stack([np.pad(step, (0, width - len(step)), mode="edge") for step in steps])
    typical = np.median(edges.data) + 1e-12
    weight = np.exp(-((edges.data / typical) ** 2))
    for _ in range(SWEEPS):
        apart = np.angle(np.exp(1j * (turn[columns, None] + table - turn[rows, None])))
        nearest = np.take_along_axis(apart, np.abs(apart).argmin(1)[:, None], 1)[:, 0]
        # Edges that disagree by much belong to another way up of a symmetric picture.
        vote = weight * (np.abs(nearest) < np.pi / 6)
        pull = np.bincount(rows, vote * nearest, len(turn))
        total = np.bincount(rows, vote, len(turn))
        turn = turn + np.where(total > 0, pull / np.maximum(total, 1e-12), 0.0)
    return np.angle(np.exp(1j * turn)), component


def shear_signs(graph: sparse.csr_array, turn: np.ndarray) -> np.ndarray:
    """The sign (row,), 1 or -1, by which the shear of a picture counts beside its neighbours'.

    Axes turned by a quarter shear the other way: along the minimum spanning tree of the graph the
    sign turns over where pictures, of turns (row,) in rad, lie across each other.
    """
    tree = csgraph.minimum_spanning_tree(graph)
    sign = np.ones(len(turn))
    order, parent = csgraph.breadth_first_order(tree, 0, directed=False)
    for node in order[1:]:
        up = parent[node]
        sign[node] = sign[up] * same_sense(turn[node] - turn[up])
    return sign


def same_sense(apart: np.ndarray | float) -> np.ndarray:
    """1 where a pure shear seen from axes turned by ``apart`` (rad) keeps its sense, -1 else."""
    return np.where(np.cos(2 * np.asarray(apart)) < 0, -1.0, 1.0)


def most_similar(pictures: Harmonics, measured: Harmonics) -> np.ndarray:
    """For each of some pictures, the row of the measured one that is most similar, up to a turn."""
    which = np.empty(len(pictures), int)
    power = measured.norm**2
    for start in range(0, len(pictures), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(pictures)))
        best = products(pictures.rows(rows), measured).max(-1)
        which[rows] = (power[None] - 2 * best).argmin(1)
    return which


def turns_of_rest(
    pictures: Harmonics, measured: Harmonics, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn (row,) of pictures, from the most similar of those whose turn is known, and its row."""
    near = most_similar(pictures, measured)
    steps = candidates(pictures, measured.rows(near))
    return np.angle(np.exp(1j * (turn[near] + np.array([step[0] for step in steps])))), near
