"""Train the members of a detector on simulated scenes, and calibrate their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from vaescope.learned.calibration import calibrated, calibration
from vaescope.learned.network import UNet
from vaescope.learned.optimise import train_members
from vaescope.learned.settings import DetectorSettings
from vaescope.progress import track
from vaescope.sites.learned import scenes
from vaescope.sites.learned.maxima import peaks
from vaescope.sites.learned.picture import normalised
from vaescope.sites.matching import match

_SPECIES_WEIGHT = 0.1  # of the species' cross entropy beside the heat's
_ON_SITE = 0.3  # heat above which the species of a pixel enters the loss
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
    log(f"drawing {settings.images} scenes of {', '.join(settings.simulate)}")
    pool = draw(settings, settings.images, 0)
    species = 1 + max(int(scene.kind.max()) for scene in pool)

    def drawn(rng: np.random.Generator) -> tuple[Tensor, ...]:
        return batch(pool, settings.batch, rng)

    maps = 1 + species if species > 1 else 1
    members = train_members(settings, maps, drawn, _loss, threads=threads, log=log)
    facts = judge(members, settings)
    log(f"on simulated images: F1 {facts['f1']:.3f}")
    return members, facts | {"species": species}


def draw(settings: DetectorSettings, count: int, stream: int) -> list[scenes.TrainingScene]:
    """Scenes of all systems in turn; another ``stream`` gives others."""
    rng = np.random.default_rng([settings.seed, stream])
    names = settings.simulate
    each = (scenes.scene(names[k % len(names)], rng) for k in range(count))
    return list(track("drawing scenes", each, count))


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
    """
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
    curve = calibration(score, good)
    kept = calibrated(score, curve) > 0.5
    truth = good.sum() + missed
    precision = float(good[kept].mean()) if kept.any() else 0.0
    recall = float(good[kept].sum() / truth) if truth else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {
        "calibration": list(curve),
        "f1": f1,
        "precision": precision,
        "recall": recall,
    }
