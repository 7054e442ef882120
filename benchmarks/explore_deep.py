"""Where a deep kernel helps: targets that the content of a model carries weakly, well, or not.

    python benchmarks/explore_deep.py [--seeds 5] [--sites 1000]

Patches show a particle of some size, shape and brightness at any turn, with a faint spot beside it.
The target is the brightness of the spot, which an rVAE of three latents hardly keeps; the size of
the particle, which it keeps; or noise. Values have noise of a twentieth of the target's range.
Errors are root mean squares where nothing was measured, over the standard deviation of the target:
of the default model, of it with the encoder tuned, with content moved by a small network, and of
what is used in the end where the encoder may be tuned. The table is printed and written to
``benchmarks/results/explore-deep.csv``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import rows as table

from vaescope import Explorer, Model
from vaescope.explore import deep_kernel, tuned_encoder

RESULTS = Path(__file__).with_name("results")
SIDE = 20
COUNTS = (100,)


def patches(seed: int, count: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Pictures (count, y, x), and the targets (count,) by name."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2

    def drawn(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, (count, 1, 1))

    angle, size, aspect = drawn(0, 2 * np.pi), drawn(2.2, 4.5), drawn(1.2, 2.2)
    bright, faint = drawn(0.7, 1.3), drawn(0, 1)
    u = np.cos(angle) * x + np.sin(angle) * y
    v = -np.sin(angle) * x + np.cos(angle) * y
    pictures = bright * np.exp(-(u**2 + (aspect * v) ** 2) / (2 * size**2))
    pictures += 0.25 * faint * np.exp(-((u - 5.5) ** 2 + (v - 3) ** 2) / (2 * 1.2**2))
    pictures += 0.05 * rng.normal(size=pictures.shape)
    found = {"faint spot": faint, "size": size, "noise": drawn(0, 1)}
    return pictures.astype(np.float32), {name: one[:, 0, 0] for name, one in found.items()}


def error(
    known: dict[str, np.ndarray], rows: np.ndarray, values: np.ndarray, truth: np.ndarray
) -> float:
    """Root mean square error of the exact Gaussian process where nothing was measured."""
    explorer = Explorer(known, combine="sum", transform="none")
    explorer.tell(rows, values)
    rest = np.setdiff1d(np.arange(len(truth)), rows)
    return float(np.sqrt(((explorer.predict()[0] - truth)[rest] ** 2).mean()) / truth.std())


def scored(seed: int, count: int) -> list[dict[str, Any]]:
    """What one set of patches gives, for every target and number of values."""
    pictures, wanted = patches(seed, count)
    model = Model("rvae", latent=3, steps=400, seed=seed).fit(pictures)
    content = np.asarray(model.encode(pictures).content[:], float)
    seen = tuned_encoder.patches(model.best, model._data(pictures, {}, model.best))
    rng = np.random.default_rng([seed, 1])
    known = {"content": content, "place": rng.uniform(0, 40, (count, 2))}
    found = []
    for name, truth in wanted.items():
        measured = truth + 0.05 * np.ptp(truth) * rng.normal(size=count)
        order = rng.permutation(count)
        for n in COUNTS:
            rows, values = order[:n], measured[order[:n]]
            began = time.process_time()
            tuned = deep_kernel.bend(known, rows, values, seed, seen)
            seconds = time.process_time() - began
            moved = deep_kernel.bend(known, rows, values, seed)
            plain = error(known, rows, values, truth)
            found.append(
                {
                    "target": name,
                    "values": n,
                    "seed": seed,
                    "default": plain,
                    "tuned": plain
                    if tuned.fallen
                    else error(tuned.descriptions, rows, values, truth),
                    "used": not tuned.fallen,
                    "network": plain
                    if moved.fallen
                    else error(moved.descriptions, rows, values, truth),
                    "network used": not moved.fallen,
                    "seconds": seconds,
                }
            )
            print(found[-1], flush=True)
    return found


def main() -> None:
    """Score several seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--sites", type=int, default=1000)
    arguments = parser.parse_args()
    every = range(arguments.first, arguments.first + arguments.seeds)
    found = [one for seed in every for one in scored(seed, arguments.sites)]
    lines = []
    for name, n in dict.fromkeys((one["target"], one["values"]) for one in found):
        own = [one for one in found if (one["target"], one["values"]) == (name, n)]
        line: dict[str, Any] = {"target": name, "values": n}
        for column in ("default", "tuned", "network"):
            line[column] = round(float(np.mean([one[column] for one in own])), 3)
            line[f"{column}, worst"] = round(max(one[column] for one in own), 3)
        for column in ("used", "network used"):
            line[column] = round(float(np.mean([one[column] for one in own])), 2)
        line |= {"seconds": round(max(one["seconds"] for one in own), 1), "seeds": len(own)}
        lines.append(line)
        print(line)
    RESULTS.mkdir(exist_ok=True)
    table.replace(
        RESULTS / "explore-deep.csv",
        lines,
        "target",
        list(dict.fromkeys(o["target"] for o in lines)),
    )


if __name__ == "__main__":
    main()
