"""Walls of simulated domains by several methods, beside the Cramér–Rao bound.

    python benchmarks/walls.py [PART …] [--seeds 100 101 102 103] [--noise 0.15 0.4 0.8]
        [--scenes "" "domains=circles" …] [--methods fit …] [--suffix _others]

The part ``position`` has a row for each scene of ``simulate:walls``, noise, seed and method: the
fit, its finders, and zero lines of the signal smoothed by 1, 2 and 3 px. Distances are those of
places to the finely sampled truth, rim and saddle points apart; ``within_1`` is the share of true
places within one stated error. ``bound_4`` and ``bound_16`` are the bound of a straight wall of
known profile that is 4 and 16 px long. The part ``noise`` counts walls in pictures of noise alone,
``width`` compares half widths to the true one, with the tip unknown and known.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from wall_scores import scores

from vaescope import simulate, walls
from vaescope.walls import Signal, Wall, WallFinding
from vaescope.walls.curve import zero_lines
from vaescope.walls.signal import noise_of
from vaescope.walls.smooth import smooth

RESULTS = Path(__file__).parent / "results"
ZERO_LINES = (1.0, 2.0, 3.0)  # px, of the smoothing

Row = dict[str, Any]


def bound(width: float, tip: float, noise: float, length: float) -> float:
    """Least standard error in px of the position of a straight wall ``length`` px long."""
    step = 0.05
    across = np.arange(-40, 40, step)
    profile = np.tanh(across / width)
    if tip:
        profile = gaussian_filter1d(profile, tip / step)
    steep = np.gradient(profile, step)[200:-200]
    return float(noise / np.sqrt(length * (steep**2).sum() * step))


def zero_line(signal: Signal, width: float) -> list[Wall]:
    """Zero lines of the smoothed signal as walls without errors."""
    found = []
    for curve in zero_lines(smooth(signal.in_phase, signal.measured, width), signal.measured):
        place = curve.place
        if curve.closed:
            place = np.concatenate([place[-8:], place, place[:8]])
        place = gaussian_filter1d(place, 1.0, axis=0, mode="nearest")
        slope = np.gradient(place, axis=0)
        bend = np.gradient(slope, axis=0)
        speed = np.hypot(*slope.T)
        curvature = (slope[:, 1] * bend[:, 0] - slope[:, 0] * bend[:, 1]) / speed**3
        direction = np.arctan2(slope[:, 0], slope[:, 1])
        if curve.closed:
            place, curvature, direction = place[8:-8], curvature[8:-8], direction[8:-8]
        none = np.full(len(place), np.nan)
        found.append(Wall(place, curve.closed, direction, curvature, *(none for _ in range(7))))
    return found


METHODS: dict[str, Callable[[Signal], list[Wall]]] = {
    "fit": lambda signal: walls.find(signal, WallFinding()),
    "fit, canny": lambda signal: walls.find(signal, WallFinding(finder="canny")),
} | {
    f"zero line, {width:g} px": lambda signal, width=width: zero_line(signal, width)  # type: ignore[misc]
    for width in ZERO_LINES
}


def drawn(scene: str, noise: float, seed: int) -> xr.Dataset:
    """A scene of ``simulate:walls``; its parameters are those of ``scene`` and its noise."""
    query = "&".join(filter(None, [scene, f"noise={noise:g}"]))
    return simulate.make(f"walls?{query}", seed).load()


def position(given: argparse.Namespace) -> list[Row]:
    """Positions, their errors, and curvature."""
    rows = []
    for scene, noise, seed in product(given.scenes, given.noise, given.seeds):
        truth = drawn(scene, noise, seed)
        signal = walls.signal_of(truth, 0)
        parameters = dict(part.split("=") for part in scene.split("&") if part)
        shape = float(parameters.get("width", 1.5)), float(parameters.get("tip", 1.5))
        for method in given.methods:
            find = METHODS[method]
            start = time.process_time()
            found = find(signal)
            seconds = time.process_time() - start
            measured = {name: round(value, 4) for name, value in scores(found, truth).items()}
            row = {"scene": scene, "noise": noise, "seed": seed, "method": method}
            bounds = {f"bound_{n}": round(bound(*shape, noise, n), 4) for n in (4, 16)}
            rows.append(row | bounds | {"cpu_s": round(seconds, 2)} | measured)
            print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


def noise_alone(given: argparse.Namespace) -> list[Row]:
    """Pictures of noise in which a wall was found, of every kind of noise."""
    rows = []
    for kind, across, seed in product(NOISES, (True, False), given.seeds):
        rng = np.random.default_rng(seed)
        frames = 10
        counts = []
        for _ in range(frames):
            two = NOISES[kind](rng)
            seen = np.ones(two[0].shape, bool)
            signal = Signal(two[0], seen, noise_of(two[0], seen), 0.0, two[1] if across else None)
            counts.append(len(walls.find(signal, WallFinding())))
        row = {"kind": kind, "out_of_phase": across, "seed": seed, "frames": frames}
        rows.append(row | {"frames_with_walls": int(np.count_nonzero(counts))})
        print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


def widths(given: argparse.Namespace) -> list[Row]:
    """Half widths of the walls, in px, and their errors."""
    rows = []
    for scene, seed, known in product(WIDTHS, given.seeds, (False, True)):
        image = simulate.make(f"walls?{scene}", seed).load()
        parameters = dict(part.split("=") for part in scene.split("&"))
        tip = float(parameters.get("tip", 1.5)) if known else None
        found = walls.find(walls.signal_of(image, 0), WallFinding(tip=tip))
        width, error = (
            float(np.median(np.concatenate([getattr(wall, name) for wall in found])))
            for name in ("width", "width_error")
        )
        off = (width - float(parameters.get("width", 1.5))) / error
        measured = {"width": round(width, 3), "error": round(error, 3), "z": round(off, 2)}
        rows.append({"scene": scene, "seed": seed, "tip_known": known} | measured)
        print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    return rows


WIDTHS = (
    "noise=0.15",
    "noise=0.4",
    "noise=0.8",
    "noise=0.15&domains=stripes&length=20",
    "noise=0.15&width=3&tip=1",
    "noise=0.15&width=1&tip=2.5",
    "noise=0.15&width=0.7&tip=1",
)


def smoothed(rng: np.random.Generator, width: float) -> np.ndarray:
    """Two channels (2, y, x) of smooth noise."""
    return gaussian_filter(rng.normal(size=(2, SIDE, SIDE)), (0, width, width))


SIDE = 128
NOISES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "white": lambda rng: rng.normal(size=(2, SIDE, SIDE)),
    "smoothed by 1 px": lambda rng: smoothed(rng, 1.0),
    "smoothed by 2 px": lambda rng: smoothed(rng, 2.0),
    "smoothed by 5 px": lambda rng: smoothed(rng, 5.0),
    "lines": lambda rng: rng.normal(size=(2, SIDE, SIDE)) + rng.normal(size=(2, SIDE, 1)),
    "along lines": lambda rng: gaussian_filter(rng.normal(size=(2, SIDE, SIDE)), (0, 0, 4)),
}

PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "position": position,
    "noise": noise_alone,
    "width": widths,
}
"""Parts of the table, each with a file of its own in ``results``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.15, 0.4, 0.8])
    parser.add_argument("--scenes", nargs="+", default=[""])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--suffix", default="", help="of the file's name")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        rows = PARTS[part](given)
        names = list(dict.fromkeys(name for row in rows for name in row))
        path = RESULTS / f"walls_{part}{given.suffix}.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names)
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
