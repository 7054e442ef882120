"""Walls fitted to the picture: every curve, the width of walls and the blur of the tip at once.

The picture is that of ``response``; curves are splines whose coefficients move along the normals,
with the prior of ``smoothness``. Gauss-Newton steps lead to the most probable curves, the curvature
there (Laplace) to their errors, in which those of width, tip and states are contained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from vaescope.walls import response, smoothness
from vaescope.walls.curve import Curve
from vaescope.walls.nearest import Nearest
from vaescope.walls.response import DomainStates, WallProfile
from vaescope.walls.signal import Signal
from vaescope.walls.spline import CurveFrame, Spline, through

KNOT = 4.0  # px from knot to knot
_STEPS = 16
_SETTLED = 4  # steps in which states and curves settle
_ENOUGH = 0.02  # px: after smaller steps of the curves,
_ALIKE = 0.1  # and of the numbers of the profile, none follows
_KEPT = 2  # steps in which curves settle on the profile with which the search begins
_FARTHEST = 1.5  # px that a coefficient moves in one step
_FLOOR = 1e-8  # px⁻², precision without which coefficients outside the picture had none
_HELD = 0.1  # px⁻², precision of the outermost coefficients of open curves
_RESOLVED = np.log(1.2)  # of px: of a narrower profile pixels show too little for that pull
_SELDOM = 2  # steps after which the pull of errors on the profile is found again
_DIFFERENCE = 0.05  # over which it is found
_SPLIT = 4.0  # by which the errors of the profile grow for that of the width, where the tip is not
# known: how wide wall and tip are apart rests on its exact shape; so much more do widths scatter
_CHUNK = 256  # columns of the covariance that are held at once


@dataclass
class FittedWalls:
    """Curves, shape of the profile, stiffness (difference,) in px³ of each curve, and the normal
    equations at them.

    ``first`` are the numbers of the first coefficient of every curve, and of the one behind all;
    ``system`` is factorised of the coefficients alone, ``mixed`` and ``rest`` join them to what
    else is fitted; ``residual`` (y, x) is the picture without the model.
    """

    splines: list[Spline]
    shape: WallProfile
    stiffness: list[np.ndarray]
    bends: list[smoothness.Bend]
    frames: list[CurveFrame]
    first: np.ndarray
    system: SuperLU
    mixed: np.ndarray
    rest: np.ndarray
    states: DomainStates
    residual: np.ndarray
    nearest: Nearest

    def covariance(self, chosen: np.ndarray) -> np.ndarray:
        """Columns (coefficient, column) of the covariance of all coefficients with chosen ones."""
        unit = np.zeros((int(self.first[-1]), len(chosen)))
        unit[chosen, np.arange(len(chosen))] = 1
        own = self.system.solve(unit)
        return own + self.mixed @ np.linalg.solve(self.rest, self.mixed[chosen].T)

    def width_error(self) -> float:
        """Standard error of the half width in px: by how much it changes within the errors of the
        numbers of the profile, on the side on which it changes more."""
        scatter = _SPLIT if self.shape.known is None else 1.0
        count = len(self.shape.free)
        along, axes = np.linalg.eigh(np.linalg.inv(self.rest)[:count, :count])
        changes = [
            max(abs(self.shape.changed(way * step).width - self.shape.width) for way in (1, -1))
            for step in (scatter * np.sqrt(np.maximum(along, 0.0)) * axes).T
        ]
        return float(np.linalg.norm(changes))


def fit(signal: Signal, curves: Sequence[Curve], tip: float | None) -> FittedWalls:
    """Fit all walls of a frame at once.

    Parameters
    ----------
    signal : the piezoresponse of the frame.
    curves : where the walls are, to about a pixel, the positive domain on their left.
    tip : px, standard deviation of the blur; None: to be found.
    """
    splines = [through(curve, KNOT) for curve in curves]
    shape, kept = WallProfile.start(tip), None
    pull = np.zeros(len(shape.free))
    stiffness: list[np.ndarray] | None = None
    for number in range(_STEPS):
        fitted, right, change = _equations(signal, splines, shape, stiffness, kept, pull)
        after = shape if number < _KEPT else shape.moved(change)
        # Curves follow the change of the profile that is made, not the one it would be.
        change[: len(pull)] = after.numbers - shape.numbers
        moves = np.clip(right - fitted.mixed @ change, -_FARTHEST, _FARTHEST)
        still = _still(moves) and np.abs(change[: len(pull)]).max() < _ALIKE
        if number == _STEPS - 1 or (number > _SETTLED and still):
            break
        if number:
            if number % _SELDOM == 0:
                resolved = shape.size > _RESOLVED
                pull = _pull_of_errors(fitted, signal) if resolved else np.zeros(len(pull))
            stiffness = _stiffness(fitted, number)
        parts = np.split(moves, fitted.first[1:-1])
        splines = [spline.moved(part) for spline, part in zip(splines, parts, strict=True)]
        shape = after
        kept = fitted.states if number > _SETTLED else None
    return fitted


def _still(moves: np.ndarray) -> bool:
    """Whether curves move no more, but for a few coefficients outside the picture."""
    return bool(np.percentile(np.abs(moves), 95) < _ENOUGH)


def _equations(
    signal: Signal,
    splines: list[Spline],
    shape: WallProfile,
    stiffness: list[np.ndarray] | None,
    kept: DomainStates | None,
    pull_of_errors: np.ndarray,
) -> tuple[FittedWalls, np.ndarray, np.ndarray]:
    """The fit as it is, and steps to a better one: of the coefficients, as long as nothing else
    changes, and of what else is fitted, the numbers of the profile and the two states."""
    frames = [CurveFrame.of(spline, spline.at) for spline in splines]
    first = np.concatenate([[0], np.cumsum([len(spline.coefficient) for spline in splines])])
    nearest = Nearest.of(signal.in_phase.shape, splines, frames)
    profile = shape.profile(nearest.distance)
    states = kept or response.states(signal.in_phase, signal.measured, profile, signal.noise)
    residual = signal.in_phase - states.middle - states.half * profile
    band = (np.abs(nearest.distance) < shape.reach) & signal.measured
    scale = (states.half / signal.noise)[band]
    slopes = sparse.diags(scale) @ _slopes(splines, first, nearest, band, shape)
    others = [scale * part[band] for part in shape.slopes(nearest.distance)]
    others += [np.full(band.sum(), 1 / signal.noise), profile[band] / signal.noise]
    beside = np.stack(others, axis=1)
    left = residual[band] / signal.noise
    bends = [smoothness.Bend.of(*pair) for pair in zip(splines, frames, strict=True)]
    stiffness = stiffness or [np.full(len(bend.length), smoothness.START) for bend in bends]
    pairs = list(zip(bends, stiffness, strict=True))
    prior = sparse.block_diag([bend.precision(stiff) for bend, stiff in pairs], format="csr")
    pull = np.concatenate([bend.pull(stiff) for bend, stiff in pairs])
    system = (slopes.T @ slopes + prior + _held(splines)).tocsc()
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    cross = slopes.T @ beside
    mixed = factors.solve(cross)
    known, drawn = np.zeros(len(others)), np.zeros(len(others))
    known[: len(others) - 2], drawn[: len(others) - 2] = shape.prior()
    drawn[: len(others) - 2] += pull_of_errors
    rest = beside.T @ beside + np.diag(known) - cross.T @ mixed
    right = factors.solve(slopes.T @ left + pull)
    change = np.linalg.solve(rest, beside.T @ left + drawn - cross.T @ right)
    fitted = FittedWalls(
        splines,
        shape,
        stiffness,
        bends,
        frames,
        first,
        factors,
        mixed,
        rest,
        states,
        residual,
        nearest,
    )
    return fitted, right, change


def _slopes(
    splines: list[Spline], first: np.ndarray, nearest: Nearest, band: np.ndarray, shape: WallProfile
) -> sparse.csr_matrix:
    """Derivatives (pixel of the band, coefficient) of the profile by the coefficients."""
    distance, curve, at = (part[band] for part in (nearest.distance, nearest.curve, nearest.at))
    rows, columns, values = [], [], []
    for number, spline in enumerate(splines):
        here = np.flatnonzero((curve == number) & (np.abs(distance) < response.REACH * shape.width))
        place = at[here]
        count = spline.intervals
        place = place % count if spline.closed else np.clip(place, 0, count)
        moved = CurveFrame.of(spline, place).shift(spline.normals).tocoo()
        steep = -(np.cosh(distance[here] / shape.width) ** -2) / shape.width
        rows.append(here[moved.row])
        columns.append(moved.col + first[number])
        values.append(moved.data * steep[moved.row])
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    found = sparse.csr_matrix(entries, (len(distance), int(first[-1])))
    for part in response.blur(band, shape.tip):
        found = part @ found
    return found


def _pull_of_errors(fitted: FittedWalls, signal: Signal) -> np.ndarray:
    """Pull on the free numbers of the profile that makes them most probable with the curves
    integrated out, not along with them: minus half the derivative of the logarithm of the
    determinant of the normal equations. Without it curves that follow the noise make tips narrow.
    """
    shape = fitted.shape
    band = (np.abs(fitted.nearest.distance) < shape.reach) & signal.measured
    scale = sparse.diags((fitted.states.half / signal.noise)[band])
    changes = []
    for name in shape.free:
        less, more = (
            scale @ _slopes(fitted.splines, fitted.first, fitted.nearest, band, other)
            for other in (shape.beside(name, -_DIFFERENCE), shape.beside(name, _DIFFERENCE))
        )
        changes.append(((more.T @ more - less.T @ less) / (2 * _DIFFERENCE)).tocsc())
    found = np.zeros(len(shape.free))
    for start in range(0, size := int(fitted.first[-1]), _CHUNK):
        chosen = np.arange(start, min(start + _CHUNK, size))
        columns = fitted.covariance(chosen)
        found -= [0.5 * float(part[:, chosen].multiply(columns).sum()) for part in changes]
    return found


def _held(splines: list[Spline]) -> sparse.csr_matrix:
    """Precision that holds the coefficients beyond the ends of open curves, about which a picture
    says little."""
    found = []
    for spline in splines:
        part = np.full(len(spline.coefficient), _FLOOR)
        if not spline.closed:
            part[:2] = part[-2:] = _HELD
        found.append(part)
    return sparse.diags(np.concatenate(found)).tocsr()


def _stiffness(fitted: FittedWalls, number: int) -> list[np.ndarray]:
    """The stiffness after one update."""
    spread = []
    for first, bend in zip(fitted.first, fitted.bends, strict=False):
        size = bend.slope[0].shape[1]
        variance = np.zeros(len(bend.length))
        for start in range(0, size, _CHUNK):
            chosen = np.arange(start, min(start + _CHUNK, size))
            columns = fitted.covariance(first + chosen)[first : first + size]
            for slope in bend.slope:
                product = slope[:, chosen].multiply(slope @ columns)
                variance += np.asarray(product.sum(1)).ravel()
        spread.append(bend.length * variance)
    return smoothness.updated(fitted.stiffness, fitted.bends, spread, number)
