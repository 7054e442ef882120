"""Where walls are pinned: a map of the probability that a place pins, from all frames.

A free wall moves by v = m + b κ along its normal between two frames: m by the field, b κ by its own
tension (κ the curvature). m, for each pair of frames, and b are fitted to all walls, robustly, with
the errors of κ taken out. A wall at a place that pins stays where it is with the probability q, and
else moves freely; elsewhere it moves freely. The log odds of the two, summed over all frames in
which a wall is within about 1.5 px of a place, and the share of places that pin, estimated from the
map itself, give the posterior probability. The tension matters: next to a pinned place a wall bows
out until it is held by its neighbour, and only the place that holds it moves against its tension.

Whether there is pinning at all is tested against movies in which the signs of the differences
between displacement and v are drawn at random, stretch by stretch (wild bootstrap).

Sources: S. Lemerle et al., Phys. Rev. Lett. 80 (1998) 849 (walls as elastic lines in a pinning
potential); C. F. J. Wu, Ann. Stat. 14 (1986) 1261 (wild bootstrap).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from vaescope.walls.follow import Followed, lengths
from vaescope.walls.registration import Registration
from vaescope.walls.wall import Wall

RADIUS = 1.5
"""px, standard deviation of the neighbourhood in which a wall is at a place."""
_HELD = 0.7  # q, probability that a wall stays at a place that pins
_WILD = 0.1, 4.0  # share of displacements with larger errors, and by how much
_ROUNDS = 12  # of the robust fit
_BISQUARE = 4.5  # standard deviations, beyond which a difference does not count (J. W. Tukey)
_MOVING = 3.0  # errors by which places move that the fit starts from
_PRIOR = 0.01, 1e-4, 0.2  # share of places that pin: at first, least, most
_FEW = 4.0  # independent places that move, without which the fit starts from all
_VISITED = 0.2  # independent places of wall within reach, from which on a place is known
_STRETCH = 10.0  # px of wall whose differences have one sign in the test
_DRAWS = 199
_LARGEST = 40.0  # log odds of a place


@dataclass(frozen=True)
class Motion:
    """All places of walls that were followed to the next frame; arrays over places.

    ``place`` : (place, 2) px (y, x) in the first frame, drift taken out. ``moved``, ``error`` : px
    along the normal. ``free`` : px by which a free wall would have moved, with ``free_error``.
    ``weight`` : independent observations that the place stands for. ``stretch`` : number of the
    stretch of wall that it belongs to. ``field`` : (frame - 1,) px, m. ``tension`` : px², b.
    """

    place: np.ndarray
    moved: np.ndarray
    error: np.ndarray
    free: np.ndarray
    free_error: np.ndarray
    weight: np.ndarray
    stretch: np.ndarray
    field: np.ndarray
    tension: float


@dataclass(frozen=True)
class PinningMap:
    """Where walls are pinned.

    ``probability`` : (y, x) that a pixel pins, NaN where no wall has been. ``log_odds`` : (y, x) by
    the observations alone, without the prior; 0 where no wall has been. ``visits`` : (y, x)
    independent observations of a wall. ``prior`` : share of places that pin. ``p_value`` : of the
    strongest place, if nothing pinned.
    """

    probability: np.ndarray
    log_odds: np.ndarray
    visits: np.ndarray
    prior: float
    p_value: float

    @property
    def visited(self) -> np.ndarray:
        """(y, x) where a wall has been."""
        return self.visits > _VISITED


def motion_of(
    frames: Sequence[Sequence[Wall]], followed: Followed, registration: Registration
) -> Motion | None:
    """How walls moved, and how they would have moved if free; None where none was followed."""
    columns: dict[str, list[np.ndarray]] = {
        key: [] for key in ("place", "moved", "error", "kappa", "kappa_error", "weight", "stretch")
    }
    frame, newest = [], 0
    for index, steps in enumerate(followed.steps):
        for wall, step in zip(frames[index], steps, strict=True):
            keep = np.isfinite(step.displacement) & (step.error > 0)
            length = lengths(wall)
            stretch = (np.cumsum(length) // _STRETCH).astype(int)
            independent = np.minimum(1.0, length / np.maximum(wall.error_length, 1e-9))
            for key, values in {
                "place": wall.place - registration.offset[index],
                "moved": step.displacement,
                "error": step.error,
                "kappa": wall.curvature,
                "kappa_error": wall.curvature_error,
                "weight": independent,
                "stretch": stretch + newest,
            }.items():
                columns[key].append(values[keep])
            newest += int(stretch.max(initial=0)) + 1
            frame.append(np.full(int(keep.sum()), index))
    if not frame or not sum(map(len, frame)):
        return None
    c = {key: np.concatenate(values) for key, values in columns.items()}
    which = np.concatenate(frame)
    field, tension, spread = _free(c, which, len(followed.steps))
    free_error = np.hypot(tension * c["kappa_error"], spread)
    return Motion(
        c["place"],
        c["moved"],
        c["error"],
        field[which] + tension * c["kappa"],
        free_error,
        c["weight"],
        c["stretch"],
        field,
        tension,
    )


def _free(
    c: dict[str, np.ndarray], frame: np.ndarray, steps: int
) -> tuple[np.ndarray, float, float]:
    """Field's part of the motion of each step, tension, and what is left beyond all errors, by
    robust weighted least squares with the errors of the curvature taken out."""
    d, kappa = c["moved"], c["kappa"]
    field, tension, spread = np.zeros(steps), 0.0, float(np.std(d))
    # Places that are held would draw the tension down: they are bent and at rest.
    robust = (np.abs(d) > _MOVING * c["error"]).astype(float)
    if (np.bincount(frame, c["weight"] * robust, steps) < _FEW).any():
        robust = np.ones(len(d))
    for _ in range(_ROUNDS):
        variance = c["error"] ** 2 + (tension * c["kappa_error"]) ** 2 + spread**2
        w = c["weight"] * robust / variance
        total = np.bincount(frame, w, steps)
        mean_d = np.bincount(frame, w * d, steps) / np.maximum(total, 1e-300)
        mean_k = np.bincount(frame, w * kappa, steps) / np.maximum(total, 1e-300)
        bent = kappa - mean_k[frame]
        square = float((w * (bent**2 - c["kappa_error"] ** 2)).sum())
        uncertain = float((w * c["kappa_error"] ** 2).sum())
        # A tension that the curvatures cannot determine is none.
        tension = float((w * bent * d).sum()) / square if square > uncertain else 0.0
        field = mean_d - tension * mean_k
        rest = d - field[frame] - tension * kappa
        own = c["error"] ** 2 + (tension * c["kappa_error"]) ** 2
        typical = 1.4826 * float(np.median(np.abs(rest)))
        spread = float(np.sqrt(max(typical**2 - float(np.median(own)), 0.0)))
        z = np.abs(rest) / np.sqrt(own + spread**2 + 1e-12)
        robust = np.maximum(1 - (z / _BISQUARE) ** 2, 0.0) ** 2
    return field, tension, spread


def pinning_map(
    motion: Motion | None, shape: tuple[int, int], rng: np.random.Generator | None = None
) -> PinningMap:
    """Map the probability that a place pins.

    Parameters
    ----------
    motion : of all walls.
    shape : (height, width) of the first frame.
    rng : of the test; None: no test (its p-value is NaN).
    """
    if motion is None:
        nothing = np.zeros(shape)
        return PinningMap(np.full(shape, np.nan), nothing, nothing, 0.0, float("nan"))
    log_odds = _summed(motion, _log_odds(motion, motion.moved), shape)
    visits = _summed(motion, np.ones(len(motion.moved)), shape)
    visited = visits > _VISITED
    prior = _PRIOR[0]
    for _ in range(100):
        posterior = _posterior(log_odds[visited], prior)
        prior = float(np.clip(posterior.mean() if visited.any() else 0.0, *_PRIOR[1:]))
    probability = np.full(shape, np.nan)
    probability[visited] = _posterior(log_odds[visited], prior)
    p_value = float("nan")
    if rng is not None:
        highest = log_odds.max()
        count = int(motion.stretch.max()) + 1
        above = 0
        for _ in range(_DRAWS):
            sign = rng.choice((-1.0, 1.0), count)[motion.stretch]
            drawn = motion.free + sign * (motion.moved - motion.free)
            above += _summed(motion, _log_odds(motion, drawn), shape).max() >= highest
        p_value = (1 + above) / (1 + _DRAWS)
    return PinningMap(probability, np.where(visited, log_odds, 0.0), visits, prior, p_value)


def _posterior(log_odds: np.ndarray, prior: float) -> np.ndarray:
    total = log_odds + np.log(prior / (1 - prior))
    return 1 / (1 + np.exp(-np.clip(total, -_LARGEST, _LARGEST)))


def _log_odds(motion: Motion, moved: np.ndarray) -> np.ndarray:
    """Log odds of each place by itself that it pins, were the walls displaced by ``moved``."""
    still = _likelihood(moved, motion.error)
    free = _likelihood(moved - motion.free, np.hypot(motion.error, motion.free_error))
    return np.log(_HELD * still / free + 1 - _HELD)


def _likelihood(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    share, wide = _WILD
    narrow, broad = (
        np.exp(-0.5 * (difference / (error * scale)) ** 2) / (error * scale) for scale in (1, wide)
    )
    return np.asarray((1 - share) * narrow + share * broad + 1e-12)


def _summed(motion: Motion, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Values of places, each as often as it is independent, summed about every pixel (y, x)."""
    at = np.rint(motion.place).astype(int)
    inside = ((at >= 0) & (at < shape)).all(axis=1)
    sums = np.zeros(shape)
    np.add.at(sums, tuple(at[inside].T), (motion.weight * values)[inside])
    return ndimage.gaussian_filter(sums, RADIUS, mode="constant") * 2 * np.pi * RADIUS**2
