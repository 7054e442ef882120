"""Offsets of windows modulo the unit cell of their lattice, from one zero in all of them.

A model says where in a window its canonical picture lies, but which point of the lattice lies in
the middle of that picture is its own choice, another one perhaps for each content. So the canonical
pictures are laid onto that of one window, and what this takes is added to the offsets. What is left
is one constant for each member.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from vaescope import circular
from vaescope.ensemble.blocks import by_blocks
from vaescope.quantities import attributes
from vaescope.sites.unit_cell import in_cells, modulo

if TYPE_CHECKING:
    from vaescope.ensemble.encode import Encoding

MEASURED = 3000  # windows whose pictures are laid onto the first; others follow like windows
DRAWN = 256  # of them at once
TRIED = 10  # shifts along each vector of the cell that are tried before the best is refined
STEPS = 4  # of refinement
SIGHT = 0.45  # of half the patch side, standard deviation of the Gaussian under which they are seen


def mean(shift: np.ndarray, cell: np.ndarray, axis: int = 0) -> np.ndarray:
    """Circular mean of shifts along an axis, modulo a cell: the shortest of its equivalents."""
    return modulo(circular.mean(in_cells(shift, cell), 1.0, axis=axis) @ cell, cell)


def spread(shift: np.ndarray, sd: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Standard error (site, 2) of the consensus of members (member, site, 2) with standard
    deviations ``sd``: how far they disagree modulo the cell, and how unsure each of them is."""
    apart = modulo(shift - mean(shift, cell), cell)
    return np.asarray(np.sqrt((apart**2).mean(0) + (sd**2).mean(0)))


def aligned(
    encodings: Sequence[Encoding], reference: int, name: str, among: np.ndarray
) -> Iterator[np.ndarray]:
    """Offsets (site, 2) as (y, x) of every member in the reference member's frame, modulo the
    cell; how members lie to each other follows from the sites ``among`` (site,)."""
    own = [encoding.parts[name].value[:] + origins(encoding) for encoding in encodings]
    cell = cell_of(encodings[reference])
    for value in own:
        yield modulo(value + mean((own[reference] - value)[among], cell), cell)


def phases(offset: np.ndarray, error: np.ndarray, cell: np.ndarray) -> dict[str, Any]:
    """Variables of the phase of the lattice along each vector of its cell: name -> (dims, values,
    attributes), of consensus offsets (site, 2) as (y, x), their errors and the cell, all in px."""
    found: dict[str, Any] = {}
    share, widening = in_cells(offset, cell), np.linalg.inv(cell) ** 2
    of_share = np.sqrt(error**2 @ widening)
    for index, letter in enumerate("ab"):
        length, name = float(np.hypot(*cell[index])), f"lattice_phase_{letter}"
        words = f"phase of the lattice along {letter}"
        about = attributes(words, "px", "cyclic", error=f"{name}_spread", period=length)
        found[f"consensus_{name}"] = ("site",), circular.wrap(share[:, index], 1.0) * length, about
        said = attributes(f"uncertainty of {words}", "px")
        found[f"{name}_spread"] = ("site",), of_share[:, index] * length, said
    return found


def cell_of(encoding: Encoding) -> np.ndarray:
    """The vectors (vector, 2) as (y, x) of the cell, in units of half the patch side."""
    assert encoding.cell is not None
    return np.asarray(encoding.cell, float)[:, ::-1]


