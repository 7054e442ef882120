"""What walls do between frames, against the truth: displacement, pinned places, pinning sites.

* `displacement`: two frames of walls at rest on a specimen that drifts, found and fitted as by the
  workflow. Root mean square displacement over the stated error (`ratio`), share beyond 3 errors.
* `pinned`: parts of the walls are displaced by 3 errors, the others rest. Precision and recall of
  places whose probability to be pinned exceeds 1/2.
* `pinning`: movies of 20 frames with pinning sites. Area under the ROC curve of the log odds, of
  visited pixels within 3 px of a site against those beyond 6 px (`roc`), and of sites against
  random visited places (`roc_sites`), each by its largest log odds within 3 px; p-value of the
  test.
* `null`: movies without pinning sites: p-values of the test, and of the association with random
  places that stand for defects; the highest probability to pin.

Walls of `pinning` and `null` are found and fitted (`walls=found`), or the true ones with errors
drawn (`walls=drawn`: 0.15 px, correlated over 4 px, curvature 0.015/px).

    python benchmarks/walls_movies.py [displacement pinned pinning null] [--seeds 60 61 62 63]
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.metrics import roc_auc_score

from vaescope import simulate
from vaescope.simulate import domains, piezoresponse
from vaescope.simulate.level_sets import Sampled
from vaescope.simulate.piezo_movies import film
from vaescope.simulate.specimen_drift import drifting
from vaescope.walls.association import association, pixels_of
from vaescope.walls.finding import find
from vaescope.walls.follow import follow
from vaescope.walls.pinning import PinningMap, motion_of, pinning_map
from vaescope.walls.registration import register
from vaescope.walls.settings import WallFinding
from vaescope.walls.signal import Signal, noise_of, signal_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "unit"))

from known_walls import frames_of, registered  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "walls_movies.csv"
SEEDS = (60, 61, 62, 63)
NOISES = (0.15, 0.4, 0.8)
RIM = 8.0  # px at the rim in which nothing counts
ERROR, CURVATURE_ERROR = 0.15, 0.015  # px and 1/px, of walls that are drawn
NULLS, FOUND_NULLS = 40, 8
COLUMNS = ("what", "noise", "seed", "walls", "measure", "value", "seconds")
Row = dict[str, Any]


def followed(signals: Sequence[Signal], heights: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """Walls of each frame, the registration, and the walls followed."""
    frames = [find(signal, WallFinding()) for signal in signals]
    measured = [signal.measured for signal in signals]
    drift = register([signal.in_phase for signal in signals], measured, heights)
    return frames, drift, follow(frames, drift)


def parts(movie: xr.Dataset) -> tuple[list[Signal], list[np.ndarray]]:
    """Signals and heights of a simulated movie."""
    frames = range(movie.sizes["time"])
    heights = [np.asarray(movie["image"].values[frame, 2], float) for frame in frames]
    return [signal_of(movie, frame) for frame in frames], heights


def scored(place: np.ndarray, truth: np.ndarray, apart: np.ndarray, side: int) -> np.ndarray:
    """Which places (point,) count: near a true wall, and not where the truth is left out."""
    away, near = cKDTree(truth).query(place)
    inside = ((place > RIM) & (place < side - 1 - RIM)).all(axis=1)
    return np.asarray(inside & (away < 3) & ~apart[near])


def displacement(noise: float, seed: int) -> dict[str, float]:
    """Walls at rest."""
    movie = simulate.make(f"walls?size=192&frames=2&drift=1.3&noise={noise}", seed).load()
    frames, drift, moved = followed(*parts(movie))
    first = movie.truth_frame.values == 0
    truth = np.stack([movie.truth_y.values, movie.truth_x.values], axis=1)[first]
    apart = movie.truth_apart.values[first]
    steps: list[np.ndarray] = []
    errors: list[np.ndarray] = []
    for wall, step in zip(frames[0], moved.steps[0], strict=True):
        use = scored(wall.place, truth, apart, 192) & np.isfinite(step.displacement)
        steps.append(step.displacement[use])
        errors.append(step.error[use])
    d, error = np.concatenate(steps), np.concatenate(errors)
    true = np.array([movie.truth_drift_y.values[1], movie.truth_drift_x.values[1]])
    rms = float(np.sqrt(np.mean(d**2)))
    return {
        "rms": rms,
        "ratio": rms / float(np.sqrt(np.mean(error**2))),
        "beyond 3 errors": float(np.mean(np.abs(d) > 3 * error)),
        "drift off": float(np.abs(drift.step[0] - true).max()),
        "drift error": float(drift.error.max()),
    }


def pinned(noise: float, seed: int) -> dict[str, float]:
    """Walls of which parts moved by three errors."""
    side = 192
    p = piezoresponse.Recorder(size=side, noise=noise)
    rng = np.random.default_rng(seed)
    drift = drifting(0.0, 2, rng)
    reach = piezoresponse.margin(p)
    plane = domains.plane("random", -reach, side - 1 + reach, 14.0, 0.5, rng)
    axis = np.arange(-reach, side + reach, dtype=float)
    value = plane.grid(axis)
    slope = np.stack(np.gradient(value))
    unit = slope / np.maximum(np.hypot(*slope), 1e-12)
    moving = domains.smooth(len(axis), 24.0, rng)
    share = np.clip(0.5 + moving / 0.15, 0, 1)  # at rest where 0
    once = film([plane, plane], p, drift, reach, np.random.default_rng([seed, 1]))
    walls = find(_signal(once.channels[0]), WallFinding())
    step = 3 * np.sqrt(2) * float(np.median(np.concatenate([w.normal_error for w in walls])))
    # What is seen at p was at p + step n: walls move by the step along their normals.
    came = np.indices(value.shape) + step * share * unit
    other = Sampled(ndimage.map_coordinates(value, came, order=3, mode="nearest"), -reach)
    made = film([plane, other], p, drift, reach, np.random.default_rng([seed, 1]))
    signals = [_signal(frame) for frame in made.channels]
    frames, _, moved = followed(signals, list(made.channels[:, 2]))
    true = made.curves[0]
    inner = share[reach:-reach, reach:-reach]
    hit = said = wanted = 0
    for wall, taken in zip(frames[0], moved.steps[0], strict=True):
        own = ndimage.map_coordinates(inner, wall.place.T, order=1, mode="nearest")
        use = scored(wall.place, true.place, true.apart, side) & ((own < 0.05) | (own > 0.95))
        use &= np.isfinite(taken.pinned)
        found, rest = taken.pinned[use] > 0.5, own[use] < 0.05
        hit, said, wanted = hit + (found & rest).sum(), said + found.sum(), wanted + rest.sum()
    return {
        "step": step,
        "precision": float(hit / max(said, 1)),
        "recall": float(hit / max(wanted, 1)),
    }


def _signal(channels: np.ndarray) -> Signal:
    seen = np.ones(channels.shape[1:], bool)
    return Signal(channels[0], seen, noise_of(channels[0], seen), 0.0, channels[1])


def pinning(noise: float, seed: int, drawn: bool) -> dict[str, float]:
    """Pinning sites of a movie of 20 frames."""
    movie = simulate.make(f"switching?noise={noise}", seed).load()
    return sites_found(movie, _walls(movie, seed, drawn), seed)


def sites_found(movie: xr.Dataset, walls: tuple[Any, ...], seed: int) -> dict[str, float]:
    """How well the pinning sites of a movie are found from its walls, as `followed` gives them."""
    found = _mapped(movie, walls, seed)
    pins = np.stack([movie.truth_pinning_y.values, movie.truth_pinning_x.values], axis=1)
    place, odds = np.argwhere(found.visited), found.log_odds[found.visited]
    away = cKDTree(pins).query(place)[0]
    use = (away <= 3) | (away > 6)
    tree = cKDTree(place)
    visited = [pin for pin in pins if tree.query(pin)[0] < 1.5]
    rng = np.random.default_rng(seed)
    far = place[away > 10]
    others = far[rng.choice(len(far), 300, replace=False)]
    best = [
        np.array([odds[tree.query_ball_point(at, 3)].max() for at in places])
        for places in (visited, others)
    ]
    label = np.repeat([1, 0], [len(best[0]), len(best[1])])
    defects = association(found, pixels_of([pins], found.visited.shape), "defects")
    return {
        "roc": float(roc_auc_score(away[use] <= 3, odds[use])),
        "roc_sites": float(roc_auc_score(label, np.concatenate(best))),
        "sites visited": float(len(visited)),
        "p_value": found.p_value,
        "p_value of the association with the sites": defects.p_value,
    }


def null(noise: float, seed: int, drawn: bool) -> dict[str, float]:
    """A movie without pinning sites."""
    name = f"switching?size=128&frames=12&pinning=0&noise={noise}"
    movie = simulate.make(name, seed).load()
    return none_found(movie, _walls(movie, seed, drawn), seed)


def none_found(movie: xr.Dataset, walls: tuple[Any, ...], seed: int) -> dict[str, float]:
    """What is said of a movie without pinning sites."""
    found = _mapped(movie, walls, seed)
    rng = np.random.default_rng([seed, 9])
    place = np.argwhere(found.visited)
    chosen = place[rng.choice(len(place), 10, replace=False)]
    defects = association(found, pixels_of([chosen], found.visited.shape), "defects")
    return {
        "highest probability": float(np.nanmax(found.probability)),
        "p_value": found.p_value,
        "p_value of the association": defects.p_value,
    }


def _walls(movie: xr.Dataset, seed: int, drawn: bool) -> tuple[Any, ...]:
    if not drawn:
        return followed(*parts(movie))
    rng = np.random.default_rng([seed, 8])
    frames, drift = frames_of(movie, ERROR, CURVATURE_ERROR, rng), registered(movie)
    return frames, drift, follow(frames, drift)


def _mapped(movie: xr.Dataset, walls: tuple[Any, ...], seed: int) -> PinningMap:
    frames, drift, moved = walls
    shape = movie.sizes["y"], movie.sizes["x"]
    motion = motion_of(frames, moved, drift)
    return pinning_map(motion, shape, np.random.default_rng([seed, 7]))


def rows_of(
    what: str, run: Callable[..., dict[str, float]], noise: float, seed: int, walls: str, *more: Any
) -> list[Row]:
    """Measure once; print and give a row for each number."""
    start = time.process_time()
    values = run(noise, seed, *more)
    seconds = time.process_time() - start
    print(what, noise, seed, walls, {k: round(v, 4) for k, v in values.items()}, flush=True)
    made = {"what": what, "noise": noise, "seed": seed, "walls": walls}
    return [
        made | {"measure": key, "value": f"{value:.5g}", "seconds": f"{seconds:.1f}"}
        for key, value in values.items()
    ]


def summary(rows: Sequence[Row]) -> None:
    """Print mean and extremes over the seeds of every number."""
    kinds = dict.fromkeys((row["what"], row["noise"], row["walls"], row["measure"]) for row in rows)
    for kind in kinds:
        own = [
            float(row["value"])
            for row in rows
            if (row["what"], row["noise"], row["walls"], row["measure"]) == kind
        ]
        line = f"mean {np.nanmean(own):.4g}, least {np.nanmin(own):.4g}, most {np.nanmax(own):.4g}"
        if kind[0] == "null" and kind[3].startswith("p_value"):
            line += f"; {np.mean(np.array(own) < 0.05):.1%} of {len(own)} below 0.05"
        print(*kind, ":", line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = ("displacement", "pinned", "pinning", "null")
    parser.add_argument("what", nargs="*", default=list(kinds), choices=[*kinds, []])
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--drawn", action="store_true", help="drawn walls alone")
    parser.add_argument("--nulls", type=int, default=NULLS)
    parser.add_argument("--found-nulls", type=int, default=FOUND_NULLS)
    given = parser.parse_args()
    rows: list[Row] = []
    for noise in NOISES:
        for seed in given.seeds:
            for what, run in (("displacement", displacement), ("pinned", pinned)):
                if what in given.what:
                    rows += rows_of(what, run, noise, seed, "found")
    if "pinning" in given.what:
        for seed in given.seeds:
            rows += rows_of("pinning", pinning, 0.15, seed, "drawn", True)
        for seed in [] if given.drawn else given.seeds:
            rows += rows_of("pinning", pinning, 0.15, seed, "found", False)
    if "null" in given.what:
        for seed in range(100, 100 + given.nulls):
            rows += rows_of("null", null, 0.0, seed, "drawn", True)
        for seed in range(300, 300 + (0 if given.drawn else given.found_nulls)):
            rows += rows_of("null", null, 0.15, seed, "found", False)
    summary(rows)
    old: list[Row] = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            old = [row for row in csv.DictReader(file) if row["what"] not in given.what]
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS)
        writer.writeheader()
        writer.writerows([*old, *rows])


if __name__ == "__main__":
    main()
