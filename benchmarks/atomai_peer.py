"""What AtomAI finds in images; run by ``detection.py`` and ``walls_learned.py`` in an environment
that has AtomAI.

    PYTHON atomai_peer.py train SCENES.npz WEIGHTS.npz SECONDS [NETWORK [FILTERS [BATCH]]]
    PYTHON atomai_peer.py find WEIGHTS.npz IMAGES.npz FOUND.npz
    PYTHON atomai_peer.py segment WEIGHTS.npz IMAGES.npz FOUND.npz NETWORK FILTERS

SCENES holds ``pictures`` (n, height, width) and ``masks`` of the same shape, 1 on atoms or walls.
AtomAI's ``Segmentor``, all at its defaults but for what is given (Unet, Adam, batches of 32), is
trained on them for so many seconds of CPU time. IMAGES holds pictures by name; FOUND gets the
positions (site, 2) as (y, x) by AtomAI's ``Locator`` for every name and every threshold of
``THRESHOLDS``, or, by ``segment``, the map (height, width) of every name.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7)  # 0.5 is AtomAI's default
_TIMED = {"Unet": 12, "ResHedNet": 2}  # cycles that tell how long one takes
_STEP = 8  # px, a multiple of what the network halves


def segmentor(network: str, filters: str) -> Any:
    """A Segmentor; of a network without number of filters, as wide as AtomAI makes it."""
    import atomai

    wide: dict[str, Any] = {"nb_filters": int(filters)} if filters else {}
    return atomai.models.Segmentor(network, nb_classes=1, **wide)


def train(
    source: str,
    target: str,
    seconds: str,
    network: str = "Unet",
    filters: str = "",
    batch: str = "32",
) -> None:
    """Train a Segmentor for so many seconds of CPU time and write its weights."""
    torch.set_num_threads(1)
    with np.load(source, allow_pickle=False) as scenes:
        pictures, masks = scenes["pictures"][:, None], scenes["masks"][:, None]
    kept = max(len(pictures) // 20, 32)  # AtomAI wants a batch of 32 for its test

    def fitted(cycles: int) -> tuple[Any, float]:
        start = time.process_time()
        model = segmentor(network, filters)
        model.fit(
            pictures[kept:],
            masks[kept:],
            pictures[:kept],
            masks[:kept],
            training_cycles=cycles,
            batch_size=int(batch),
            plot_training_history=False,
            filename=target,
        )
        return model, time.process_time() - start

    fitted(1)  # what is done but once must not count
    one, many = fitted(1)[1], fitted(1 + _TIMED[network])[1]
    each = (many - one) / _TIMED[network]
    cycles = max(int((float(seconds) - one) / each), 1)
    model, took = fitted(cycles)
    print(f"{cycles} cycles in {took:.0f} s")
    np.savez(target, **{name: w.cpu().numpy() for name, w in model.net.state_dict().items()})


def find(weights: str, source: str, target: str) -> None:
    """Find atoms by ``Segmentor.predict`` and ``Locator`` and write them."""
    from atomai.predictors import Locator

    found = {}
    for name, seen in _maps(weights, source, "Unet", ""):
        for threshold in THRESHOLDS:
            places = Locator(threshold, dist_edge=0).run(seen)[0][:, :2]
            found[f"{name} at {threshold}"] = places
    np.savez(target, allow_pickle=False, **found)


def segment(weights: str, source: str, target: str, network: str, filters: str) -> None:
    """Write the maps by ``Segmentor.predict``."""
    found = {name: seen[0, ..., 0] for name, seen in _maps(weights, source, network, filters)}
    np.savez(target, allow_pickle=False, **found)


def _maps(
    weights: str, source: str, network: str, filters: str
) -> Iterator[tuple[str, np.ndarray]]:
    """The name of every image and its map (1, height, width, 1)."""
    torch.set_num_threads(1)
    model = segmentor(network, filters)
    with np.load(weights, allow_pickle=False) as stored:
        model.net.load_state_dict({name: torch.from_numpy(stored[name]) for name in stored.files})
    with np.load(source, allow_pickle=False) as images:
        for name in images.files:
            picture = images[name]
            rest = [(0, -side % _STEP) for side in picture.shape]
            padded = np.pad(picture, rest, mode="reflect")
            seen = model.predict(padded, compute_coords=False, norm=False, verbose=False)
            yield name, np.asarray(seen)[:, : picture.shape[0], : picture.shape[1]]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    programs: dict[str, Callable[..., None]] = {"train": train, "find": find, "segment": segment}
    programs[sys.argv[1]](*sys.argv[2:])