def origins(encoding: Encoding) -> np.ndarray:
    """By how much the canonical picture of every window, as it is turned there, lies shifted
    against that of one of them: (site, 2) as (y, x) in units of half the patch side."""
    content = encoding.content[:]
    middle = int(((content - np.median(content, 0)) ** 2).sum(1).argmin())
    assert encoding.centred is not None
    reference = encoding.centred[middle]
    rows = np.unique(np.linspace(0, len(content) - 1, min(len(content), MEASURED)).astype(int))
    parts = np.array_split(rows, -(-len(rows) // DRAWN))
    cell = cell_of(encoding)
    found = np.concatenate([registered(encoding.centred[p], reference, cell) for p in parts])
    if len(rows) == len(content):
        return found
    place = content / np.maximum(content.std(0), 1e-6)
    if encoding.angle is not None:
        angle = encoding.angle[:]
        place = np.column_stack([place, 4 * np.cos(angle), 4 * np.sin(angle)])
    return by_blocks(partial(_like, place, rows, found, cell), len(content))


def _like(
    place: np.ndarray, rows: np.ndarray, found: np.ndarray, cell: np.ndarray, these: slice
) -> np.ndarray:
    """Of some sites what was found for the measured ones like them."""
    from scipy.spatial import cKDTree

    nearest = cKDTree(place[rows]).query(place[these], k=min(4, len(rows)))[1]
    return mean(found[nearest.reshape(len(nearest), -1)], cell, axis=1)


def registered(pictures: np.ndarray, reference: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Shifts (row, 2), (y, x) in units of half the side, of pictures (row, channel, side, side)
    against a reference (channel, side, side): P(r) = reference(r - shift), modulo the cell.

    The best of a grid over the cell by normalised correlation, then Gauss–Newton steps; seen under
    a Gaussian, since what a shift brings in at the rim is not known.
    """
    sides = np.array(reference.shape[1:])
    axes = [(np.arange(side) + 0.5) * (2 / side) - 1 for side in sides]
    y, x = np.meshgrid(*axes, indexing="ij")
    weight = np.exp(-0.5 * (y**2 + x**2) / SIGHT**2).ravel()
    weight /= weight.sum()
    splines = [ndimage.spline_filter(one.astype(float), 3) for one in reference]

    def shown(shift: np.ndarray) -> np.ndarray:
        """The reference (row, channel · pixel) at shifts (row, 2), less its mean in sight."""
        rows = (y.ravel() - shift[:, :1] + 1) * (sides[0] / 2) - 0.5
        columns = (x.ravel() - shift[:, 1:] + 1) * (sides[1] / 2) - 0.5
        seen = [
            ndimage.map_coordinates(one, [rows, columns], order=3, prefilter=False, mode="nearest")
            for one in splines
        ]
        return _centred(np.stack(seen, 1), weight)

    share = np.arange(TRIED) / TRIED
    each = np.stack(np.meshgrid(share, share, indexing="ij"), -1).reshape(-1, 2)
    tried = modulo(each @ cell, cell)
    target = _centred(pictures.reshape(len(pictures), len(reference), -1).astype(float), weight)
    options = shown(tried)
    size = np.sqrt((options**2).sum(1))
    shift = tried[(target @ options.T / np.maximum(size, 1e-12)).argmax(1)]
    nudge = 0.5 / sides.max()
    for _ in range(STEPS):
        here = shown(shift)
        slopes = [
            (shown(shift + step) - shown(shift - step)) / (2 * nudge)
            for step in (np.array([nudge, 0.0]), np.array([0.0, nudge]))
        ]
        left = target - here
        one, other = slopes
        normal = np.stack(
            [
                np.stack([(one * one).sum(1), (one * other).sum(1)], -1),
                np.stack([(one * other).sum(1), (other * other).sum(1)], -1),
            ],
            -2,
        )
        right = np.stack([(one * left).sum(1), (other * left).sum(1)], -1)
        ridge = 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12
        move = np.linalg.solve(normal + ridge * np.eye(2), right[..., None])[..., 0]
        shift = shift + np.clip(move, -4 * nudge, 4 * nudge)
    return modulo(shift, cell)


def _centred(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values (row, channel, pixel) less their weighted means, times the roots of the weights: (row,
    channel · pixel)."""
    apart = values - (values * weight).sum(-1, keepdims=True)
    return (apart * np.sqrt(weight)).reshape(len(values), -1)
