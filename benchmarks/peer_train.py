"""Train a peer's model on patches; run in the peer's own environment, without vaescope.

    python peer_train.py MODEL PATCHES.npy FOLDER [--options JSON] [--seconds S | --epochs N]

PATCHES.npy holds (site, side, side) from 0 to 1. FOLDER gets ``angle.npy`` (site,) in radians,
``content.npy`` (site, latent), ``class.npy`` (site,) where the model has classes, and ``spent.npy``
(epochs, seconds of training). Epochs are never cut short. A GPU is used if
there is one. pyroVED and AtomAI also give
``bound.npy``, the mean bound of a patch in nats with all weights 1. With the option ``disc``
pyroVED sees only the pixels in the circle that a turned patch keeps, as our models do; AtomAI sees
all of them, and its bound is that of the pixels in the circle.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

Found = dict[str, np.ndarray]
Training = tuple[Callable[[int], Any], Callable[[], Found]]
"""Trains one epoch of the given number; encodes the patches."""

ENCODED = 200  # patches encoded at once


def ivae(patches: np.ndarray, options: dict[str, Any], seed: int) -> Training:
    """pyroVED's iVAE with its defaults; its latents are angle, offsets, content in this order."""
    import pyroved

    images = torch.from_numpy(patches)
    batch, disc = options.pop("batch", 100), options.pop("disc", False)
    model = pyroved.models.iVAE(images.shape[1:], seed=seed, **options)
    if disc:
        _see_disc(model, images.shape[1])
    trainer = pyroved.trainers.SVItrainer(model, seed=seed)
    loader = pyroved.utils.init_dataloader(images, batch_size=batch)

    def encode() -> Found:
        mean = model.encode(images)[0].cpu().numpy()
        bound = _bound(trainer, images, 1.0)
        return {"angle": mean[:, 0], "content": mean[:, model.coord :], "bound": bound}

    return lambda epoch: trainer.step(loader), encode


def jivae(patches: np.ndarray, options: dict[str, Any], seed: int) -> Training:
    """pyroVED's jiVAE with the schedule of KL weights that its documentation recommends."""
    import pyroved

    images = torch.from_numpy(patches)
    batch, disc = options.pop("batch", 100), options.pop("disc", False)
    model = pyroved.models.jiVAE(images.shape[1:], seed=seed, **options)
    if disc:
        _see_disc(model, images.shape[1])
    trainer = pyroved.trainers.SVItrainer(model, seed=seed, enumerate_parallel=True)
    loader = pyroved.utils.init_dataloader(images, batch_size=batch)

    def step(epoch: int) -> None:
        # 40 for ten epochs, then down to 3 by the fiftieth; 3 for the classes all along.
        weight = float(np.interp(epoch, [9, 49], [40, 3]))
        trainer.step(loader, scale_factor=[weight, 3.0])

    def encode() -> Found:
        mean, _, found = (part.cpu() for part in model.encode(images))
        return {
            "angle": mean[:, 0].numpy(),
            "content": mean[:, model.coord :].numpy(),
            "class": found.numpy(),
            "bound": _bound(trainer, images, [1.0, 1.0]),
        }

    return step, encode


def _see_disc(model: Any, side: int) -> None:
    """Let a pyroVED model see only the circle in its patches."""
    import pyro.distributions as dist

    seen = _disc(side)
    model.sampler_d = lambda mean: dist.Bernoulli(mean, validate_args=False).mask(
        seen.to(mean.device)
    )


def _disc(side: int) -> torch.Tensor:
    """Whether a pixel (side * side,) lies in the circle that a turned patch keeps."""
    axis = (torch.arange(side) + 0.5) * (2 / side) - 1
    return (axis[:, None] ** 2 + axis**2 <= 1).flatten()


def _bound(trainer: Any, images: torch.Tensor, weights: Any) -> np.ndarray:
    """The mean bound of a patch, nats, by pyroVED's own loss."""
    parts = [part.to(trainer.device) for part in images.split(ENCODED)]
    losses = [trainer.svi.evaluate_loss(part, scale_factor=weights) for part in parts]
    return np.array(-sum(losses) / len(images))


