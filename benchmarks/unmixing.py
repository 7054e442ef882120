"""Shares of end members in simulated mixtures, beside NMF, N-FINDR and VCA on the same counts.

    python benchmarks/unmixing.py [--seeds 1 2 3]

Every case draws spectra of peaks, or of ionisation edges on a power-law background, shares from a
Dirichlet distribution, with five pure pixels of each component or none purer than 0.8, and Poisson
counts. The error is the root mean square of the shares after the best naming of components. NMF is
scaled so that its shares add up to 1; N-FINDR and VCA look for the purest pixels on principal
components and get shares by fully constrained least squares (D. C. Heinz and C.-I Chang 2001).
``results/unmixing.csv`` has a row for each case and seed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rows import replace
from scipy.optimize import linear_sum_assignment, nnls

from vaescope.baselines import mixture
from vaescope.baselines.unmixing import abundances, n_findr, vca

TABLE = Path(__file__).parent / "results" / "unmixing.csv"
SIDE, CHANNELS = 48, 200
PURE, PUREST = 5, 0.8
CASES = tuple(
    (kind, count, *how)
    for kind, count, how in product(
        ("peaks", "edges"), (3, 4, 5), ((0.5, True, 30.0), (1.0, False, 30.0), (2.0, False, 300.0))
    )
)
"""Kind of spectra, components, concentration, whether there are pure pixels, counts per channel."""


def spectra_of(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Spectra (component, channel) with a mean of about 1."""
    axis = np.linspace(0, 1, CHANNELS)
    made = []
    for _ in range(count):
        if kind == "peaks":
            one = np.full(CHANNELS, 0.05)
            for _ in range(rng.integers(2, 5)):
                centre, width = rng.uniform(0.05, 0.95), rng.uniform(0.01, 0.06)
                one += rng.uniform(0.3, 1) * np.exp(-0.5 * ((axis - centre) / width) ** 2)
        else:
            one = (axis + 0.25) ** -rng.uniform(2, 3.2)
            one /= one[0]
            for _ in range(rng.integers(1, 3)):
                onset, jump = rng.uniform(0.15, 0.85), rng.uniform(0.05, 0.3)
                step = 0.5 + np.arctan((axis - onset) / 0.008) / np.pi
                one += jump * step * ((np.maximum(axis, onset) + 0.25) / (onset + 0.25)) ** -2.5
                white = np.exp(-0.5 * ((axis - onset - 0.03) / 0.015) ** 2) * (axis > onset)
                one += jump * rng.uniform(0, 1) * white
        made.append(one / one.mean() * rng.uniform(0.8, 1.25))
    return np.array(made)


def drawn(
    seed: int, kind: str, count: int, concentration: float, pure: bool, dose: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (site, channel), true shares (site, component), true spectra (component, channel)."""
    rng = np.random.default_rng(seed)
    spectra = dose * spectra_of(kind, count, rng)
    shares = rng.dirichlet(np.full(count, concentration), SIDE**2)
    if pure:
        chosen = rng.choice(len(shares), PURE * count, replace=False)
        shares[chosen] = np.repeat(np.eye(count), PURE, axis=0)
    while not pure and (mixed := shares.max(1) > PUREST).any():
        shares[mixed] = rng.dirichlet(np.full(count, concentration), mixed.sum())
    return rng.poisson(shares @ spectra).astype(np.float32), shares, spectra


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square error of the shares after the best naming of components."""
    squared = ((found[:, :, None] - truth[:, None]) ** 2).mean(0)
    return float(np.sqrt(squared[linear_sum_assignment(squared)].mean()))


def nmf(counts: np.ndarray, count: int, loss: str) -> np.ndarray:
    """Shares by scikit-learn's NMF, scaled so that they add up to 1 as nearly as they can."""
    from sklearn.decomposition import NMF

    solver = "cd" if loss == "frobenius" else "mu"
    model = NMF(count, init="nndsvda", solver=solver, beta_loss=loss, max_iter=500, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        amount = model.fit_transform(counts)
    scale = nnls(amount.astype(float), np.ones(len(amount)))[0]
    shares = amount * np.where(scale > 0, scale, 1e-9)
    return shares / np.maximum(shares.sum(1, keepdims=True), 1e-12)


def purest(counts: np.ndarray, count: int, method: str, seed: int) -> np.ndarray:
    """Shares by N-FINDR or VCA and fully constrained least squares."""
    data = counts.astype(float)
    if method == "n-findr":
        centred = data - data.mean(0)
        corners = n_findr(
            centred @ np.linalg.svd(centred, full_matrices=False)[2][: count - 1].T, seed
        )
        return abundances(data, data[corners])
    vectors = np.linalg.svd(data.T @ data)[0][:, :count]
    scores = data @ vectors
    return abundances(data, scores[vca(scores, seed)] @ vectors.T)


def row_of(seed: int, case: tuple[Any, ...]) -> dict[str, Any]:
    """Errors of all methods on one draw."""
    kind, count, concentration, pure, dose = case
    counts, shares, spectra = drawn(seed, *case)
    began = time.process_time()
    sites, channels = counts.shape
    found = mixture.unmix(lambda some: counts[some], sites, channels, count, counts=True)
    seconds = time.process_time() - began
    peers = {
        "nmf": nmf(counts, count, "frobenius"),
        "nmf_kl": nmf(counts, count, "kullback-leibler"),
        "n_findr": purest(counts, count, "n-findr", seed),
        "vca": purest(counts, count, "vca", seed),
    }
    errors = {name: error(one, shares) for name, one in peers.items()}
    known = error(abundances(counts.astype(float), spectra), shares)
    own = error(found.shares, shares)
    name = f"{kind} {count} a={concentration:g} {'pure' if pure else 'mixed'} {dose:g}"
    return {
        "draw": f"{name} seed {seed}",
        "own": round(own, 4),
        **{name: round(value, 4) for name, value in errors.items()},
        "spectra_known": round(known, 4),
        "ratio": round(own / min(errors.values()), 3),
        "free": int(found.free),
        "cpu_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    TABLE.unlink(missing_ok=True)
    for seed, case in product(asked.seeds, CASES):
        rows.append(row_of(seed, case))
        print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
        replace(TABLE, rows, "draw", [row["draw"] for row in rows])
    ratios = [row["ratio"] for row in rows]
    worst = max(rows, key=lambda row: row["ratio"])
    print(f"own error over the best peer's: mean {np.mean(ratios):.2f}, worst {max(ratios):.2f}")
    print(f"worst: {worst['draw']}")


if __name__ == "__main__":
    main()
