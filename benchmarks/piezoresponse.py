"""How well amplitude and phase are read: the phase offset, and bad scan lines, on simulated scans.

    python benchmarks/piezoresponse.py [--seeds 10] [--side 192]

writes a table of the phase offset (random offset, share of the smaller domain, background and
noise), one of scans without a fault in which lines were masked (false alarms), and one of faults
that were found, and how many lines beside them were masked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from real_mos2 import say
from scipy.ndimage import gaussian_filter

from vaescope.read.piezoresponse.phase_offset import of_series
from vaescope.read.piezoresponse.scan_lines import bad_lines

NOISES = (0.15, 0.4, 0.8)
Fault = Callable[[np.ndarray, int, np.random.Generator], range]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--side", type=int, default=192, help="px")
    given = parser.parse_args()
    offsets(given.seeds, given.side)
    for tip in (0.7, 1.0, 1.5, 3.0):
        false_alarms(given.seeds, given.side, tip)
    faults(given.seeds, given.side)


def offsets(seeds: int, side: int) -> None:
    """Error of the phase offset in degrees: mean and worst over seeds, sign left out."""
    for share in (0.5, 0.2, 0.05, 0.01):
        for background in (0.0, 0.6):
            words = []
            for level in NOISES:
                errors = []
                for seed in range(seeds):
                    random = np.random.default_rng(seed)
                    true = random.uniform(-np.pi, np.pi)
                    constant = background * np.exp(2j * np.pi * random.random())
                    response = domains(share, side, random) + constant + noise(side, level, random)
                    good = np.ones((side, side), bool)
                    (found,), _ = of_series([response * np.exp(1j * true)], [good])
                    errors.append(abs(np.angle(np.exp(2j * (found.offset - true)))) / 2)
                words.append(f"{np.degrees(np.mean(errors)):.2f} ({np.degrees(max(errors)):.1f})")
            say(
                f"offset (°), smaller domain {share:g}, background {background:g}, noise {NOISES}",
                "; ".join(words),
            )


def false_alarms(seeds: int, side: int, tip: float) -> None:
    """Scans without a fault in which any line is masked, by kind of specimen."""
    for kind in SPECIMENS:
        count = []
        for level in (0.02, *NOISES):
            hits = 0
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                response = specimen(kind, side, tip, random) + noise(side, level, random)
                hits += bool(bad_lines(response, np.ones((side, side), bool)).stripes)
            count.append(hits)
        say(f"false alarms of {seeds}, tip {tip:g} px: {kind}", str(count))


def faults(seeds: int, side: int) -> None:
    """Share of the lines of a fault that are masked (mean, least), and other lines that are."""
    for fault in FAULTS:
        words = []
        for level in NOISES:
            found, others = [], 0
            for seed in range(seeds):
                random = np.random.default_rng(seed)
                response = specimen("domains", side, 1.5, random).astype(complex)
                lines = fault(response, int(random.integers(20, side - 60)), random)
                response += noise(side, level, random)
                turned = bool(seed % 2)  # lines are columns in every other scan
                bad = bad_lines(response.T if turned else response, np.ones(response.shape, bool))
                good = bad.mask(response.shape)
                good = good[0] if turned else good[:, 0]
                if bad.axis != turned:
                    good = np.ones(side, bool)
                found.append((~good[list(lines)]).mean())
                rest = np.ones(side, bool)
                rest[max(lines[0] - 1, 0) : lines[-1] + 2] = False
                others += int((~good[rest]).sum())
            words.append(f"{np.mean(found):.2f} ({min(found):.2f}), {others}")
        say(f"found, least, others: {fault.__name__}, noise {NOISES}", "; ".join(words))


def noise(side: int, level: float, random: np.random.Generator) -> np.ndarray:
    shape = side, side
    return level * (random.normal(size=shape) + 1j * random.normal(size=shape))


def domains(share: float, side: int, random: np.random.Generator) -> np.ndarray:
    """Random domains of which the negative ones cover ``share`` of the area."""
    near = gaussian_filter(random.normal(size=(side, side)), side / 16)
    return gaussian_filter(np.where(near < np.quantile(near, share), -1.0, 1.0), 1.8)


def specimen(kind: str, side: int, tip: float, random: np.random.Generator) -> np.ndarray:
    """What a tip sees of a specimen, with an amplitude that varies slowly."""
    y, x = np.mgrid[:side, :side]
    near = gaussian_filter(random.normal(size=(side, side)), side / 16)
    slow = gaussian_filter(random.normal(size=(side, side)), side / 10)
    state = SPECIMENS[kind](y, x, near, random)
    return gaussian_filter(state, tip) * (1 + 0.25 * slow / slow.std())


SPECIMENS: dict[str, Callable[..., np.ndarray]] = {
    "domains": lambda y, x, near, r: np.where(near > 0, 1.0, -1.0),
    "one domain": lambda y, x, near, r: np.ones(y.shape),
    "wall along the lines": lambda y, x, near, r: _sign(y - r.uniform(0.2, 0.8) * len(y)),
    "wall along a part of the lines": lambda y, x, near, r: np.where(
        (y > r.uniform(0.2, 0.8) * len(y)) & (x < r.uniform(0.3, 0.9) * len(y)), 1.0, -1.0
    ),
    "tilted wall": lambda y, x, near, r: _sign(y - r.uniform(0.3, 0.7) * len(y) - 0.05 * x),
    "stripes along the lines": lambda y, x, near, r: _sign(y % r.integers(10, 30) - 6.0),
    "a domains along the lines": lambda y, x, near, r: np.where(
        y % r.integers(12, 40) < r.integers(5, 9), 0.3, 1.0
    ),
    "compact domain": lambda y, x, near, r: np.where(
        np.hypot(y - len(y) / 2, x - len(y) / 2) < len(y) * r.uniform(0.1, 0.4), -0.5, 1.0
    ),
    "square domain": lambda y, x, near, r: np.where(
        np.maximum(abs(y - len(y) / 2), abs(x - len(y) / 2)) < 0.3 * len(y), -1.0, 1.0
    ),
    "needle along the lines": lambda y, x, near, r: np.where(
        abs(y - len(y) * r.uniform(0.2, 0.8)) < r.uniform(1, 3), -1.0, 1.0
    ),
}


def _sign(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, 1.0, -1.0)


def lost_line(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k] = 0
    return range(k, k + 1)


def displaced_line(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k] = np.roll(response[k], random.integers(15, 60)) * np.exp(1j * random.uniform(-1, 1))
    return range(k, k + 1)


def two_lines_with_an_offset(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k : k + 2] += 0.8 * np.exp(2j * np.pi * random.random())
    return range(k, k + 2)


def twice_the_gain(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k:] *= 2
    return range(k - 1, k + 1)


def half_the_gain(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k:] *= 0.5
    return range(k - 1, k + 1)


def phase_by_60_degrees(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k : k + 40] *= np.exp(1j * np.pi / 3)
    return range(k, k + 40)


def little_contrast(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    part = response[k : k + 40]
    response[k : k + 40] = 0.7 * part.mean() + 0.15 * (part - part.mean())
    return range(k, k + 40)


def no_response(response: np.ndarray, k: int, random: np.random.Generator) -> range:
    response[k : k + 20] = 0
    return range(k, k + 20)


FAULTS: tuple[Fault, ...] = (
    lost_line,
    displaced_line,
    two_lines_with_an_offset,
    twice_the_gain,
    half_the_gain,
    phase_by_60_degrees,
    little_contrast,
    no_response,
)

if __name__ == "__main__":
    main()
