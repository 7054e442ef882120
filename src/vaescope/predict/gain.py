"""How strong a spectrum is, where the image says so: an image made of the spectra themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope.predict.components import Components
from vaescope.predict.context import Context

SURE = 0.98  # share of the variance of the strength that the image must account for
FLOOR = 0.02  # of the mean strength: what is fainter counts as this strong


@dataclass(frozen=True)
class Gain:
    """``strength`` (site,) of the spectra, in their unit; ``origin`` (component,) the scores of a
    spectrum of zeros. Scores of the shape of a spectrum are (scores - origin) / strength."""

    strength: np.ndarray
    origin: np.ndarray


def of_context(
    context: Context, spectra: np.ndarray, train: np.ndarray, components: Components
) -> Gain | None:
    """The strength of all spectra, if one channel of the image is proportional to the sum or to the
    maximum of those of the training, but for a constant; None otherwise.

    Parameters
    ----------
    spectra : (site, energy); looked at where ``train`` (site,) only.
    """
    channels = len(context.length)
    centre = context.close[:, :: context.close.shape[1] // channels][:, :channels]
    for strength in (spectra.max(1), spectra.mean(1)):
        wanted = strength[train]
        if not np.ptp(wanted) or wanted.mean() <= 0:
            continue
        for value in centre.T:
            slope, offset = np.polyfit(value[train], wanted, 1) if np.ptp(value[train]) else (0, 0)
            found = slope * value + offset
            if ((found[train] - wanted) ** 2).mean() < (1 - SURE) * wanted.var():
                origin = components.scores(np.zeros((1, spectra.shape[1])))[0]
                return Gain(np.maximum(found, FLOOR * wanted.mean()), origin)
    return None
