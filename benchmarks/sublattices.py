"""Weak sublattices: what is found between strong columns, and what is made up.

    python benchmarks/sublattices.py [--seeds 5] [--rose 4] [--only WORDS …]

Lattices at random angles, 384 × 384 px, nearest distance 12 px. The dose is so many times that at
which a column of the weakest kind just meets Rose's criterion (see ``detection.py``). First two
sublattices: F1 of each, the worst of the seeds, by the weak column's share of the strong one. Then
lattices of one kind, in which a second would be false: the share of sites that are no column, and
the seeds that have a second sublattice. Where the package numbers no sublattices (an older version,
or kinds too alike to be known by a column's brightness), sites count as of the kind of column that
they lie at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import specimens
import xarray as xr
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import sites
from vaescope.errors import UserError
from vaescope.sites.matching import match

SIDE, NEAREST, WIDTH, LEVEL, ROSE = 384, 12.0, 2.4, 0.3, 5.0
RATIOS = (0.15, 0.2, 0.3, 0.4, 0.55, 0.75)
TWO = {
    "perovskite": specimens.LATTICES["perovskite"],
    "layer": specimens.LATTICES["honeycomb"],
    "rectangular, centred": specimens.Lattice(
        np.array([[1.25, 0.0], [0.0, 1.56]]), ((0, 0, 1.0), (0.5, 0.5, 1.0))
    ),
}
ONE = ("square", "hexagonal", "honeycomb", "rectangular", "oblique")
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _tails(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + 0.25 * ndimage.gaussian_filter(image, 2.3 * WIDTH) * 5


def _streaks(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    tail = np.exp(-np.arange(40) / (2 * WIDTH))
    return 0.6 * image + 0.4 * ndimage.convolve1d(image, tail[::-1] / tail.sum(), 1, origin=-19)


def _tilted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(image + 0.3 * ndimage.shift(image, (0.6 * WIDTH, 1.6 * WIDTH), order=1))


def _texture(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    speckle = ndimage.gaussian_filter(rng.normal(size=image.shape), WIDTH)
    return np.asarray(image + 0.08 * speckle / speckle.std() + 0.3)


def _contamination(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    layer = ndimage.gaussian_filter(rng.normal(size=image.shape), 2 * NEAREST)
    return np.asarray(image + 0.5 * np.maximum(layer / layer.std(), 0))


LIGHT: dict[str, Change] = {
    "as it is": lambda image, rng: image,
    "probe with tails": _tails,
    "streaked": _streaks,
    "tilted": _tilted,
    "texture": _texture,
    "contaminated": _contamination,
}


def imaged(
    lattice: specimens.Lattice, ratio: float, rose: float, change: Change, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (height, width), places (site, 2) and their strengths."""
    if len(lattice.motif) > 1:
        lattice = replace(lattice, motif=((0, 0, 1.0), (*lattice.motif[1][:2], ratio)))
    specimens.LATTICES["of this benchmark"] = lattice
    angle = np.random.default_rng([seed, 11]).uniform(0, 180)
    one = specimens.Specimen(
        "of this benchmark",
        seed,
        size=SIDE,
        spacing=NEAREST,
        width=WIDTH,
        angles=(angle,),
        peak=1.0,
        background=0.0,
    )
    place, strength, light = made(one)
    rng = np.random.default_rng([seed, 13])
    light = np.clip(change(light, rng), 0, None) + LEVEL
    counts = rng.poisson(light * dose(light, place, strength, rose)).astype(float)
    return counts, place, strength


def made(one: specimens.Specimen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    place, _, strength = specimens.sites(one)
    light = specimens.expected(one, place, strength)
    inside = ((place >= -0.5) & (place < SIDE - 0.5)).all(1)
    return place[inside], strength[inside], light


def dose(light: np.ndarray, place: np.ndarray, strength: np.ndarray, rose: float) -> float:
    """Electrons by which the matched filter sees half of the weakest columns at Rose's criterion,
    times ``rose``."""
    reach = int(4 * WIDTH)
    offset = np.arange(-reach, reach + 1)
    shape = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * WIDTH**2))
    weakest = place[strength <= 1.01 * strength.min()]
    inner = weakest[((weakest > reach + 1) & (weakest < SIDE - reach - 2)).all(1)][:100]
    ratio = [
        (
            (strength.min() * shape) ** 2
            / light[y - reach : y + reach + 1, x - reach : x + reach + 1]
        ).sum()
        for y, x in np.rint(inner).astype(int)
    ]
    return rose * ROSE**2 / float(np.median(ratio))


def f1(found: np.ndarray, truth: np.ndarray) -> float:
    """F1 away from the edge."""

    def inner(each: np.ndarray) -> np.ndarray:
        low, high = NEAREST / 2, SIDE - 1 - NEAREST / 2
        return np.asarray(((each > low) & (each < high)).all(1))

    if not len(found) or not inner(found).any():
        return 0.0
    index = match(found, truth, 0.35 * NEAREST)
    precision = float((index >= 0)[inner(found)].mean())
    recall = float(np.isin(np.arange(len(truth)), index)[inner(truth)].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def found_in(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Sites (site, 2) by the recipe `atoms`, and the number of their sublattice, where it says."""
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), counts[None, None].astype(np.float32))},
        coords={"channel": ["counts"]},
        attrs={"pixel_size": 1.0, "pixel_unit": "px", "calibrated": False},
    )
    try:
        found = sites.find(image, {"method": "log"})
    except UserError:
        return np.zeros((0, 2)), None
    number = found["sublattice"].values if "sublattice" in found else None
    return np.stack([found.y.values, found.x.values], axis=1), number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rose", type=float, default=4.0)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    print("| two sublattices | weak : strong | strong, F1 | weak, F1 |\n|---|---|---|---|")
    for name, lattice in TWO.items():
        for ratio in RATIOS:
            if given.only and not any(words in name for words in given.only):
                continue
            worst = np.ones(2)
            for seed in range(given.seeds):
                counts, place, strength = imaged(
                    lattice, ratio, given.rose, LIGHT["as it is"], seed
                )
                found, number = found_in(counts)
                if number is None:
                    near = cKDTree(place).query(found)[1] if len(found) else np.zeros(0, int)
                    number = (strength[near] < 1).astype(int)
                for k, truth in enumerate((place[strength == 1], place[strength < 1])):
                    worst[k] = min(worst[k], f1(found[number == k], truth))
            print(f"| {name} | {ratio:g} | {worst[0]:.3f} | {worst[1]:.3f} |", flush=True)
    print("\n| one kind | image | all, F1 | seeds with a second sublattice |\n|---|---|---|---|")
    for name in ONE:
        for words, change in LIGHT.items():
            if given.only and not any(each in name for each in given.only):
                continue
            least, second = 1.0, 0
            for seed in range(given.seeds):
                lattice = specimens.LATTICES[name]
                counts, place, _ = imaged(lattice, 1.0, 4 * given.rose, change, seed)
                found, number = found_in(counts)
                least = min(least, f1(found, place))
                second += number is not None
            print(f"| {name} | {words} | {least:.3f} | {second} |", flush=True)


if __name__ == "__main__":
    main()
