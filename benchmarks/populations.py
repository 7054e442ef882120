"""Coverage of the intervals of populations: how often 95 % intervals over images hold the truth.

    python benchmarks/populations.py [--runs 2000]

Images are drawn of a condition in which a kind has a share of 1 or 5 %, with or without scatter
from specimen to specimen (30 % of the share); each image has 800 sites. Beside the intervals that
the page of a group gives, Student's t on the logarithm of the odds, stand those of a bootstrap of
images: its percentiles, and these widened for few images (T. C. Hesterberg, Am. Stat. 69 (2015)
371). The last row is about differences: of two conditions that are alike, how often one is said.
"""

from __future__ import annotations

import argparse
import csv

import numpy as np
from scipy import stats
from simulated import RESULTS

from vaescope.cohort.covariates import covariates_of
from vaescope.cohort.populations import LEVEL, Counts, compared, of_images

IMAGES = (3, 6, 12)
SHARES = (0.01, 0.05)
SCATTER = (0.0, 0.3)
SITES = 800
RESAMPLED = 500
GOAL = (0.92, 0.98)


def drawn(random: np.random.Generator, share: float, scatter: float, images: int) -> np.ndarray:
    """Counts (image,) of a kind in images of one condition."""
    own = np.full(images, share)
    if scatter:
        total = (1 - share) / share / scatter**2 - 1
        own = random.beta(share * total, (1 - share) * total, images)
    return random.binomial(SITES, own)


def bootstrapped(random: np.random.Generator, share: np.ndarray) -> list[tuple[float, float]]:
    """Percentile intervals of the mean, plain and widened."""
    count = len(share)
    means = share[random.integers(count, size=(RESAMPLED, count))].mean(1)
    tail = (1 - LEVEL) / 2
    wide = (count / (count - 1)) ** 0.5 * stats.t.ppf(tail, count - 1)
    found = []
    for low in (tail, float(stats.norm.cdf(wide))):
        ends = np.quantile(means, [low, 1 - low])
        found.append((float(ends[0]), float(ends[1])))
    return found


def coverage(share: float, scatter: float, images: int, runs: int) -> list[float]:
    """Share of the runs whose interval holds the truth: ours, and the two of the bootstrap."""
    random = np.random.default_rng([images, round(1000 * share), round(10 * scatter)])
    held = np.zeros(3)
    for _ in range(runs):
        own = drawn(random, share, scatter, images) / SITES
        ours = of_images(own, np.full(images, float(SITES)))
        ends = [(ours.low, ours.high), *bootstrapped(random, own)]
        held += [low <= share <= high for low, high in ends]
    return [float(value) for value in held / runs]


def false_differences(images: int, runs: int) -> float:
    """Share of the runs in which some difference is said between two conditions that are alike, of
    five kinds each."""
    random = np.random.default_rng(images)
    condition = covariates_of(
        [{"dose": "low" if k < images else "high"} for k in range(2 * images)]
    )
    said = 0
    for _ in range(runs):
        kinds = [drawn(random, 0.03, 0.3, 2 * images) for _ in range(5)]
        table = Counts(
            "m",
            tuple(f"mode {k}" for k in range(5)),
            np.stack(kinds, 1),
            np.full(2 * images, SITES),
        )
        said += any(each.q < 1 - LEVEL for each in compared([table], condition, [""] * 2 * images))
    return said / runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    runs = parser.parse_args().runs
    head = ["images", "share", "scatter", "ours", "bootstrap", "widened", "holds"]
    rows = []
    for images in IMAGES:
        for share in SHARES:
            for scatter in SCATTER:
                found = coverage(share, scatter, images, runs)
                good = GOAL[0] <= found[0] <= GOAL[1]
                shown = [f"{value:.3f}" for value in found]
                rows.append([images, share, scatter, *shown, str(good).lower()])
                print(*rows[-1], sep="\t", flush=True)
    for images in IMAGES:
        false = false_differences(images, runs // 4)
        rows.append(
            [images, "", "", f"{false:.3f}", "", "", str(false <= 1.2 * (1 - LEVEL)).lower()]
        )
        print("false differences", *rows[-1], sep="\t", flush=True)
    with (RESULTS / "populations.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])


if __name__ == "__main__":
    main()
