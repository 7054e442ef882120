"""The reconstruction of every patch by an ensemble, and its residual."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope.ensemble import predictive_checks
from vaescope.ensemble.encode import Encoding
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch, Spool
from vaescope.models import likelihoods
from vaescope.models.pixel_noise import PixelNoise

Share = Callable[[Callable[[Encoding], np.ndarray], Sequence[Encoding]], Any]
"""Like ``map``: what does something for every member, some of them at once."""


@dataclass
class Residuals:
    """``reconstruction`` (site, channel, height, width), on disk and not in memory; ``residual``
    (site,) over the noise, ``explained`` (site,), the ``noise`` of the explained ones, and the
    share (site,) of the pixels that were ``seen``."""

    reconstruction: Spool
    residual: np.ndarray
    explained: np.ndarray
    noise: predictive_checks.ResidualNoise
    seen: np.ndarray


def residuals(
    source: PatchSource, encodings: Sequence[Encoding], mask: np.ndarray, share: Share
) -> Residuals:
    """Reconstruct all sites by the members with a vote, and take residuals, block by block.

    Parameters
    ----------
    source : patches and targets.
    encodings : of the members with a vote.
    mask : (height, width), the pixels that count.
    share : ``map``, or that of a pool of threads.
    """
    likelihood = likelihoods.of(source.settings)
    noise = PixelNoise.of_all([e.noise for e in encodings])
    reconstruction = Scratch().empty(encodings[0].reconstruction.shape)
    residual, seen = np.empty(len(source), np.float32), np.ones(len(source))
    for rows, data in source.blocks():

        def draw(encoding: Encoding, rows: slice = rows) -> np.ndarray:
            return encoding.reconstruction[rows]

        total = np.zeros(data.target.shape, np.float32)
        for drawn in share(draw, encodings):
            total += drawn
        total /= len(encodings)
        reconstruction[rows] = total
        counted = mask if data.known is None else mask * data.known
        if data.known is not None:
            seen[rows] = counted.sum((1, 2)) / mask.sum()
        residual[rows] = likelihood.residual(data.target, total, noise.sd(total), counted)
    explained = predictive_checks.explained(residual)

    def standardised_residuals() -> Iterator[np.ndarray]:
        for rows, data in source.blocks():
            good = explained[rows]
            mean = reconstruction[rows][good]
            left = likelihood.residuals(data.target[good], mean, noise.sd(mean))
            yield left if data.known is None else left * data.known[good][:, None]

    own = predictive_checks.ResidualNoise.of(standardised_residuals(), mask)
    return Residuals(reconstruction, residual, explained, own, seen)
