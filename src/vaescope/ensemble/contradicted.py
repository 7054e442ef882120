"""What of a prior from physics the data contradict, for the findings of a report.

A prior that is wrong must not pass unnoticed: what the data say against it is measured here, from
the members and their residuals, without training anything again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vaescope.ensemble.encode import Encoding
from vaescope.ensemble.members import Member
from vaescope.ensemble.residual import Residuals
from vaescope.ensemble.source import PatchSource
from vaescope.models import likelihoods
from vaescope.models.pixel_noise import PixelNoise
from vaescope.quantities import CRITICISM, attributes

SITES = 2000  # whose residuals are looked at where pictures are zero
NEAR = 2.0  # softnesses above zero up to which a picture counts as zero there

_PULL = 4.0  # times that of white noise, which may be chance


def measured(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    kept: np.ndarray,
    source: PatchSource,
    left: Residuals,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and attributes of ``latents.zarr``.

    Returns
    -------
    Variables: ``unlike_neighbours`` (site,), probability that smoothness does not hold there.
    Attributes: ``smoothness_alike``, of the latent that varies most smoothly the variance of
    differences between neighbours over that of any two sites, ``smoothness_excess``, by what factor
    the smoothness of the recipe is stronger than the contents support; ``positive_residual``, mean
    of the residuals where pictures are zero, over noise, ``positive_error`` its standard error, and
    ``positive_share`` of the pixels; ``own_term`` and ``own_term_price`` in nats per site.
    """
    voting = [k for k, vote in enumerate(kept) if vote]
    variables: dict[str, Any] = {}
    about: dict[str, Any] = {}
    own = source.settings
    smoothed = [found for k in voting if (found := encodings[k].smoothed) is not None]
    if smoothed:
        said = attributes("unlike its neighbours", "1", "sequential", group=CRITICISM, valid=(0, 1))
        unlike = np.mean([each.unlike for each in smoothed], 0).astype(np.float32)
        variables["unlike_neighbours"] = ("site", unlike, said)
        about["smoothness_alike"] = float(np.median([each.found.alike.min() for each in smoothed]))
        if own.smoothness != "auto":
            supported = np.median([each.found.precision.max() for each in smoothed])
            about["smoothness_excess"] = float(own.smoothness / max(supported, 1e-9))
    if own.positive:
        about |= where_zero(
            [ensemble[k] for k in voting], [encodings[k] for k in voting], source, left
        )
    paid = [ensemble[k].physics for k in voting]
    terms = [each for each in paid if each is not None]
    if terms:
        about["own_term"] = float(np.median([each["value"] for each in terms]))
        price = float(np.median([each["price"] for each in terms]))
        pull = float(np.median([each.get("pull", 0.0) for each in terms]))
        # Resampled finer than the image, pixels share noise: that is no pull.
        shared = max(1.0, float(source.patches.attrs.get("pitch", 1.0)) ** -2)
        beyond = 0.5 * (pull - _PULL * shared)
        about["own_term_price"] = max(price, beyond)
    return variables, about


def where_zero(
    ensemble: Sequence[Member], encodings: Sequence[Encoding], source: PatchSource, left: Residuals
) -> dict[str, float]:
    """Residuals of sites at the pixels where positive pictures are zero: ``positive_share``,
    ``positive_residual`` and ``positive_error``; nothing where no picture is."""
    model = ensemble[0].model
    bound = getattr(model.decoder, "positive", None)
    if bound is None:
        return {}
    high = (bound.zero + NEAR * bound.softness).numpy()[None, :, :, None]
    noise = PixelNoise.of_all([each.noise for each in encodings])
    rows = source.some(SITES)
    data, drawn = source.data(rows), left.reconstruction[rows]
    counted = model.mask.numpy() > 0
    at_zero = (drawn < high) & counted
    if data.known is not None:
        at_zero &= data.known[:, None] > 0
    apart = likelihoods.residuals_over_noise(data.target, drawn, noise.sd(drawn))
    number = at_zero.sum((1, 2, 3))
    some = number > 0
    if some.sum() < 2:
        return {}
    sums = (apart * at_zero).sum((1, 2, 3))
    mean = float(sums[some].sum() / number[some].sum())
    scatter = float(((sums - mean * number)[some] ** 2).sum())
    return {
        "positive_share": float(number.sum() / (counted.sum() * len(rows) * drawn.shape[1])),
        "positive_residual": mean,
        "positive_error": math.sqrt(scatter) / float(number[some].sum()),
    }
