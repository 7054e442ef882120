"""Spectra predicted from images on places that no training has seen, beside baselines and peers.

    python benchmarks/im2spec.py [SCENE …] [--seeds 0 1 … 7] [--cube FILE.npy] [--peer PYTHON]
                                 [--seconds S] [--window W] [--share H]

A SCENE is a simulation with spectra, by default `plasmons` and `plasmons?rods=0&dimers=0`. Sites at
one end of the grid are held out, with a gap as wide as a window between them and what is trained
on. The figure is the mean square error to the spectra without noise over that of the mean spectrum
of the training sites; coverage is the share of what was measured on those sites that lies in a
band. With ``--cube`` the same on a measured spectrum image (y, x, energy), whose picture is its
maximum over energies; there the error is that to what was measured.

The oracle knows the truth of each site that is no spectrum: its distance from the nearest surface
and tip, shape and size of the nearest particle, but nothing of the particles beyond. It learns from
the same training sites, as extremely randomised trees and as a Gaussian process, which are
averaged. With ``--peer``, AtomAI's ImSpec and pyroVED's VED are trained on the same windows for S
seconds of CPU time each, by default 300: about the 1000 batches that ImSpec takes by default (see
``im2spec_peer.py``).

The table is printed, and written to ``benchmarks/results/im2spec.csv``.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import rows as table
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vaescope import predict, simulate
from vaescope.predict.rings import ring_spectra
from vaescope.samples.held_out import blocks

RESULTS = Path(__file__).with_name("results") / "im2spec.csv"
PEER = Path(__file__).with_name("im2spec_peer.py")
SCENES = ("plasmons", "plasmons?rods=0&dimers=0")
PEERS = {"AtomAI ImSpec": "imspec", "pyroVED VED": "ved"}
NEIGHBOURS = 15
RIDGES = np.logspace(0, 5, 11)
LEARNED = 500  # sites at most from which a Gaussian process learns
COMPONENTS = 8  # of the spectra, in which the oracle predicts
NORMAL = (1.0, 1.96)  # standard deviations of the 68 and the 95 % band


@dataclass(frozen=True)
class Case:
    """One spectrum image, split: ``image`` (y, x), ``spectra`` and ``truth`` (site, energy),
    ``known`` (site, column) what an oracle knows, or None."""

    image: np.ndarray
    spectra: np.ndarray
    truth: np.ndarray
    known: np.ndarray | None
    counts: bool
    window: int
    share: float
    seed: int

    @cached_property
    def row(self) -> np.ndarray:
        """(site,) row of each site."""
        return np.indices(self.image.shape)[0].ravel().astype(float)

    @cached_property
    def column(self) -> np.ndarray:
        """(site,) column of each site."""
        return np.indices(self.image.shape)[1].ravel().astype(float)

    @cached_property
    def split(self) -> Any:
        """Training and test sites."""
        return blocks(self.row, self.column, self.share, self.window, self.seed)

    @cached_property
    def rings(self) -> np.ndarray:
        """(site, feature) ring spectra of the window, centred on the site."""
        found = ring_spectra(self.image[None], self.row, self.column, (self.window - 1) / 2)
        return StandardScaler().fit(found[self.split.train]).transform(found)

    @cached_property
    def windows(self) -> np.ndarray:
        """(site, side, side) from 0 to 1, of an even side, as the peers have them."""
        side = self.window - self.window % 2
        padded = np.pad(self.image, side // 2, mode="reflect")[:-1, :-1]
        cut = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
        low, high = self.image.min(), self.image.max()
        return (cut.reshape(-1, side, side) - low) / (high - low)


@dataclass(frozen=True)
class Prediction:
    """Spectra of the test sites (site, energy), and what would be measured lies within 68 and 95 %
    bands (low, high) if the predictor has them."""

    spectra: np.ndarray
    bands: tuple[tuple[np.ndarray, np.ndarray], ...] = ()


def mean(case: Case) -> Prediction:
    """The mean spectrum of the training sites."""
    shape = case.truth[case.split.test].shape
    return Prediction(np.broadcast_to(case.spectra[case.split.train].mean(0), shape))


def ridge(case: Case) -> Prediction:
    """Ridge regression on ring spectra, its weight by leaving one out."""
    return Prediction(_regressed(RidgeCV(RIDGES), case, case.rings))


def neighbours(case: Case) -> Prediction:
    """The mean of the sites with the most similar ring spectra."""
    return Prediction(_regressed(KNeighborsRegressor(NEIGHBOURS), case, case.rings))


def oracle(case: Case) -> Prediction:
    """What can be learned from these sites by who knows distances and shapes."""
    assert case.known is not None
    basis = PCA(COMPONENTS).fit(case.spectra[case.split.train])
    scores = basis.transform(case.spectra)
    train, test = (np.flatnonzero(part) for part in (case.split.train, case.split.test))
    forest = ExtraTreesRegressor(
        100, min_samples_leaf=3, max_features=0.5, random_state=case.seed
    ).fit(case.known[train], case.spectra[train])
    some = np.random.default_rng(case.seed).permutation(train)[:LEARNED]
    kernel = RBF(np.ones(case.known.shape[1]), (0.05, 1e4)) + WhiteKernel(0.1)
    process = make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel))
    scale = scores[train].std()
    found = scale * process.fit(case.known[some], scores[some] / scale).predict(case.known[test])
    return Prediction((forest.predict(case.known[test]) + basis.inverse_transform(found)) / 2)


def ours(case: Case) -> Prediction:
    """The library's prediction, with its bands."""
    pairs = predict.ImagedSpectra(
        case.spectra, case.image[None], y=case.row, x=case.column, counts=case.counts
    )
    asked = {"share": case.share, "window": case.window}
    found = predict.spectra(pairs, asked, seed=case.seed)
    test = found["held_out"].values == 1
    if not np.array_equal(test, case.split.test):
        raise RuntimeError("the library holds out other sites than the baselines")
    bands = tuple(
        tuple(found[f"predicted_spectrum_{end}{level}"].values[test] for end in ("low", "high"))
        for level in ("", "_95")
    )
    return Prediction(found["predicted_spectrum"].values[test], bands)  # type: ignore[arg-type]


