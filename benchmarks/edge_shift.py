"""The shift of a spectrum by several estimators, beside the Cramér–Rao bound.

    python benchmarks/edge_shift.py [SCENE …] [--counts 30 100 1000 10000] [--seeds 0 1 2 3]
        [--spectra 300] [--spread 0.1] [--estimators NAME …]

Spectra of ``edge_scenes`` have Poisson counts; each is shifted by a normal deviate with a standard
deviation of 0.1 of the width of its feature (``--spread``), its gain and its background vary by
10 %, and where there is one, the exponent of the background by 0.1. Nothing of the shape is known:
references are the mean of all spectra and its derivative, and the model finds the shape by itself.
The bound is that of a shift when gain, background and what varies of the shape are unknown as well.
``results/edge_shift.csv`` has a row for each scene, number of counts in a channel of the
background, seed and estimator: root mean square error over the bound, after the mean is taken out,
and where an estimator states errors, the share of truths within one of them.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from edge_scenes import BEFORE, ENERGY, EXPONENT, ONSET, SCENES, Drawn
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares

TABLE = Path(__file__).parent / "results" / "edge_shift.csv"
STEP = float(ENERGY[1] - ENERGY[0])  # eV
REACH = 6.0  # eV to which estimators look

Estimate = tuple[np.ndarray, np.ndarray | None]
"""Shifts (spectrum,) in eV, and their standard errors where the estimator states them."""
Estimator = Callable[[Drawn], Estimate]


def background_of(counts: np.ndarray, kind: str) -> np.ndarray:
    """Backgrounds (spectrum, channel) fitted to what lies before the feature."""
    if kind == "constant":
        return np.repeat(counts[:, BEFORE].mean(1, keepdims=True), len(ENERGY), axis=1)
    axis = np.log(ENERGY / ONSET)
    found = []
    for spectrum in counts:
        start = np.log(max(spectrum[BEFORE].mean(), 1e-3)), EXPONENT

        def left(place: np.ndarray, spectrum: np.ndarray = spectrum) -> np.ndarray:
            model = np.exp(np.clip(place[0] - place[1] * axis[BEFORE], -50, 50))
            return (spectrum[BEFORE] - model) / np.sqrt(np.maximum(model, 1e-6))

        place = least_squares(left, start).x
        found.append(np.exp(np.clip(place[0] - place[1] * axis, -50, 50)))
    return np.array(found)


def centroid(drawn: Drawn) -> Estimate:
    """Centre of mass near the onset: of the derivative of an edge, smoothed over half its width;
    of a line, of the line itself."""
    near = np.abs(ENERGY - ONSET) < 2 * drawn.scene.width
    signal = drawn.counts - background_of(drawn.counts, drawn.scene.background)
    if drawn.scene.background == "power law":
        signal = gaussian_filter1d(signal, 0.5 * drawn.scene.width / STEP, axis=1, order=1)
    weight = np.maximum(signal[:, near], 0)
    return (weight @ ENERGY[near]) / np.maximum(weight.sum(1), 1e-12), None


def correlation(drawn: Drawn) -> Estimate:
    """Maximum of the cross-correlation with the mean spectrum, a parabola through its top."""
    signal = drawn.counts - background_of(drawn.counts, drawn.scene.background)
    if drawn.scene.background == "power law":
        signal = np.gradient(signal, axis=1)
    reach = int(REACH / STEP)
    place = np.flatnonzero((ENERGY > ONSET - 20) & (ENERGY < ONSET + 30))
    table = np.stack([signal.mean(0)[place - lag] for lag in range(-reach, reach + 1)])
    score = signal[:, place] @ table.T
    top = np.clip(score.argmax(1), 1, 2 * reach - 1)
    row = np.arange(len(score))
    left, middle, right = score[row, top - 1], score[row, top], score[row, top + 1]
    curve = left - 2 * middle + right
    part = np.where(curve < 0, 0.5 * (left - right) / np.where(curve < 0, curve, 1), 0)
    return STEP * (top - reach + part), None


def mlls(drawn: Drawn) -> Estimate:
    """Multiple linear least squares: mean feature, its derivative and the background with, of a
    power law, its slope, by weights of the expected counts; the shift is the ratio of the first
    two, iterated."""
    mean = drawn.counts.mean(0)
    background = np.maximum(background_of(mean[None], drawn.scene.background)[0], 1e-6)
    found, error = np.zeros((2, len(drawn.counts)))
    curve = CubicSpline(ENERGY, gaussian_filter1d(mean - background, 1.0))
    beside = [background]
    if drawn.scene.background == "power law":
        beside.append(background * np.log(ENERGY / ONSET))
    for row, spectrum in enumerate(drawn.counts):
        shift, weight = 0.0, 1 / np.maximum(mean, 1e-6)
        for _ in range(6):
            at = ENERGY - shift
            design = np.stack([curve(at), *beside, -curve(at, 1)], axis=1)
            covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
            amount = covariance @ (design.T @ (weight * spectrum))
            scale = max(amount[0], 1e-6)
            shift = float(np.clip(shift + amount[-1] / scale, -REACH, REACH))
            weight = 1 / np.maximum(design[:, :-1] @ amount[:-1], 0.05 * mean)
        found[row], error[row] = shift, np.sqrt(covariance[-1, -1]) / scale
    return found, error


def model(likelihood: str, drawn: Drawn) -> Estimate:
    """``spectrum-vae``: of counts as they are, or of the signal with Gaussian noise."""
    import xarray as xr

    from vaescope import train
    from vaescope.ensemble import map_latents

    count = len(drawn.counts)
    signal = drawn.counts if likelihood == "poisson" else drawn.counts / drawn.dose
    axis = {"units": "eV", "long_name": "energy loss"}
    columns = {name: ("site", np.arange(count) * 1.0) for name in ("y", "x")}
    samples = xr.Dataset(
        {"spectrum": (("site", "energy"), signal.astype(np.float32)), **columns},
        {"site": np.arange(count), "energy": ("energy", ENERGY, axis)},
        {"method": "pixels", "lattice": False, "atoms": False, "placed": True},
    )
    settings = {
        "variant": "spectrum-vae",
        "likelihood": likelihood,
        "power_law": drawn.scene.background == "power law",
        "shift_sd": max(3.0, drawn.shift.std() / STEP),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        kept = Path(folder) / "members"
        train.fit(samples, settings, members=[0], seed=1, out=kept, checkpoints=kept / "kept")
        found = map_latents(kept, samples)
        return found["consensus_shift"].values, found["shift_spread"].values


ESTIMATORS: dict[str, Estimator] = {
    "centroid": centroid,
    "cross-correlation": correlation,
    "MLLS": mlls,
    "spectrum-vae, poisson": partial(model, "poisson"),
    "spectrum-vae, gaussian": partial(model, "gaussian"),
}


def rows_of(scene: str, dose: float, seed: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each estimator."""
    drawn = SCENES[scene].drawn(dose, given.spectra, seed, given.spread)
    truth, rows = drawn.shift, []
    for name, estimate in ESTIMATORS.items():
        if name not in given.estimators:
            continue
        found, error = estimate(drawn)
        apart = (found - found.mean()) - (truth - truth.mean())
        inside = "" if error is None else round(float((np.abs(apart) < error).mean()), 3)
        rmse = float(np.sqrt((apart**2).mean()))
        rows.append(
            {
                "scene": scene,
                "counts": dose,
                "seed": seed,
                "spread_widths": given.spread,
                "estimator": name,
                "rmse_ev": round(rmse, 4),
                "bound_ev": round(drawn.bound, 4),
                "ratio": round(rmse / drawn.bound, 3),
                "within_one_error": inside,
                "stated_ev": "" if error is None else round(float(np.sqrt((error**2).mean())), 4),
                "spread_of_truth_ev": round(float(truth.std()), 4),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--spectra", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--counts", type=float, nargs="+", default=[30.0, 100.0, 1e3, 1e4])
    parser.add_argument("--spread", type=float, default=0.1, help="of the shifts, in widths")
    parser.add_argument("--estimators", nargs="+", default=list(ESTIMATORS))
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args()
    rows = []
    for scene, dose, seed in product(given.scenes or SCENES, given.counts, given.seeds):
        made = rows_of(scene, dose, seed, given)
        rows += made
        for row in made:
            print(*(f"{key}={value}" for key, value in row.items()), flush=True)
        with given.table.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