def atomai_jrvae(patches: np.ndarray, options: dict[str, Any], seed: int) -> Training:
    """AtomAI's jrVAE with its defaults, but for a prior of the angle that allows all of them."""
    vars(np).setdefault("product", np.prod)  # left NumPy with 2.0, and AtomAI calls it
    import atomai
    from atomai.losses_metrics.vi_losses import kld_discrete, kld_normal, kld_rot

    images = torch.from_numpy(patches)
    model = atomai.models.jrVAE(
        tuple(images.shape[1:]),
        latent_dim=options["latent_dim"],
        discrete_dim=[options["discrete_dim"]],
        translation=False,
        seed=seed,
    )
    model.kdict_["phi_prior"] = np.pi
    model.compile_trainer((images, None), batch_size=options["batch"])
    model.loss = "ce"
    seen = _disc(images.shape[1])

    def bound(
        x: torch.Tensor, logit: torch.Tensor, mean: Any, log_sd: Any, alphas: Any, **_: Any
    ) -> torch.Tensor:
        """The bound of a batch with all weights 1, on the pixels that our models see."""
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logit.flatten(1), x.flatten(1), reduction="none"
        )
        known = -loss[:, seen].sum(1).mean()
        angle = kld_rot(np.pi, log_sd[:, 0]).mean()
        content = kld_normal([mean[:, 1:], log_sd[:, 1:]]).mean()
        classes = sum(kld_discrete(alpha).mean() for alpha in alphas)
        return known - angle - content - classes

    def encode() -> Found:
        mean, _, alphas = model.encode(images)
        model.elbo_fn = bound
        parts = images.split(ENCODED)
        values = [float(model.forward_compute_elbo(x, mode="eval")) * len(x) for x in parts]
        return {
            "angle": mean[:, 0],
            "content": mean[:, 1:],
            "class": alphas.argmax(1),
            "bound": np.array(sum(values) / len(images)),
        }

    return lambda epoch: model.train_epoch(), encode


def target_vae(patches: np.ndarray, options: dict[str, Any], seed: int) -> Training:
    """TARGET-VAE from a clone of its repository, with the defaults of its script for MNIST(U)."""
    sys.path.insert(0, options["clone"])
    models = import_module("src.models")
    train_mnist = import_module("train_mnist")

    torch.manual_seed(seed)
    side, latent, turns = patches.shape[1], options["latent_dim"], 8
    images = torch.from_numpy(patches)[:, None]
    generator = models.SpatialGenerator(
        latent, 512, num_layers=2, fourier_expansion=True, sigma=2 / (side - 1)
    )
    encoder = models.InferenceNetwork_AttentionTranslation_AttentionRotation(
        side,
        1,
        latent,
        kernels_num=128,
        kernels_size=28,
        padding=8,
        groupconv=turns,
        rot_refinement=True,
        theta_prior=np.pi,
        normal_prior_over_r=False,
    )
    weights = [*generator.parameters(), *encoder.parameters()]
    optimiser = torch.optim.Adam(weights, lr=2e-4)
    set_of = torch.utils.data.TensorDataset(images)
    loader = torch.utils.data.DataLoader(set_of, batch_size=100, shuffle=True)
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    grid = torch.stack([x.ravel(), y.ravel()], 1)
    cpu = torch.device("cpu")

    def step(epoch: int) -> None:
        # It prints its progress after every batch.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            train_mnist.train_epoch(
                loader,
                grid,
                generator,
                encoder,
                optimiser,
                t_inf="attention",
                r_inf="attention+offsets",
                epoch=epoch,
                num_epochs=epoch + 1,
                N=len(images),
                device=cpu,
                params=weights,
                theta_prior=np.pi,
                groupconv=turns,
                image_dim=side,
            )

    def encode() -> Found:
        encoder.train(False)
        parts = [_likeliest(encoder(some, cpu), latent) for some in images.split(ENCODED)]
        angle, content = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
        return {"angle": angle, "content": content}

    return step, encode


def _likeliest(out: tuple[torch.Tensor, ...], latent: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Angle and content at the place and turn that TARGET-VAE's encoder attends to most."""
    attention, angle, content = out[0].flatten(1), out[5].flatten(2), out[6].flatten(2)
    row, best = torch.arange(len(attention)), attention.argmax(1)
    return angle[row, 0, best], content[row, :latent, best]


MODELS = {
    "ivae": ivae,
    "jivae": jivae,
    "atomai-jrvae": atomai_jrvae,
    "target-vae": target_vae,
}


def main() -> None:
    """Train until the time is over or the epochs are made, then encode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("patches", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--seed", type=int, default=0)
    limit = parser.add_mutually_exclusive_group(required=True)
    limit.add_argument("--seconds", type=float)
    limit.add_argument("--epochs", type=int)
    given = parser.parse_args()
    torch.set_num_threads(1)
    patches = np.load(given.patches, allow_pickle=False)
    step, encode = MODELS[given.model](patches, given.options, given.seed)
    made, began = 0, time.perf_counter()
    while made < given.epochs if given.epochs else time.perf_counter() - began < given.seconds:
        step(made)
        made += 1
    spent = time.perf_counter() - began
    with torch.no_grad():
        found = encode()
    for name, values in {**found, "spent": np.array([made, spent])}.items():
        np.save(given.folder / f"{name}.npy", values, allow_pickle=False)
    said = {"epochs": made, "seconds": spent, "per_epoch": spent / made}
    if "bound" in found:
        said["bound"] = float(found["bound"])
    print(json.dumps(said))


if __name__ == "__main__":
    main()
