"""Train the members of a detector on simulated scenes, and calibrate their scores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from vaescope.numerics import one_thread
from vaescope.progress import Progress, track
from vaescope.sites.learned import scenes
from vaescope.sites.learned.maxima import peaks
from vaescope.sites.learned.network import UNet, best_device
from vaescope.sites.learned.picture import normalised
from vaescope.sites.learned.settings import DetectorSettings
from vaescope.sites.matching import match

_SPECIES_WEIGHT = 0.1  # of the species' cross entropy beside the heat's
_ON_SITE = 0.3  # heat above which the species of a pixel enters the loss
_WARM = 0.1  # share of the training during which the learning rate rises
_JUDGED = 48  # images on which the finished members are calibrated
_NEAR = 2.5  # px: a maximum so near to a column has found it


def train(
    settings: DetectorSettings, *, threads: int = 1, log: Callable[[str], None] = print
) -> tuple[list[UNet], dict[str, Any]]:
    """Train the members of a detector.

    Parameters
    ----------
    settings : of the detector.
    threads : members trained at once on a CPU; the result does not depend on it.

    Returns
    -------
    members : the networks, on the CPU, in evaluation mode.
    facts : ``calibration`` (slope, offset) of the logit of a score, ``species`` (number of kinds),
        ``f1``, ``precision`` and ``recall`` on simulated images that no member has seen.
    """
    device = best_device()
    log(f"drawing {settings.images} scenes of {', '.join(settings.simulate)}")
    pool = draw(settings, settings.images, 0)
    species = 1 + max(int(scene.kind.max()) for scene in pool)
    members = []
    for number in range(settings.members):  # one after the other: torch's seed is global
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed * 1000 + number)
            members.append(UNet(settings.channels, species))
    where = "the CPU" if device.type == "cpu" else torch.cuda.get_device_name(device)
    log(f"training {settings.members} members on {where}")

    def run(number: int) -> UNet:
        if device.type == "cpu":
            one_thread()
        return _fit(members[number], settings, number, pool, device, made)

    workers = min(max(threads, 1), settings.members) if device.type == "cpu" else 1
    steps = settings.members * settings.steps
    counted = Progress(None, f"training {settings.members} members", steps, log)
    with counted as made, ThreadPoolExecutor(max_workers=workers) as executor:
        members = list(executor.map(run, range(settings.members)))
    facts = judge(members, settings)
    log(f"on simulated images: F1 {facts['f1']:.3f}")
    return members, facts | {"species": species}


def draw(settings: DetectorSettings, count: int, stream: int) -> list[scenes.TrainingScene]:
    """Scenes of all systems in turn; another ``stream`` gives others."""
    rng = np.random.default_rng([settings.seed, stream])
    names = settings.simulate
    each = (scenes.scene(names[k % len(names)], rng) for k in range(count))
    return list(track("drawing scenes", each, count))


def _fit(
    model: UNet,
    settings: DetectorSettings,
    number: int,
    pool: list[scenes.TrainingScene],
    device: torch.device,
    made: Progress,
) -> UNet:
    rng = np.random.default_rng([settings.seed, 1, number])
    model = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(model.parameters(), settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps + 1, pct_start=_WARM
    )
    report = max(settings.steps // 20, 1)
    total = 0.0
    for step in range(1, settings.steps + 1):
        pictures, heat, kind = (part.to(device) for part in batch(pool, settings.batch, rng))
        loss = _loss(model(pictures.contiguous(memory_format=torch.channels_last)), heat, kind)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        total += loss.item()
        words = None
        if step % report == 0:
            words, total = f"loss {total / report:.4f} of member {number}", 0.0
        made.update(words=words)
    return model.cpu().eval()


def batch(
    pool: list[scenes.TrainingScene], size: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (batch, 1, y, x), their heat (batch, y, x) and the species (batch, y, x) there."""
    recorded = [scenes.record(pool[index], rng) for index in rng.integers(len(pool), size=size)]
    pictures = [normalised(one.image, float(one.image.std())) for one in recorded]
    return (
        torch.from_numpy(np.stack(pictures).astype(np.float32))[:, None],
        torch.from_numpy(np.stack([one.heat for one in recorded]).astype(np.float32)),
        torch.from_numpy(np.stack([one.kind for one in recorded])),
    )


def _loss(logits: Tensor, heat: Tensor, kind: Tensor) -> Tensor:
    """Cross entropy of the heat, whose best answer is its expected value, and of the species."""
    loss = functional.binary_cross_entropy_with_logits(logits[:, 0], heat)
    if logits.shape[1] > 1:
        on_site = heat > _ON_SITE
        each = functional.cross_entropy(logits[:, 1:], kind, reduction="none")
        loss = loss + _SPECIES_WEIGHT * (each * on_site).sum() / on_site.sum().clamp(min=1)
    return loss


@torch.no_grad()
def judge(members: list[UNet], settings: DetectorSettings) -> dict[str, Any]:
    """Calibrate the scores of trained members on images that they were not trained on.

    A logistic curve through the logit of the score tells how likely a maximum is a site.

    Source: J. Platt, Advances in Large Margin Classifiers (1999).
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng([settings.seed, 2])
    scores, right, missed = [], [], 0
    for scene in draw(settings, _JUDGED, 3):
        shown = scenes.record(scene, rng)
        position = shown.position
        picture = normalised(shown.image, float(shown.image.std())).astype(np.float32)
        batch_of_one = torch.from_numpy(picture)[None, None]
        heats = np.stack([member(batch_of_one)[0, 0].sigmoid().numpy() for member in members])
        found, score = peaks(heats.mean(axis=0))
        inner = ((found > 2) & (found < scenes.CROP - 3)).all(axis=1)
        wanted = ((position > 2) & (position < scenes.CROP - 3)).all(axis=1)
        index = match(found, position, _NEAR)
        scores.append(score[inner])
        right.append(index[inner] >= 0)
        missed += int(wanted.sum()) - int(np.isin(np.flatnonzero(wanted), index).sum())
    score, good = np.concatenate(scores), np.concatenate(right)
    slope, offset = 1.0, 0.0
    if 0 < good.sum() < len(good):
        curve = LogisticRegression(C=1e3).fit(logit(score)[:, None], good)
        slope, offset = float(curve.coef_[0, 0]), float(curve.intercept_[0])
        if slope <= 0:  # it has learned nothing: better no curve than one upside down
            slope, offset = 1.0, 0.0
    kept = slope * logit(score) + offset > 0
    truth = good.sum() + missed
    precision = float(good[kept].mean()) if kept.any() else 0.0
    recall = float(good[kept].sum() / truth) if truth else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {
        "calibration": [slope, offset],
        "f1": f1,
        "precision": precision,
        "recall": recall,
    }


def logit(share: np.ndarray) -> np.ndarray:
    """Logarithm of the odds; shares of 0 and 1 are kept off the ends."""
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))
