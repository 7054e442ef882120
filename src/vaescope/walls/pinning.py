"""Where walls are pinned: a map of the probability that a place pins, from all frames.

A free wall moves by v = m + b κ along its normal between two frames: m by the field, b κ by its own
tension, with the curvature κ averaged along the wall over √b / 2 px, since a bend spreads while it
flattens (diffusion, in the time between two frames; wider averages blur the map). m, for each pair
of frames, and b are fitted to all walls, robustly, with the errors of κ taken out. A wall at a
place that pins stays where it is with the probability q, and else moves freely; elsewhere it moves
freely. The log odds of the two, summed over all frames in which a wall is within about 1.5 px of a
place, and the share of places that pin, estimated from the map itself, give the posterior
probability. The tension matters: next to a pinned place a wall bows out until it is held by its
neighbour, and only the place that holds it moves against its tension.

Whether there is pinning at all is tested against its mirror image, walls that go as much ahead of v
as pinned ones stay behind: what the model of free walls leaves unexplained is as likely the one as
the other. The evidence of both is compared in squares of 24 px, within which such differences are
alike, with their roles exchanged at random (sign test by randomisation). A few pinning sites in all
are therefore seen on the map, but are not significant.

Source: S. Lemerle et al., Phys. Rev. Lett. 80 (1998) 849 (walls as elastic lines in a pinning
potential).
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
_KNOWN = ("moved", "error", "kappa", "kappa_error", "weight")
_SPREAD = 0.5  # root of the tension, over which the curvature is averaged
_PASSES = 3  # in which the tension is found, by which bends spread
_ROUNDS = 12  # of the robust fit
_BISQUARE = 4.5  # standard deviations, beyond which a difference does not count (J. W. Tukey)
_MOVING = 3.0  # errors by which places move that the fit starts from
_PRIOR = 0.01, 1e-4, 0.2  # share of places that pin: at first, least, most
_FEW = 4.0  # independent places that move, without which the fit starts from all
_VISITED = 0.2  # independent places of wall within reach, from which on a place is known
_TILE = 24  # px, side of a square within which what is not explained is alike
_DRAWS = 9999
_LARGEST = 40.0  # log odds of a place


@dataclass(frozen=True)
class Motion:
    """All places of walls that were followed to the next frame; arrays over places.

    ``place`` : (place, 2) px (y, x) in the first frame, drift taken out. ``moved``, ``error`` : px
    along the normal. ``free`` : px by which a free wall would have moved, with ``free_error``.
    ``weight`` : independent observations that the place stands for. ``field`` : (frame - 1,) px,
    m. ``tension`` : px², b.
    """

    place: np.ndarray
    moved: np.ndarray
    error: np.ndarray
    free: np.ndarray
    free_error: np.ndarray
    weight: np.ndarray
    field: np.ndarray
    tension: float


@dataclass(frozen=True)
class PinningMap:
    """Where walls are pinned.

    ``probability`` : (y, x) that a pixel pins, NaN where no wall has been. ``log_odds`` : (y, x) by
    the observations alone, without the prior; 0 where no wall has been. ``visits`` : (y, x)
    independent observations of a wall. ``prior`` : share of places that pin. ``p_value`` : of as
    much evidence for pinning by chance.
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
    tension = 0.0
    for _ in range(_PASSES):
        # A bend of the wall spreads along it while it flattens, over about the root of the tension.
        c, frame = _places(frames, followed, registration, _SPREAD * np.sqrt(max(tension, 0.0)))
        if not len(frame):
            return None
        field, tension, spread = _free(c, frame, len(followed.steps))
    free_error = np.hypot(tension * c["kappa_error"], spread)
    return Motion(
        c["place"],
        c["moved"],
        c["error"],
        field[frame] + tension * c["kappa"],
        free_error,
        c["weight"],
        field,
        tension,
    )


def _places(
    frames: Sequence[Sequence[Wall]],
    followed: Followed,
    registration: Registration,
    smooth: float,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What is known of all places that were followed, with their curvature averaged along the wall
    by a Gaussian of ``smooth`` px, and the frame of each."""
    columns: dict[str, list[np.ndarray]] = {
        "place": [np.zeros((0, 2))],
        **{key: [np.zeros(0)] for key in _KNOWN},
    }
    frame = [np.zeros(0, int)]
    for index, steps in enumerate(followed.steps):
        for wall, step in zip(frames[index], steps, strict=True):
            keep = np.isfinite(step.displacement) & (step.error > 0)
            length = lengths(wall)
            kappa, kappa_error = _flattened(wall, smooth)
            for key, values in {
                "place": wall.place - registration.offset[index],
                "moved": step.displacement,
                "error": step.error,
                "kappa": kappa,
                "kappa_error": kappa_error,
                "weight": np.minimum(1.0, length / np.maximum(wall.error_length, 1e-9)),
            }.items():
                columns[key].append(values[keep])
            frame.append(np.full(int(keep.sum()), index))
    return {key: np.concatenate(values) for key, values in columns.items()}, np.concatenate(frame)


def _flattened(wall: Wall, smooth: float) -> tuple[np.ndarray, np.ndarray]:
    """Curvature of a wall averaged along it, and its standard error."""
    steps = wall.steps
    if not smooth or not len(steps):
        return wall.curvature, wall.curvature_error
    sd = smooth / max(float(np.median(steps)), 1e-6)
    mode = "wrap" if wall.closed else "nearest"
    kappa = ndimage.gaussian_filter1d(wall.curvature, sd, mode=mode)
    few = np.minimum(1.0, wall.error_length / (2 * np.sqrt(np.pi) * smooth))
    return kappa, wall.curvature_error * np.sqrt(few)


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
        mirrored = _summed(motion, _log_odds(motion, 2 * motion.free - motion.moved), shape)
        p_value = _asymmetry(log_odds, mirrored, visited, rng)
    return PinningMap(probability, np.where(visited, log_odds, 0.0), visits, prior, p_value)


def _asymmetry(
    log_odds: np.ndarray, mirrored: np.ndarray, visited: np.ndarray, rng: np.random.Generator
) -> float:
    """p-value of more evidence for pinning than for its mirror image, tile by tile of the map."""
    rows, columns = (np.arange(n) // _TILE for n in visited.shape)
    tile = (rows[:, None] * (columns[-1] + 1) + columns)[visited]
    if not tile.size:
        return float("nan")
    labels = np.unique(tile)
    evidence = [
        np.log1p(_PRIOR[0] * np.expm1(np.minimum(_LARGEST, _highest(odds[visited], tile, labels))))
        for odds in (log_odds, mirrored)
    ]
    difference = (evidence[0] - evidence[1]) / 2
    signs = rng.choice((-1.0, 1.0), (_DRAWS, len(labels)))
    above = (signs @ difference >= difference.sum() - 1e-9).sum()
    return float((1 + above) / (1 + _DRAWS))


def _highest(values: np.ndarray, tile: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return np.asarray(ndimage.maximum(values, tile, labels))


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
