"""Active measurement of spectrum images: errors after 100 spectra, and when a rare mode is known.

    python benchmarks/explore_active.py error [--cube FILE.npy] [--peer PYTHON] [--draws 10]
    python benchmarks/explore_active.py rare [--seeds 10]

``error``: 100 spectra at random places, the target standardised over all sites; every other site
is predicted by each model. Errors are root mean squares, over the standard deviation of the target;
coverage is the share of what was not measured that lies within two standard deviations. The cube is
(y, x, energy), its image the maximum over energies, its target the place of the maximum. Of
plasmons, every draw is another scene, and there are three targets. ``peer`` is a Python with
AtomAI, whose ``dklGPR`` gets the same windows.

``rare``: plasmons with few rods; the target is the mean between 1.5 and 2.3 eV, where only the
longest particles have a mode. The mode's area is where the target without noise is more than
halfway from its median to its maximum. It is known once nine tenths of it were measured or are
predicted above that, with no more than a tenth as much wrongly predicted. All have the same model,
of ring spectra and place; ours proposes by mean + 4 sd from 20 places on, random and raster see 40
at once. Who has not got there after 1200 spectra is counted with these.

Tables are printed and written to ``benchmarks/results/explore-NAME.csv``.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rows as table

from vaescope import Explorer, Model, simulate
from vaescope.errors import UserError
from vaescope.explore import monitors, targets, world
from vaescope.explore.target_settings import Target

RESULTS = Path(__file__).with_name("results")
PEER = Path(__file__).with_name("explore_peer.py")
KNOWN = 100
MOST = 1200
FEATURES = {
    "ours": ("content", "rings", "place"),
    "content + (y, x)": ("content", "place"),
    "GP on (y, x)": ("place",),
    "GP on ring spectra": ("rings",),
    "GP on PCA of patches": ("pixels",),
}
COMPARED = ("BE-PFM resonance", "plasmons, surface plasmon")
"""Targets for which the peer is fitted: it takes half a minute for each."""
PLASMONS = {
    "surface plasmon": Target(quantity="mean", range=[3.0, 3.6]),
    "low over high": Target(quantity="ratio", range=[1.5, 2.6], over=[3.2, 4.0]),
    "long mode": Target(quantity="mean", range=[1.5, 2.5]),
}


@dataclass(frozen=True)
class Scene:
    """``windows`` (site, pixel) and ``known`` (name -> (site, feature)) before any spectrum;
    ``spectra`` and ``clean`` (site, channel) at ``axis``; ``place`` (site, 2)."""

    windows: np.ndarray
    known: dict[str, np.ndarray]
    spectra: np.ndarray
    clean: np.ndarray
    axis: np.ndarray
    place: np.ndarray


def scene(
    image: np.ndarray, spectra: np.ndarray, clean: Any, axis: np.ndarray, window: int
) -> Scene:
    """What is known of an image (y, x) and its spectra (y, x, energy), by an rVAE of patches."""
    half = window // 2
    padded = np.pad(image.astype(np.float64), half, mode="reflect")
    patches = np.lib.stride_tricks.sliding_window_view(padded, (2 * half + 1,) * 2)
    patches = patches.reshape(-1, 2 * half + 1, 2 * half + 1)
    place = np.indices(image.shape).reshape(2, -1).T.astype(float)
    model = Model("rvae", latent=4, steps=400).fit(patches.astype(np.float32))
    content = np.asarray(model.encode(patches.astype(np.float32)).content, float)
    flat = patches.reshape(len(patches), -1)
    known = {
        "content": content,
        "rings": world.rings(image[None].astype(float), place, window / 2),
        "pixels": world.components(flat),
        "place": place,
    }
    return Scene(flat, known, _flat(spectra), _flat(clean), axis, place)


def _flat(spectra: np.ndarray) -> np.ndarray:
    return np.asarray(spectra, float).reshape(-1, spectra.shape[-1])


def plasmons(seed: int, more: str = "") -> Scene:
    """A simulated scene of 64 x 64 spectra."""
    made = simulate.make(f"plasmons{more}", seed)
    spectra, clean = (made[name].values[0] for name in ("spectra", "truth_spectrum"))
    return scene(made["image"].values[0, 0], spectra, clean, made["energy"].values, 16)


def measured(file: str) -> Scene:
    """A measured cube with its maximum as the image."""
    cube = np.load(file, allow_pickle=False)
    return scene(cube.max(2), cube, cube, np.arange(cube.shape[2], dtype=float), 8)


def believed(
    known: dict[str, np.ndarray], names: tuple[str, ...], rows: np.ndarray, value: np.ndarray
):
    """Mean and sd (site,) of what would be measured, and the seconds they took."""
    began = time.perf_counter()
    explorer = Explorer(
        {name: known[name] for name in names},
        combine="sum" if len(names) > 1 else "choose",
        transform="none",
    )
    explorer.tell(rows, value[rows])
    mean, sd = explorer.predict(measured=True)
    sd = sd * monitors.band_factor(explorer.left_out(), 2 * len(names) + 2)
    return mean, sd, time.perf_counter() - began


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, int, Scene, np.ndarray]]:
    """Name of the target, draw, scene and standardised values (site,)."""
    if arguments.cube:
        cube = measured(arguments.cube)
        value = targets.values(cube.spectra, cube.axis, Target(quantity="position"))
        for draw in range(arguments.draws):
            yield "BE-PFM resonance", draw, cube, (value - value.mean()) / value.std()
    for draw in range(arguments.first, arguments.first + arguments.draws):
        one = plasmons(draw)
        for name, target in PLASMONS.items():
            value = targets.values(one.spectra, one.axis, target)
            yield f"plasmons, {name}", draw, one, (value - value.mean()) / value.std()


def error(arguments: argparse.Namespace) -> None:
    """Errors after 100 spectra at random places."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    pending: dict[str, np.ndarray] = {}
    asked: dict[str, tuple[str, np.ndarray, np.ndarray]] = {}
    for name, draw, one, value in cases(arguments):
        rows = np.random.default_rng(draw).permutation(len(value))[:KNOWN]
        rest = np.setdiff1d(np.arange(len(value)), rows)
        for label, features in FEATURES.items():
            mean, sd, seconds = believed(one.known, features, rows, value)
            off = np.abs(mean - value)[rest]
            inside = float((off < 2 * sd[rest]).mean())
            scored = (float(np.sqrt((off**2).mean())), inside, seconds)
            found.setdefault((name, label), []).append(scored)
        show = {label: f"{found[name, label][-1][0]:.3f}" for label in FEATURES}
        print(name, draw, show, flush=True)
        if name not in COMPARED:
            continue
        key = str(len(asked))
        windows = (one.windows - one.windows.mean()) / one.windows.std()
        pending |= {f"windows_{key}": windows, f"known_{key}": rows, f"values_{key}": value[rows]}
        asked[key] = (name, value, rest)
    if arguments.peer:
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder) / "cases.npz", Path(folder) / "found.npz"
            np.savez(given, allow_pickle=False, **pending)
            subprocess.run([arguments.peer, str(PEER), str(given), str(made)], check=True)
            with np.load(made, allow_pickle=False) as peer:
                for key, (name, value, rest) in asked.items():
                    off = np.abs(peer[f"mean_{key}"] - value)[rest]
                    inside = float((off < 2 * peer[f"sd_{key}"][rest]).mean())
                    scored = (
                        float(np.sqrt((off**2).mean())),
                        inside,
                        float(peer[f"seconds_{key}"]),
                    )
                    found.setdefault((name, "AtomAI dklGPR"), []).append(scored)
    lines = []
    for (name, label), scores in sorted(found.items()):
        rmse, inside, seconds = np.array(scores).T
        lines.append(
            {
                "target": name,
                "model": label,
                "rmse": round(float(rmse.mean()), 3),
                "worst": round(float(rmse.max()), 3),
                "within 2 sd": round(float(inside.mean()), 3),
                "least within": round(float(inside.min()), 3),
                "seconds": round(float(seconds.mean()), 2),
                "draws": len(scores),
            }
        )
    _written(lines, "error")


