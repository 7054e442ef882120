"""Train a detector of walls on simulated domains, and measure how often it is mistaken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vaescope.learned.calibration import calibration, logit
from vaescope.learned.optimise import train_members
from vaescope.learned.settings import DetectorSettings
from vaescope.progress import track
from vaescope.simulate import domains
from vaescope.walls.learned.tracing import LOWEST, candidates, traced
from vaescope.walls.learned.wall_detector import (
    DOMAIN,
    MAPS,
    WALL,
    WallDetector,
    look,
    maps,
)
from vaescope.walls.learned.wall_scenes import (
    WallScene,
    disturbed,
    near_walls,
    recorded,
    wall_scene,
)
from vaescope.walls.signal import Signal

_STATE_WEIGHT = 0.3  # of the states' cross entropy beside that of the walls
_RIM = 8  # px of a picture that do not count: the state outside is unknown
_JUDGED = 32  # scenes on which the finished members are calibrated
_TOLERANCE = 2.0  # px: a point of a wall so near to a true one is right
_EMPTY = 32  # pictures without walls by which the threshold is chosen
_EMPTY_SIDE = 256  # px
_FALSE = 0.01  # share of them in which a curve is found
_THRESHOLDS = (0.4, 0.95)  # least and greatest
_FAINT = 0.5  # of the noise: what background and topography of a picture of noise are measured by


def train(
    settings: DetectorSettings, *, threads: int = 1, log: Callable[[str], None] = print
) -> WallDetector:
    """Train a detector of walls, for ``walls.find(…, detector=…)`` with the finder `learned`.

    Parameters
    ----------
    settings : of the detector.
    threads : members trained at once on a CPU; the result does not depend on it.
    log : called with lines about the progress.
    """
    log(f"drawing {settings.images} scenes of {', '.join(settings.simulate)}")
    pool = draw(settings, settings.images, 0)

    def drawn(rng: np.random.Generator) -> tuple[Tensor, ...]:
        return batch(pool, settings.batch, rng)

    members = train_members(settings, MAPS, drawn, loss, threads=threads, log=log)
    scenes = draw(settings, _JUDGED, 3)
    facts: dict[str, Any] = {"calibration": list(_calibration(members, scenes, settings.seed))}
    detector = WallDetector(members, settings, facts)
    facts |= _threshold(detector, np.random.default_rng([settings.seed, 4]))
    facts |= _accuracy(detector, scenes, np.random.default_rng([settings.seed, 5]))
    log(
        f"on simulated images: F1 {facts['f1']:.3f}; a wall in {facts['false_alarms']:.2%} of"
        f" pictures of {_EMPTY_SIDE} × {_EMPTY_SIDE} px of noise"
    )
    return detector


def draw(settings: DetectorSettings, count: int, stream: int) -> list[WallScene]:
    """Scenes of all systems in turn; another ``stream`` gives others."""
    rng = np.random.default_rng([settings.seed, stream])
    names = settings.simulate
    each = (wall_scene(names[k % len(names)], rng) for k in range(count))
    return list(track("drawing scenes", each, count))


def batch(
    pool: list[WallScene], size: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures (batch, 1, y, x), which of their pixels are walls, which are in one of the states
    (batch, y, x), and whether there are states at all (batch,)."""
    shown = [recorded(pool[index], rng) for index in rng.integers(len(pool), size=size)]

    def stacked(pictures: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(pictures).astype(np.float32))

    return (
        stacked([one.picture for one in shown])[:, None],
        stacked([one.wall for one in shown]),
        stacked([one.domain for one in shown]),
        torch.tensor([not one.blank for one in shown]),
    )


def loss(logits: Tensor, wall: Tensor, domain: Tensor, states: Tensor) -> Tensor:
    """Cross entropy of the walls, and of the states where there are any."""
    value = functional.binary_cross_entropy_with_logits(logits[:, WALL], wall)
    each = functional.binary_cross_entropy_with_logits(
        logits[:, DOMAIN], domain, reduction="none"
    ).mean(dim=(1, 2))
    return value + _STATE_WEIGHT * (each * states).sum() / states.sum().clamp(min=1)


def _calibration(members: list[Any], scenes: list[WallScene], seed: int) -> tuple[float, float]:
    """Of the score of a pixel, on scenes that no member has seen."""
    rng = np.random.default_rng([seed, 2])
    scores, right = [], []
    for scene in scenes:
        shown = recorded(scene, rng)
        inner = (slice(_RIM, -_RIM),) * 2
        scores.append(look(members, shown.picture)[:, WALL].mean(axis=0)[inner].ravel())
        right.append(shown.wall[inner].ravel())
    return calibration(np.concatenate(scores), np.concatenate(right))


def _threshold(detector: WallDetector, rng: np.random.Generator) -> dict[str, float]:
    """Score above which a curve is a wall, and the share of pictures of noise with one above it.

    The largest score in pictures without walls follows about a Gumbel distribution in its logarithm
    of the odds, as the largest of many values does (E. J. Gumbel, Statistics of Extremes, 1958).
    """
    odds = logit(np.array([_largest(detector, empty(rng)) for _ in range(_EMPTY)]))
    scale = max(float(odds.std()) * np.sqrt(6) / np.pi, 1e-3)
    mode = float(odds.mean()) - np.euler_gamma * scale
    needed = max(mode - scale * np.log(-np.log1p(-_FALSE)), float(odds.max()))
    threshold = float(np.clip(1 / (1 + np.exp(-needed)), *_THRESHOLDS))
    above = -np.expm1(-np.exp(-(float(logit(np.array(threshold))) - mode) / scale))
    return {"threshold": threshold, "false_alarms": float(above)}


def empty(rng: np.random.Generator) -> Signal:
    """A picture of noise, with disturbed lines and faint background, without walls."""
    shape = (_EMPTY_SIDE, _EMPTY_SIDE)
    slope = np.gradient(domains.smooth(_EMPTY_SIDE, rng.uniform(3, 20), rng), axis=1)
    picture = disturbed(np.zeros(shape), slope / slope.std(), 1.0, rng, present=_FAINT)
    return Signal(picture, np.ones(shape, bool), 1.0, float(np.median(picture)))


def _largest(detector: WallDetector, signal: Signal) -> float:
    """The largest score of a curve in a picture."""
    found = candidates(maps(detector, signal), signal.measured)
    return max((each.score for each in found), default=LOWEST)


def _accuracy(
    detector: WallDetector, scenes: list[WallScene], rng: np.random.Generator
) -> Mapping[str, float]:
    """Precision and recall of points of walls in scenes that no member has seen."""
    right = found = seen = there = 0
    for scene in scenes:
        shown = recorded(scene, rng)
        if shown.blank:
            continue
        measured = np.ones(shown.picture.shape, bool)
        signal = Signal(shown.picture, measured, 1.0, 0.0)
        curves = [curve.place for curve in traced(detector, signal)]
        place = np.concatenate([np.zeros((0, 2)), *curves])
        near_true = near_walls(np.argwhere(shown.wall).astype(float), shown.wall.shape, _TOLERANCE)
        near_found = near_walls(place, shown.wall.shape, _TOLERANCE)
        y, x = np.rint(place).astype(int).T
        right, found = right + int(near_true[y, x].sum()), found + len(place)
        seen, there = seen + int(near_found[shown.wall].sum()), there + int(shown.wall.sum())
    precision, recall = right / max(found, 1), seen / max(there, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    return {"precision": precision, "recall": recall, "f1": f1}
