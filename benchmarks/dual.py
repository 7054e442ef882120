"""Angle and kind of particles from their spectrum alone, beside what needs to know more.

    python benchmarks/dual.py [angle] [kinds] [--seeds 0 1 2] [--members M] [--steps N]

``angle``: pictures and polarised spectra of simulated rods, a quarter of them held out; the model
is the library's ``dualvae``, which does not know that there are polarisers. Beside it stand a fit
of cos 2θ that knows each polariser, ridge regression and nearest neighbours from spectra to the
cosine and sine of twice the true angle, and a plain VAE of spectra from whose content neighbours
say the angle; these three know the true angles of all rods trained on, which the model does not.
Errors are modulo 180° and one common zero. ``inside`` is the share of true angles within the stated
error.

``kinds``: monomers, dimers and trimers (and rods) from their spectra. The bound is what a network
reaches on features that no turn changes, trained on many more particles with labels, each seen at
new angles with new noise in every epoch; the library's semi-supervised VAE of spectra knows the
labels of the training sites, or 10 of each kind, and its VAE with classes none.

Tables are printed, and written to ``benchmarks/results/dual-angle.csv`` and ``dual-kinds.csv``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rows as table
import xarray as xr
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import RidgeCV
from sklearn.metrics import confusion_matrix
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier

from vaescope import samples, simulate, sites, train
from vaescope.ensemble import map_latents
from vaescope.samples.held_out import TEST, TRAINED, HeldOut
from vaescope.simulate import particles

RESULTS = Path(__file__).with_name("results")
RODS = "particles?rods=1&monomers=0"
ANGLES = {
    "300 rods": RODS,
    "50 counts": f"{RODS}&dose=50",
    "radius 2.5 px": f"{RODS}&radius=2.5",
}
KINDS = {
    "three kinds": "particles?rods=0&monomers=0.3334",
    "three kinds, 50 counts": "particles?rods=0&monomers=0.3334&dose=50",
    "four kinds": "particles?rods=0.25&monomers=0.25",
}
COUNT = 900  # particles of these
NEIGHBOURS = 8
FEW = 10  # labels of each kind
MANY = 8000  # particles with labels from which the bound is learned
EPOCHS = 40


def sites_of(name: str, seed: int) -> tuple[xr.Dataset, np.ndarray]:
    """Samples of a simulation, a quarter of them held out at random, and the direction (channel,)
    of the polariser in rad."""
    made = simulate.make(name, seed)
    image, spectra = simulate.image_of(made), simulate.spectra_of(made)
    found = sites.find(image, {"method": "frames"}, spectra=spectra)
    held_out = HeldOut("random", seed=seed)
    data = samples.extract(image, found, {}, spectra=spectra, held_out=held_out).load()
    return data, made["polariser"].values


def mapped(data: xr.Dataset, settings: dict[str, Any], members: int, seed: int) -> xr.Dataset:
    """Train an ensemble and map it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "members")
        train.fit(
            data,
            settings,
            members=list(range(members)),
            seed=seed,
            out=out,
            checkpoints=Path(folder, "checkpoints"),
            log=lambda line: None,
        )
        return map_latents(out, data, name="model").load()


def apart(angle: np.ndarray, data: xr.Dataset) -> np.ndarray:
    """Errors (site,) in degrees of angles of rods held out, modulo 180 and a common zero."""
    out = data["held_out"].values == TEST
    double = 2 * (angle - data["truth_angle"].values)[out]
    zero = np.angle(np.exp(1j * double).mean())
    return np.degrees(np.angle(np.exp(1j * (double - zero)))) / 2


def angles(name: str, seed: int, members: int, steps: int) -> list[dict[str, Any]]:
    """One row of the table for every method."""
    data, polariser = sites_of(name, seed)
    trained = data["held_out"].values == TRAINED
    spectra = data["spectrum"].values.astype(float)
    twice = np.exp(2j * data["truth_angle"].values)
    wanted = np.stack([twice.real, twice.imag], 1)
    ours = mapped(data, {"variant": "dualvae", "latent": 3, "steps": steps}, members, seed)
    plain = {"variant": "vae", "view": "spectrum", "decoder": "dense", "latent": 4, "steps": steps}
    content = mapped(data, plain, 1, seed)["consensus_content"].values

    def learned(model: Any, given: np.ndarray) -> np.ndarray:
        said = model.fit(given[trained], wanted[trained]).predict(given)
        return np.arctan2(said[:, 1], said[:, 0]) / 2

    near = KNeighborsRegressor(NEIGHBOURS, weights="distance")
    said = {
        "dualvae": ours["spectrum_angle"].values,
        "fit of cos 2θ": np.angle((spectra * np.exp(2j * polariser)).sum(1)) / 2,
        "ridge": learned(RidgeCV(np.logspace(-3, 6, 19)), spectra),
        "neighbours": learned(near, spectra),
        "VAE of spectra": learned(near, content),
    }
    error = np.degrees(ours["spectrum_angle_spread"].values)[data["held_out"].values == TEST]
    rows = []
    for method, angle in said.items():
        off = np.abs(apart(angle, data))
        row = {"method": method, "seed": seed, "mean": off.mean(), "median": np.median(off)}
        row |= {"worst": off.max(), "inside": np.nan, "symmetry": ""}
        if method == "dualvae":
            row |= {"inside": (off < error).mean()}
            row |= {"symmetry": ours["spectrum_angle"].attrs["symmetry"]}
        rows.append(row)
    return rows