def rare(arguments: argparse.Namespace) -> None:
    """Spectra until the area of a rare mode is known."""
    lines = []
    target = Target(quantity="mean", range=[1.5, 2.3])
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        try:
            made = simulate.make("plasmons?rods=0.12&dimers=0&aspect=4", seed)
        except UserError:  # particles that do not fit into the image
            continue
        clean, noisy = (
            targets.values(_flat(made[name].values[0]), made["energy"].values, target)
            for name in ("truth_spectrum", "spectra")
        )
        level = (np.median(clean) + clean.max()) / 2
        image = made["image"].values[0, 0].astype(float)
        place = np.indices(image.shape).reshape(2, -1).T.astype(float)
        known = {"rings": world.rings(image[None], place, 8.0), "place": place}
        orders = {
            "random": np.random.default_rng(seed).permutation(len(place)),
            "raster": np.arange(len(place)),
        }
        found: dict[str, Any] = {
            "seed": seed,
            "share of area": round(float((clean > level).mean()), 4),
        }
        found["ours"] = _until(known, noisy, clean > level, level, seed)
        for name, order in orders.items():
            found[name] = _until(known, noisy, clean > level, level, seed, order)
        lines.append(found)
        print(found, flush=True)
    _written(lines, "rare", "seed")


def _until(
    known: dict[str, np.ndarray],
    value: np.ndarray,
    area: np.ndarray,
    level: float,
    seed: int,
    order: np.ndarray | None = None,
) -> int:
    explorer = Explorer(
        known, combine="sum", transform="none", acquisition="ucb", kappa=4.0, seed=seed
    )
    while (count := len(explorer.points)) < MOST:
        step = 5 if count else 20
        new = explorer.ask(step) if order is None else order[count : count + 40]
        explorer.tell(new, value[new])
        said = explorer.predict()[0] > level
        said[explorer.points] = area[explorer.points]
        if (said & area).sum() >= 0.9 * area.sum() and (said & ~area).sum() <= 0.1 * area.sum():
            return len(explorer.points)
    return MOST


def _written(lines: list[dict[str, Any]], name: str, key: str = "target") -> None:
    names = list(lines[0])
    print(
        "\n".join(
            " | ".join(str(line[key]) for key in names)
            for line in [dict(zip(names, names, strict=True)), *lines]
        )
    )
    RESULTS.mkdir(exist_ok=True)
    order = list(dict.fromkeys(line[key] for line in lines))
    table.replace(RESULTS / f"explore-{name}.csv", lines, key, order)


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["error", "rare"])
    parser.add_argument("--cube")
    parser.add_argument("--peer")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    run = error if arguments.what == "error" else rare
    run(arguments)


if __name__ == "__main__":
    main()
