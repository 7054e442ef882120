"""What physics in a model is worth where it is right, and does where it is wrong, over seeds.

    python benchmarks/physics.py [CASE …] [--seeds 6 7 8] [--members 1]

Every case trains the same model on the same image with and without one prior: a symmetry of the
angle, smoothness from site to site, positive pictures, a term of the user's own. Images have a
quarter of a usual dose, or few sites. `gain` is by how many times the score is better with the
prior: an error without over the error with it, or a score with over the score without. Where the
prior is wrong (cases with `-wrong-`) it should do no harm, or the report should say so: `said` is
in how many runs the finding of that prior appears.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from simulated import RESULTS, ROOT, SEEDS
from small_runs import analysed

from vaescope import recipes, samples, simulate
from vaescope.judge.of_physics import of_physics
from vaescope.models.disc import in_disc
from vaescope.scores import of_model, truth

Score = Callable[["Run"], float]
CLEAN = 1e6  # times the dose, of the image without noise
NO_HARM = 0.95  # least gain


@dataclass(frozen=True)
class Run:
    """One image analysed by one model."""

    case: Case
    seed: int
    image: xr.Dataset
    sites: xr.Dataset
    cut: xr.Dataset
    latents: xr.Dataset
    folder: Path


def picture_rmse(run: Run) -> float:
    """Error of the reconstructions against the image without noise, over its contrast."""
    plain = simulate.make(run.case.source, run.seed)
    name, _, given = run.case.source.partition("?")
    values = dict(pair.split("=") for pair in given.split("&"))
    dose = float(values["dose"])
    values["dose"] = f"{min(dose * CLEAN, 1e7):.0f}"
    clean = simulate.make(name + "?" + "&".join(f"{k}={v}" for k, v in values.items()), run.seed)
    clean["image"] = clean["image"].astype(float) * (dose / float(values["dose"]))
    own = clean if run.case.change is None else run.case.change(clean, plain)
    settings = samples.settings.Patches.of(recipe().patches.as_dict() | {"normalise": "none"})
    cut = samples.extract(own, run.sites, settings).load()
    scale, offset = (run.cut[f"norm_{k}"].values[..., None, None] for k in ("scale", "offset"))
    rows = np.searchsorted(cut["site"].values, run.cut["site"].values)
    true = (cut["patch"].values[rows] - offset) / scale
    disc = in_disc(true.shape[-1]) > 0
    whole = np.ones(len(true), bool) if "partial" not in run.cut else ~run.cut["partial"].values
    apart = (run.latents["reconstruction"].values - true)[whole][..., disc]
    return float(np.sqrt((apart**2).mean()) / true[whole][..., disc].std())


def angle_error(run: Run) -> float:
    """Median error of the angle in degrees, modulo what the model says that angles are known by."""
    true = run.latents["truth_angle"].values
    rows = np.isfinite(true)
    order = int(run.latents.attrs["symmetry"])
    found = run.latents["consensus_angle"].values[rows]
    return float(np.degrees(np.median(truth.angle_error(found, true[rows], order))))


def dopants(run: Run) -> float:
    """F1 of dopants among the modes."""
    return _scores(run)["defect_f1_dopant_of_modes"]


def unexplained(*names: str) -> Score:
    """Share of the variance of true quantities that a quadratic function of the content leaves."""

    def score(run: Run) -> float:
        content = run.latents["consensus_content"].values
        content = (content - content.mean(0)) / content.std(0)
        true = np.stack([run.latents[f"truth_{name}"].values for name in names], 1)
        kind = run.latents["truth_species"].values
        left = total = 0.0
        for one in np.unique(kind[kind >= 0]):
            rows = (kind == one) & np.isfinite(true).all(1)
            z, t = content[rows], true[rows] - true[rows].mean(0)
            pairs = [z[:, i] * z[:, j] for i in range(z.shape[1]) for j in range(i + 1)]
            basis = np.column_stack([np.ones(len(z)), z, *pairs])
            rest = t - basis @ np.linalg.lstsq(basis, t, rcond=None)[0]
            left, total = left + (rest**2).sum(), total + (t**2).sum()
        return float(left / total)

    score.__name__ = "unexplained variance"
    return score


def _scores(run: Run) -> dict[str, Any]:
    return of_model.score(run.latents, run.cut, run.folder / "members")


@dataclass(frozen=True)
class Case:
    """An image, a model, the prior that is added to it, and what is scored."""

    source: str
    prior: dict[str, Any]
    score: Score
    finding: str
    less: bool = True  # whether less of the score is better
    settings: dict[str, Any] = field(default_factory=dict)
    change: Callable[[xr.Dataset, xr.Dataset], xr.Dataset] | None = None
    helps: float | None = None  # least mean gain, where the prior is right
    recorded: Callable[[xr.Dataset, int], xr.Dataset] | None = None


def recipe() -> recipes.Recipe:
    """The bundled recipe for atomically resolved images."""
    return recipes.resolve_recipe("atoms", [ROOT / "config" / "recipes"])


def less_its_mean(image: xr.Dataset, recorded: xr.Dataset) -> xr.Dataset:
    """Contrast about the mean of the recorded image, as after a background is subtracted."""
    return image.assign(image=image["image"] - float(recorded["image"].mean()))


def read_noise(image: xr.Dataset, seed: int) -> xr.Dataset:
    """The image with the noise of a detector's electronics, which is as often negative: as large
    as ``READ`` electrons in every pixel."""
    random = np.random.default_rng(seed)
    noise = READ * random.standard_normal(image["image"].shape)
    return image.assign(image=image["image"] + noise.astype(np.float32))


READ = 4.0
OWN = Path(__file__).with_name("physics_terms.py")
PLAIN = {"variant": "rvae", "latent": 2, "steps": 300}
STILL = {"variant": "tvae", "latent": 2, "steps": 300}
FLAKES = "mos2?dopants=0.03&dopant_strength=2&vacancies=0&divacancies=0&spacing=17&width=2.3"
DARK = "hexagonal?dose=250&size=200&background=0.001&width=4"
CASES = {
    "symmetry-right": Case(
        "square?dose=12&size=200&bend=8",
        {"symmetry": 4},
        angle_error,
        "symmetry contradicted",
        settings=PLAIN,
        helps=1.0,
    ),
    "symmetry-wrong-graphene": Case(
        "graphene?dose=250&size=256&holes=0&silicon=0&stone_wales=0",
        {"symmetry": 6},
        picture_rmse,
        "symmetry contradicted",
        settings=PLAIN,
    ),
    "symmetry-wrong-oblique": Case(
        "oblique-grains?dose=500&size=256",
        {"symmetry": 4},
        picture_rmse,
        "symmetry contradicted",
        settings=PLAIN,
    ),
    "smoothness-right-domains": Case(
        "bifeo3?dose=500&size=512&angle=0&domains=2",
        {"smoothness": "auto"},
        unexplained("polar_y", "polar_x"),
        "smoothness contradicted",
        settings=STILL,
        helps=1.2,
    ),
    "smoothness-right-strain": Case(
        "strained?dose=500&size=384&gradient=6",
        {"smoothness": "auto"},
        unexplained("strain_xx"),
        "smoothness contradicted",
        settings=STILL,
        helps=1.2,
    ),
    "smoothness-wrong-dopants": Case(
        FLAKES + "&dose=250&size=384",
        {"smoothness": "auto"},
        dopants,
        "smoothness contradicted",
        less=False,
        settings=PLAIN | {"latent": 3},
    ),
    "smoothness-wrong-dopants-fixed": Case(
        FLAKES + "&dose=250&size=384",
        {"smoothness": 1000.0},
        dopants,
        "smoothness contradicted",
        less=False,
        settings=PLAIN | {"latent": 3},
    ),
    "positive-right": Case(
        DARK,
        {"positive": True},
        picture_rmse,
        "positivity contradicted",
        settings=PLAIN,
        recorded=read_noise,
        helps=1.05,
    ),
    "positive-wrong-subtracted": Case(
        DARK,
        {"positive": True},
        picture_rmse,
        "positivity contradicted",
        settings=PLAIN,
        recorded=read_noise,
        change=less_its_mean,
    ),
    "own-right-inversion": Case(
        DARK,
        {"physics_loss": f"{OWN}:inversion"},
        picture_rmse,
        "own term contradicted",
        settings=PLAIN,
        recorded=read_noise,
        helps=1.0,
    ),
    "own-wrong-inversion": Case(
        "graphene?dose=250&size=256&holes=0&silicon=0&stone_wales=0",
        {"physics_loss": f"{OWN}:inversion"},
        picture_rmse,
        "own term contradicted",
        settings=PLAIN,
    ),
    "own-wrong-total": Case(
        "hexagonal?dose=500&size=256&shading=0.3",
        {"physics_loss": f"{OWN}:same_total"},
        picture_rmse,
        "own term contradicted",
        settings=PLAIN,
    ),
}


def measure(case: Case, seed: int, members: int, prior: bool) -> tuple[float, bool, list[str]]:
    """Score of one run with or without the prior, whether its finding appears, and all findings of
    physics."""
    image = simulate.make(case.source, seed)
    if case.recorded is not None:
        image = case.recorded(image, seed)
    if case.change is not None:
        image = case.change(image, image)
    base = recipe()
    settings = case.settings | (case.prior if prior else {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        options: dict[str, Any] = {"members": members, "seed": seed, "name": "rvae"}
        found, cut, latents = analysed(image, base, settings, folder=out, **options)
        history = pd.read_csv(out / "members" / "history.csv")
        said = of_physics("rvae", latents, history)
        score = case.score(Run(case, seed, image, found, cut, latents, out))
    kinds = [each.kind for each in said]
    return score, case.finding in kinds, [each.says for each in said]


def row(name: str, case: Case, runs: Mapping[int, tuple[float, float, bool]]) -> dict[str, Any]:
    """One row of the table, from the score without and with the prior, and whether its finding
    appeared, of each seed."""
    without, with_it, said = (np.array(part) for part in zip(*runs.values(), strict=True))
    gain = without / with_it if case.less else with_it / without
    right = case.helps is not None
    goal = f"mean gain >= {case.helps}, not said" if right else "gain >= 0.95, or said"
    if right:
        holds = bool(gain.mean() >= case.helps and not said.any())
    else:
        holds = bool(((gain >= NO_HARM) | said.astype(bool)).all())
    return {
        "case": name,
        "prior": ", ".join(f"{k}: {Path(str(v)).name}" for k, v in case.prior.items()),
        "measure": case.score.__name__.replace("_", " "),
        "without": f"{without.mean():.4g}",
        "with": f"{with_it.mean():.4g}",
        "gain": f"{gain.mean():.3g}",
        "worst gain": f"{gain.min():.3g}",
        "said": f"{int(said.sum())} of {len(said)}",
        "seeds": " ".join(map(str, runs)),
        "goal": goal,
        "holds": str(holds).lower(),
    }


def main() -> None:
    """Run the cases that the command line names, print and write the table."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print, and do not write the table")
    given = parser.parse_args()
    if unknown := sorted(set(given.cases) - set(CASES)):
        parser.error(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    torch.set_num_threads(1)
    file = RESULTS / "physics.csv"
    written: list[dict[str, Any]] = []
    if file.is_file():
        with file.open(newline="") as old:
            written = list(csv.DictReader(old))
    for name in given.cases or CASES:
        runs: dict[int, tuple[float, float, bool]] = {}
        for seed in given.seeds:
            without, _, _ = measure(CASES[name], seed, given.members, False)
            with_it, said, words = measure(CASES[name], seed, given.members, True)
            runs[seed] = without, with_it, said
            print(name, seed, f"{without:.4g} -> {with_it:.4g}", *words, flush=True)
        new = row(name, CASES[name], runs)
        print(new, flush=True)
        if given.dry:
            continue
        written = sorted(
            [each for each in written if each["case"] != name] + [new],
            key=lambda each: list(CASES).index(each["case"]),
        )
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, list(new))
            writer.writeheader()
            writer.writerows(written)


if __name__ == "__main__":
    main()
