"""Train the members of a detector side by side."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn

from vaescope.learned.network import UNet, best_device, round_weights
from vaescope.learned.settings import DetectorSettings
from vaescope.numerics import one_thread
from vaescope.progress import Progress

_WARM = 0.1  # share of the training during which the learning rate rises

Batch = Callable[[np.random.Generator], tuple[Tensor, ...]]
"""Draws pictures (batch, 1, y, x) and what the network should say of them."""
Loss = Callable[..., Tensor]
"""Of the logits (batch, map, y, x), and of what else a batch holds."""


def train_members(
    settings: DetectorSettings,
    maps: int,
    batch: Batch,
    loss: Loss,
    *,
    threads: int = 1,
    log: Callable[[str], None] = print,
) -> list[UNet]:
    """Train networks from different random starts on different batches.

    Parameters
    ----------
    settings : of the detector.
    maps : what a network predicts for each pixel.
    batch, loss : see ``Batch`` and ``Loss``.
    threads : members trained at once on a CPU; the result does not depend on it.

    Returns
    -------
    The networks, on the CPU, in evaluation mode, their weights rounded to half precision.
    """
    device = best_device()
    members = []
    for number in range(settings.members):  # one after the other: torch's seed is global
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed * 1000 + number)
            members.append(UNet(settings.channels, maps))
    where = "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    log(f"training {settings.members} members on {where}")

    def run(number: int) -> UNet:
        if device.type == "cpu":
            one_thread()
        rng = np.random.default_rng([settings.seed, 1, number])
        return _fit(members[number], settings, number, lambda: batch(rng), loss, device, made)

    workers = min(max(threads, 1), settings.members) if device.type == "cpu" else 1
    steps = settings.members * settings.steps
    counted = Progress(None, f"training {settings.members} members", steps, log)
    with counted as made, ThreadPoolExecutor(max_workers=workers) as executor:
        return list(executor.map(run, range(settings.members)))


def _fit(
    model: UNet,
    settings: DetectorSettings,
    number: int,
    draw: Callable[[], tuple[Tensor, ...]],
    loss: Loss,
    device: torch.device,
    made: Progress,
) -> UNet:
    layout = torch.channels_last
    model = model.to(device).to(memory_format=layout).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps + 1, pct_start=_WARM
    )
    report = max(settings.steps // 20, 1)
    total = 0.0
    for step in range(1, settings.steps + 1):
        pictures, *wanted = (part.to(device) for part in draw())
        value = loss(model(pictures.contiguous(memory_format=layout)), *wanted)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += value.item()
        words = None
        if step % report == 0:
            words, total = f"loss {total / report:.4f} of member {number}", 0.0
        made.update(words=words)
    return round_weights(model.cpu().eval())
