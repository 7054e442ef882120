"""Planes of simulated histories: models of the recipe, and the VAE of the literature."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from sklearn.neighbors import KNeighborsRegressor
from torch import nn

from vaescope import simulate, train
from vaescope.ensemble import encode
from vaescope.ensemble.members import Member, load_members
from vaescope.recipes import resolve_recipe
from vaescope.train.data import gather

RECIPES = Path(__file__).parents[1] / "config" / "recipes"
GENERATORS = ("growth", "frequency")


@dataclass(frozen=True)
class Histories:
    """``spectra`` (history, time) as measured, ``wrong`` (history,) whether it belongs to another
    family, ``truth`` (history, generator), ``axis`` (time,)."""

    spectra: np.ndarray
    wrong: np.ndarray
    truth: np.ndarray
    axis: np.ndarray

    @classmethod
    def made(cls, query: str, seed: int) -> Histories:
        """Those of `simulate:trajectories` with parameters."""
        made = simulate.make(f"trajectories?{query}", seed).load()
        count = made.sizes["time"]
        names = [name for name in GENERATORS if f"truth_{name}" in made]
        truth = [made[f"truth_{name}"].values.ravel() for name in names]
        return cls(
            made.spectra.values.reshape(count, -1),
            made.truth_wrong.values.ravel() > 0,
            np.stack(truth, 1) if truth else np.zeros((count, 0)),
            made.energy.values,
        )

    def samples(self) -> xr.Dataset:
        """As a store of samples."""
        about = {"long_name": "field", "units": "1"}
        axis = ("energy", self.axis, {"long_name": "time", "units": "1"})
        return xr.Dataset(
            {"spectrum": (("site", "energy"), self.spectra.astype(np.float32), about)},
            coords={"site": np.arange(len(self.spectra)), "energy": axis},
        )


@dataclass(frozen=True)
class Plane:
    """``content`` (history, 2), ``reconstruction`` (history, time), CPU seconds of the training
    and of encoding all histories; ``member`` if it is a model of the recipe."""

    content: np.ndarray
    reconstruction: np.ndarray
    seconds: float
    encoding: float
    member: Member | None = None


def of_recipe(histories: Histories, seed: int, **changed: Any) -> Plane:
    """One member of the model of the recipe `trajectories`, on one core."""
    settings = {**resolve_recipe("trajectories", [RECIPES]).models["vae"].as_dict(), **changed}
    samples = histories.samples()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        train.fit(
            samples,
            settings,
            members=[0],
            seed=seed,
            out=Path(folder, "members"),
            checkpoints=Path(folder, "checkpoints"),
            log=lambda text: None,
        )
        seconds = time.process_time() - started
        member = load_members(Path(folder, "members"))[0]
    started = time.process_time()
    found = encode.encode(member, gather(samples, member.model.settings))
    content, shown = np.asarray(found.content[:]), np.asarray(found.reconstruction[:])
    encoding = time.process_time() - started
    return Plane(content, shown.reshape(histories.spectra.shape), seconds, encoding, member)


def published(histories: Histories, seed: int, epochs: int = 75) -> Plane:
    """The VAE of the literature: two hidden layers of 128 with tanh in encoder and decoder, two
    latents, a fixed noise of 0.1, batches of 64 (M. Valleti et al., arXiv:2206.12435)."""
    torch.manual_seed(seed)
    rows = torch.from_numpy(histories.spectra).float()
    length = rows.shape[1]
    encoder = _dense(length, 4)
    decoder = _dense(2, length)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    started = time.process_time()
    for _ in range(epochs):
        for batch in torch.randperm(len(rows)).split(64):
            mean, log_sd = encoder(rows[batch]).chunk(2, -1)
            shown = decoder(mean + log_sd.exp() * torch.randn_like(mean))
            left = (shown - rows[batch]).square().sum(-1) / (2 * 0.1**2)
            kl = 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1)
            optimiser.zero_grad()
            (left + kl).mean().backward()
            optimiser.step()
    seconds = time.process_time() - started
    with torch.no_grad():
        mean = encoder(rows)[:, :2]
        return Plane(mean.numpy(), decoder(mean).numpy(), seconds, 0.0)


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, outputs)
    )


def error(plane: Plane, histories: Histories) -> float:
    """Root mean square of what is left of the histories that belong, as measured."""
    left = (plane.reconstruction - histories.spectra)[~histories.wrong]
    return float(np.sqrt((left**2).mean()))


def explained(plane: Plane, histories: Histories, seed: int = 0) -> list[float]:
    """R² of each generator, predicted by the 10 nearest neighbours in the latent plane, weighted
    by distance: four fifths of the histories that belong predict the others."""
    good = np.flatnonzero(~histories.wrong)
    order = np.random.default_rng(seed).permutation(good)
    known, others = np.split(order, [len(order) * 4 // 5])
    place = plane.content / plane.content[good].std(0)
    model = KNeighborsRegressor(10, weights="distance").fit(place[known], histories.truth[known])
    left = histories.truth[others] - model.predict(place[others])
    return [float(one) for one in 1 - (left**2).mean(0) / histories.truth[others].var(0)]