def peer(model: str, python: str, seconds: float, case: Case) -> Prediction:
    """A peer's model on windows and spectra scaled from 0 to 1."""
    train, test = case.split.train, case.split.test
    low, high = 0.0 if case.counts else case.spectra[train].min(), case.spectra[train].max()
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder, "pairs.npz"), Path(folder, "found.npz")
        scaled = (case.spectra[train] - low) / (high - low)
        np.savez(data, windows=case.windows[train], spectra=scaled, wanted=case.windows[test])
        command = [python, str(PEER), model, str(data), str(out), "--seconds", str(seconds)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run(
            [*command, "--seed", str(case.seed)],
            check=True,
            env={**environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )
        with np.load(out, allow_pickle=False) as stored:
            found = {name: stored[name] * (high - low) for name in stored.files if name != "spent"}
    middle = found["predicted"] + low
    if "sd" not in found:
        return Prediction(middle)
    bands = tuple((middle - s * found["sd"], middle + s * found["sd"]) for s in NORMAL)
    return Prediction(middle, bands)


def _regressed(model: Any, case: Case, features: np.ndarray) -> np.ndarray:
    model.fit(features[case.split.train], case.spectra[case.split.train])
    return model.predict(features[case.split.test])


def simulated(name: str, seed: int, window: int, share: float) -> Case:
    """A simulated spectrum image with one spectrum per pixel of its image."""
    scene = simulate.make(name, seed).load()
    known = [
        values.values.ravel()
        for key, values in scene.data_vars.items()
        if str(key).startswith("truth_") and key != "truth_spectrum"
        and key not in ("truth_particle", "truth_nearest")
    ]  # fmt: skip
    spectra, truth = (
        scene[key].values.reshape(-1, scene.sizes["energy"]).astype(float)
        for key in ("spectra", "truth_spectrum")
    )
    return Case(
        scene["image"].values[0, 0].astype(float),
        spectra,
        truth,
        np.stack(known, 1).astype(float),
        bool(scene.attrs["counts"]),
        window,
        share,
        seed,
    )


def measured(file: str, seed: int, window: int, share: float) -> Case:
    """A measured cube (y, x, energy); its image is the maximum over energies."""
    cube = np.load(file, allow_pickle=False).astype(float)
    spectra = cube.reshape(-1, cube.shape[2])
    return Case(cube.max(2), spectra, spectra, None, False, window, share, seed)


def score(case: Case, predicted: Prediction, seconds: float) -> dict[str, Any]:
    """The error of a prediction over that of the mean spectrum, and the coverage of its bands."""
    truth, seen = (values[case.split.test] for values in (case.truth, case.spectra))
    worst = ((mean(case).spectra - truth) ** 2).mean()
    inside = [float(((seen >= low) & (seen <= high)).mean()) for low, high in predicted.bands]
    return {
        "error": float(((predicted.spectra - truth) ** 2).mean() / worst),
        "coverage_68": inside[0] if inside else "",
        "coverage_95": inside[1] if inside else "",
        "seconds": seconds,
    }


def predictors(given: argparse.Namespace) -> dict[str, Callable[[Case], Prediction]]:
    """Name in tables -> predictor."""
    found: dict[str, Callable[[Case], Prediction]] = {
        "mean spectrum": mean,
        "ridge": ridge,
        "15 neighbours": neighbours,
        "oracle": oracle,
        "ours": ours,
    }
    if given.peer:
        for name, model in PEERS.items():
            found[name] = partial(peer, model, given.peer, given.seconds)
    return {name: made for name, made in found.items() if not given.only or name in given.only}


def measure(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Rows of the table."""
    cases: list[tuple[str, Callable[..., Case]]] = [(name, simulated) for name in given.scenes]
    if given.cube:
        cases.append((given.cube, measured))
    for name, make in cases:
        for seed in given.seeds:
            case = make(name, seed, given.window if make is simulated else 9, given.share)
            for title, predictor in predictors(given).items():
                if title == "oracle" and case.known is None:
                    continue
                began = time.process_time()
                found = predictor(case)
                spent = given.seconds if title in PEERS else time.process_time() - began
                row = {"scene": Path(name).name, "seed": seed, "predictor": title}
                yield row | score(case, found, round(spent, 1))


def summary(found: list[dict[str, Any]]) -> str:
    """Mean, least and greatest error over seeds, and mean coverage, per scene and predictor."""
    lines = [
        f"{'scene':28}{'predictor':16}{'error':>7}{'least':>7}{'most':>7}{'68 %':>7}{'95 %':>7}"
    ]
    for scene in dict.fromkeys(row["scene"] for row in found):
        for title in dict.fromkeys(row["predictor"] for row in found):
            some = [r for r in found if (r["scene"], r["predictor"]) == (scene, title)]
            if not some:
                continue
            errors = [row["error"] for row in some]
            line = f"{scene:28}{title:16}{np.mean(errors):7.3f}{min(errors):7.3f}{max(errors):7.3f}"
            for level in ("coverage_68", "coverage_95"):
                covered = [row[level] for row in some if row[level] != ""]
                line += f"{100 * np.mean(covered):7.1f}" if covered else f"{'':7}"
            lines.append(line)
    return "\n".join(lines)


def keep(found: list[dict[str, Any]]) -> None:
    """Write rows in place of those of the same scene, seed and predictor; the others stay."""
    key = "scene, seed, predictor"
    for row in found:
        row[key] = f"{row['scene']}, {row['seed']}, {row['predictor']}"
    old = []
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            old = [row[key] for row in csv.DictReader(file)]
    table.replace(RESULTS, found, key, list(dict.fromkeys([*old, *(r[key] for r in found)])))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", default=list(SCENES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(8)))
    parser.add_argument("--cube", help="a measured spectrum image, NumPy (y, x, energy)")
    parser.add_argument("--peer", help="Python of the environment with AtomAI and pyroVED")
    parser.add_argument("--seconds", type=float, default=300, help="of CPU time, for each peer")
    parser.add_argument("--window", type=int, default=17, help="px, of simulated scenes")
    parser.add_argument("--share", type=float, default=1 / 3, help="of the sites, held out")
    parser.add_argument("--only", nargs="+", help="predictors, by their names in the table")
    given = parser.parse_args()
    found = []
    for row in measure(given):
        found.append(row)
        print(row["scene"], row["seed"], row["predictor"], f"{row['error']:.3f}", flush=True)
        keep([row])
    print(summary(found))


if __name__ == "__main__":
    main()
