"""Surfaces for searches in latent spaces: a VAE of histories, and what each decoded one is worth.

    python benchmarks/explore_surfaces.py [--held-out] [--numbers 0 1 2]

A surface has its own histories, network, field amplitude and defects, all drawn from its number.
Surfaces that settings were chosen on and those that are held out come from different streams of
random numbers. Each is computed once, into the folder ``/tmp/vaescope-surfaces``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vaescope.explore import objective
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.simulate.trajectories import Trajectories, scaled, trajectories

CACHE = Path(tempfile.gettempdir()) / "vaescope-surfaces"
SIDE = 100  # candidates along each latent
GENERATORS = 50  # candidates along growth and along frequency
MARGIN = 0.1  # beyond the encoded range, as a share of it
STREAMS = {"tuning": 11, "held out": 2_000_003}
EPOCHS, BATCH, NOISE = 60, 128, 0.1


@dataclass
class Surface:
    """Candidates of a latent plane and what is known of them.

    ``z`` (candidate, 2), ``curves`` (candidate, time) that they decode to, ``back`` (candidate, 2)
    what those are encoded to, ``encoded`` (history, 2), ``values`` by quantity (candidate,);
    ``generators`` (n, 2) growth and frequency on a grid, ``theirs`` their values by quantity.
    """

    z: np.ndarray
    curves: np.ndarray
    back: np.ndarray
    encoded: np.ndarray
    values: dict[str, np.ndarray]
    generators: np.ndarray
    theirs: dict[str, np.ndarray]


def surface(stream: str, number: int, generators: bool = True) -> Surface:
    """A surface from the cache, computed if it is not there."""
    file = CACHE / f"{stream.replace(' ', '-')}-{number}.npz"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        _save(file, _computed(stream, number))
    beside = file.with_suffix(".generators.npz")
    if generators and not beside.exists():
        _save(beside, _of_generators(stream, number))
    with np.load(file) as held:
        found = dict(held)
    other = {
        "generators": np.zeros((0, 2)),
        "theirs_curl": np.zeros(0),
        "theirs_normalised_curl": np.zeros(0),
    }
    if generators:
        with np.load(beside) as held:
            other = dict(held)
    return Surface(
        found["z"],
        found["curves"],
        found["back"],
        found["encoded"],
        {name: found[name] for name in ("curl", "normalised_curl")},
        other["generators"],
        {name: other[f"theirs_{name}"] for name in ("curl", "normalised_curl")},
    )


def _save(file: Path, arrays: dict[str, np.ndarray]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)


def settings_of(stream: str, number: int) -> ObjectiveSettings:
    """Field amplitude and defects of a surface."""
    random = np.random.default_rng([STREAMS[stream], number])
    return ObjectiveSettings(
        amplitude=float(random.uniform(75, 250)),
        defects=int(random.integers(1, 13)),
        defect_seed=int(random.integers(10**9)),
    )


def _values(curves: np.ndarray, settings: ObjectiveSettings) -> dict[str, np.ndarray]:
    found: dict[str, list[np.ndarray]] = {"curl": [], "normalised_curl": []}
    for block in np.array_split(curves, max(len(curves) // objective.BATCH, 1)):
        p = objective.polarisation_of(block, settings)
        for name in found:
            one = ObjectiveSettings.of({**settings.as_dict(), "quantity": name})
            found[name].append(objective.number_of(p, one))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _of_generators(stream: str, number: int) -> dict[str, np.ndarray]:
    growth = np.linspace(-2.75, 2.75, GENERATORS)
    frequency = np.linspace(2 * np.pi, 8 * np.pi / 3, GENERATORS)
    plane = np.stack(np.meshgrid(growth, frequency, indexing="ij"), -1).reshape(-1, 2)
    when = np.linspace(0, 4, 1200)
    curves = np.exp(plane[:, :1] * when) * np.cos(plane[:, 1:] * when)
    made = _values(scaled(curves)[:, :900].astype(np.float32), settings_of(stream, number))
    return {"generators": plane, **{f"theirs_{name}": value for name, value in made.items()}}


def _computed(stream: str, number: int) -> dict[str, np.ndarray]:
    started = time.perf_counter()
    seed = [STREAMS[stream], number, 1]
    random = np.random.default_rng(seed)
    curves = trajectories(Trajectories(), random).spectra.reshape(7500, -1).astype(np.float32)
    vae = train(curves, int(random.integers(2**31)))
    with torch.no_grad():
        encoded = vae.encode(torch.as_tensor(curves))[0].numpy()
        low, high = encoded.min(0), encoded.max(0)
        low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
        axes = [np.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True)]
        z = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2).astype(np.float32)
        decoded = vae.decoder(torch.as_tensor(z))
        back = vae.encode(decoded)[0].numpy()
    trained = time.perf_counter() - started
    made = _values(decoded.numpy(), settings_of(stream, number))
    print(
        f"{stream} {number}: VAE {trained:.0f} s, all {time.perf_counter() - started:.0f} s,"
        f" largest curl {made['curl'].max():.2f}, normalised {made['normalised_curl'].max():.1f}",
        flush=True,
    )
    return {"z": z, "curves": decoded.numpy(), "back": back, "encoded": encoded, **made}


class Vae(nn.Module):
    """Dense VAE of curves with two latents, as that of the lecture on trajectories."""

    def __init__(self, length: int) -> None:
        super().__init__()

        def dense(before: int, after: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(before, 128),
                nn.Tanh(),
                nn.Linear(128, 128),
                nn.Tanh(),
                nn.Linear(128, after),
            )

        self.encoder, self.decoder = dense(length, 4), dense(2, length)

    def encode(self, curves: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the standard deviation (n, 2)."""
        mean, log_sd = self.encoder(curves).chunk(2, dim=-1)
        return mean, log_sd


def train(curves: np.ndarray, seed: int) -> Vae:
    """A VAE fitted to curves (n, time)."""
    torch.manual_seed(seed)
    vae, data = Vae(curves.shape[1]), torch.as_tensor(curves)
    optimiser = torch.optim.Adam(vae.parameters(), 1e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(data)).split(BATCH):
            mean, log_sd = vae.encode(data[rows])
            z = mean + torch.randn_like(mean) * log_sd.exp()
            off = ((vae.decoder(z) - data[rows]) ** 2).sum(1) / (2 * NOISE**2)
            divergence = (0.5 * (mean**2 + (2 * log_sd).exp() - 1) - log_sd).sum(1)
            optimiser.zero_grad()
            (off + divergence).mean().backward()
            optimiser.step()
    return vae


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--numbers", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--no-generators", action="store_true")
    asked = parser.parse_args()
    for number in asked.numbers:
        surface("held out" if asked.held_out else "tuning", number, not asked.no_generators)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