@cache
def bound(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """Spectra (site, channel) -> kinds, by a network that has seen many particles and angles."""
    random = np.random.default_rng(12345)
    many = simulate.make(f"{name}&count={MANY}", 999)
    light = many["truth_spectrum"].values.reshape(MANY, 4, -1)
    kind = many["truth_kind"].values.ravel()
    mean, along = light.mean(1), axis_of(light)
    model = MLPClassifier((256, 128), batch_size=256, random_state=0)
    centre, size = np.zeros(0), np.zeros(0)
    for epoch in range(EPOCHS):
        if epoch == 3 * EPOCHS // 4:
            model.set_params(learning_rate_init=2e-4)
        turned = along * np.exp(1j * random.uniform(0, 2 * np.pi, (MANY, 1)))
        parts = [mean + turned.real, mean + turned.imag, mean - turned.real, mean - turned.imag]
        given = unturned(random.poisson(np.maximum(np.stack(parts, 1), 0)))
        if not epoch:
            centre, size = given.mean(0), given.std(0) + 1e-9
        model.partial_fit((given - centre) / size, kind, classes=np.unique(kind))

    def said(spectra: np.ndarray) -> np.ndarray:
        given = unturned(spectra.reshape(len(spectra), 4, -1))
        return np.asarray(model.predict((given - centre) / size))

    return said


def axis_of(light: np.ndarray) -> np.ndarray:
    """Part (site, wavelength) of light (site, polariser, wavelength) behind polarisers 45° apart
    that turns with twice the angle."""
    return (light[:, 0] - light[:, 2]) / 2 + 0.5j * (light[:, 1] - light[:, 3])


def unturned(light: np.ndarray) -> np.ndarray:
    """Features (site, feature) of light (site, polariser, wavelength) that no turn changes."""
    mean = light.mean(1)
    along = axis_of(light)
    along = along * np.exp(-1j * np.angle(along.sum(1)))[:, None]
    noise = np.sqrt(mean + 1)
    return np.concatenate([np.sqrt(mean), along.real / noise, along.imag / noise], 1)


def kinds(name: str, seed: int, steps: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Method -> true kinds and those said (site,) of particles held out."""
    data, _ = sites_of(f"{name}&count={COUNT}", seed)
    out, trained = (data["held_out"].values == use for use in (TEST, TRAINED))
    kind = data["truth_kind"].values.astype(int)
    spectra = np.sqrt(data["spectrum"].values.astype(float))  # of one noise in all channels
    some = {"variant": "ssvae", "view": "spectrum", "decoder": "dense", "latent": 4, "steps": steps}
    some |= {"classes": len(np.unique(kind)), "labels": "kind", "likelihood": "poisson"}
    few = {**some, "labels_per_class": FEW}
    none = {**some, "variant": "jvae", "labels": None}
    near = KNeighborsClassifier(NEIGHBOURS).fit(spectra[trained], kind[trained])
    said = {
        "bound": bound(name)(data["spectrum"].values),
        "neighbours": near.predict(spectra),
        "ssvae": mapped(data, some, 1, seed)["consensus_class"].values,
        f"ssvae, {FEW} labels": mapped(data, few, 1, seed)["consensus_class"].values,
        "jvae": matched(mapped(data, none, 1, seed)["consensus_class"].values, kind, trained),
    }
    return {method: (kind[out], found[out]) for method, found in said.items()}


def matched(found: np.ndarray, kind: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """Classes (site,) by the names of the kinds that they agree with best on sites trained on."""
    counted = confusion_matrix(kind[trained], found[trained])
    rows, columns = linear_sum_assignment(-counted)
    names = dict(zip(columns.tolist(), rows.tolist(), strict=True))
    return np.array([names.get(one, -1) for one in found.tolist()])


def print_kinds(name: str, said: list[dict[str, tuple[np.ndarray, np.ndarray]]]) -> None:
    """Confusion matrix of all seeds, a row for each true kind, of every method."""
    for method in said[0]:
        true, found = (np.concatenate([one[method][k] for one in said]) for k in (0, 1))
        labels = np.unique(true)
        counted = confusion_matrix(true, found, labels=labels)
        share = counted.diagonal() / np.bincount(true.astype(int))[labels]
        print(f"{name}: {method}: {', '.join(f'{s:.3f}' for s in share)} of each kind", flush=True)
        for kind, row in zip(labels, counted, strict=True):
            print(f"  {particles.KINDS[kind]:8s}", *(f"{n:5d}" for n in row))


def written(rows: list[dict[str, Any]], name: str) -> None:
    """Rows, all with the key ``case``, in place of those of the same case in a table."""
    order = [*ANGLES, *KINDS]
    table.replace(RESULTS / name, rows, "case", order)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["angle", "kinds"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    for case, name in ANGLES.items() if "angle" in args.parts else ():
        rows = []
        for seed in args.seeds:
            rows += angles(name, seed, args.members, args.steps)
            for row in rows[-5:]:
                numbers = (f"{row[key]:.2f}" for key in ("mean", "median", "worst", "inside"))
                print(case, seed, row["method"], *numbers, row["symmetry"], flush=True)
        written([{"case": case, **row} for row in rows], "dual-angle.csv")
    for case, name in KINDS.items() if "kinds" in args.parts else ():
        said = [kinds(name, seed, args.steps) for seed in args.seeds]
        print_kinds(case, said)
        rows = [
            {"case": case, "method": method, "seed": seed, "kind": particles.KINDS[kind]}
            | {"found": float((found[true == kind] == kind).mean())}
            for seed, one in zip(args.seeds, said, strict=True)
            for method, (true, found) in one.items()
            for kind in np.unique(true)
        ]
        written(rows, "dual-kinds.csv")


if __name__ == "__main__":
    main()
