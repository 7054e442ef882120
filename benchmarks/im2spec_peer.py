"""Train a peer's image-to-spectrum model; run in the peer's own environment, without vaescope.

    python im2spec_peer.py MODEL PAIRS.npz FOUND.npz --seconds S [--seed K]

PAIRS holds ``windows`` (site, side, side) and ``spectra`` (site, energy) to train on, both from 0
to 1 but for outliers, and ``wanted`` (other, side, side). FOUND gets ``predicted`` (other, energy),
``sd`` of the same shape where the model has one, and ``spent`` (epochs, seconds). Each model has
the defaults of its documentation; what is not is named in ``MODELS``. Training goes on by whole
epochs until so many seconds of CPU time are over. One thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

Found = dict[str, np.ndarray]
BATCH = 64
TIMED = 3  # epochs that tell how long one takes


def imspec(pairs: Any, seconds: float, seed: int) -> tuple[Found, int]:
    """AtomAI's ImSpec with ten latents, as in its example of plasmons; whole epochs."""
    vars(np).setdefault("product", np.prod)  # left NumPy with 2.0, and AtomAI calls it
    import atomai

    windows, spectra = pairs["windows"][:, None], pairs["spectra"][:, None]
    # It scores itself on a test set, of at least one batch: some of what it is trained on.
    check = np.random.default_rng(seed).permutation(len(windows))[: 2 * BATCH]

    def trained(epochs: int) -> tuple[Any, float]:
        began = time.process_time()
        model = atomai.models.ImSpec(windows.shape[2:], spectra.shape[2:], latent_dim=10, seed=seed)
        model.fit(
            windows,
            spectra,
            windows[check],
            spectra[check],
            training_cycles=epochs,
            batch_size=BATCH,
            full_epoch=True,
            plot_training_history=False,
            print_loss=10**6,
            filename=str(pairs["folder"] / "imspec"),
        )
        return model, time.process_time() - began

    trained(1)  # what is done but once must not count
    each = trained(TIMED)[1] / TIMED
    epochs = max(int(seconds / each), 1)
    model, _ = trained(epochs)
    predicted = model.predict(pairs["wanted"][:, None], norm=False, verbose=False)
    return {"predicted": np.asarray(predicted).reshape(len(pairs["wanted"]), -1)}, epochs


def ved(pairs: Any, seconds: float, seed: int) -> tuple[Found, int]:
    """pyroVED's VED with two latents; its spectra have a length that is a multiple of 8."""
    import pyroved

    length = pairs["spectra"].shape[1]
    spectra = np.pad(pairs["spectra"], [(0, 0), (0, -length % 8)], mode="edge").clip(0, 1)
    windows = torch.from_numpy(pairs["windows"][:, None])
    model = pyroved.models.VED(windows.shape[2:], (spectra.shape[1],), seed=seed)
    trainer = pyroved.trainers.SVItrainer(model, seed=seed)
    loader = pyroved.utils.init_dataloader(
        windows, torch.from_numpy(spectra[:, None]), batch_size=BATCH
    )
    began, epochs = time.process_time(), 0
    while time.process_time() - began < seconds:
        trainer.step(loader)
        epochs += 1
    mean, sd = model.predict(torch.from_numpy(pairs["wanted"][:, None]))
    flat = [part.numpy().reshape(len(pairs["wanted"]), -1)[:, :length] for part in (mean, sd)]
    return {"predicted": flat[0], "sd": flat[1]}, epochs


MODELS: dict[str, Callable[[Any, float, int], tuple[Found, int]]] = {"imspec": imspec, "ved": ved}


def main() -> None:
    """Train, predict, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("found", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with np.load(given.pairs, allow_pickle=False) as stored:
        pairs: dict[str, Any] = {name: stored[name].astype(np.float32) for name in stored.files}
    pairs["folder"] = given.found.parent
    began = time.process_time()
    found, epochs = MODELS[given.model](pairs, given.seconds, given.seed)
    spent = time.process_time() - began
    every: dict[str, Any] = {**found, "spent": np.array([epochs, spent])}
    np.savez(given.found, **every)
    print(json.dumps({"epochs": epochs, "seconds": round(spent, 1)}))


if __name__ == "__main__":
    main()
