"""Findings about physics that a recipe puts into a model and the data contradict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vaescope.results.facts import Finding

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_APART = 2.5  # standard deviations of the noise by which a mode differs from itself when rotated:
# a patch is taken for a rotated one in 10 % of all cases
_SAME = 0.5  # and below which it does not
_MANY = 0.1  # of the sites, from which a lack of symmetry is no matter of rare kinds
_ALIKE = 0.7  # variance between neighbours over that of any two sites: no order from site to site
_STRONG = 10.0  # times smoother than the contents support
_BELOW = 0.1  # of the noise of a pixel by which the data are below zero on average: a picture is
# made positive softly, and never quite zero
_SURE = 5.0  # standard errors
_PAID = 1.0  # nats per site that the likelihood loses to a term


def of_physics(name: str, latents: xr.Dataset, history: pd.DataFrame) -> list[Finding]:
    """Judge symmetry, smoothness, positivity and the user's own term of one model, from
    ``latents.zarr`` and ``history.csv``."""
    return [
        *_of_symmetry(name, latents),
        *_of_smoothness(name, latents),
        *_of_positivity(name, latents),
        *_of_own_term(name, latents, history),
    ]


def _of_symmetry(name: str, latents: xr.Dataset) -> list[Finding]:
    """Whether the modes have the symmetry that was set for the angle."""
    if "mode_turned_apart" not in latents:
        return []
    folds = latents["set_fold"].values.astype(int).tolist()
    apart = np.nan_to_num(latents["mode_turned_apart"].values)
    order = folds[-1]
    mode = latents["mode"].values.astype(int)
    size = np.bincount(mode[mode >= 0], minlength=len(apart))
    share = size[: len(apart)] / max(size.sum(), 1)
    unlike = apart[:, -1] > _APART
    if share[unlike].sum() < _MANY:
        return []
    best = max(
        (fold for k, fold in enumerate(folds) if (apart[unlike, k] < _SAME).all()), default=1
    )
    modes = [k + 1 for k in np.flatnonzero(unlike)]
    one = len(modes) == 1
    return [
        Finding(
            "symmetry contradicted",
            "care",
            name,
            f"Mode{'' if one else 's'} {', '.join(map(str, modes))}"
            f" ({100 * share[unlike].sum():.0f} % of the sites) do{'es' if one else ''} not look"
            f" the same after a rotation by {360 / order:g}°: `symmetry: {order}` does not hold"
            " there.",
            f"Angles are restricted to {360 / order:g}°, so what is rotated by more has other"
            " latents, or another mode, than what is not.",
            f"Set `models: {name}: symmetry: {best}`.",
        )
    ]


def _of_smoothness(name: str, latents: xr.Dataset) -> list[Finding]:
    """Whether contents vary from site to site as smoothly as the prior has it."""
    if "smoothness_alike" not in latents.attrs:
        return []
    found: list[Finding] = []
    alike = float(latents.attrs["smoothness_alike"])
    excess = float(latents.attrs.get("smoothness_excess", 1.0))
    if alike > _ALIKE or excess > _STRONG:
        fixed = "smoothness_excess" in latents.attrs
        found.append(
            Finding(
                "smoothness contradicted",
                "care" if fixed else "note",
                name,
                "Neighbouring sites are no more alike than any two sites."
                if alike > _ALIKE
                else f"The prior expects neighbours to be {math.sqrt(excess):.0f} times more alike"
                " than they are.",
                "Differences between neighbours may have been averaged away as noise."
                if fixed
                else "Nothing was averaged: the maps are those of single sites.",
                f"Set `models: {name}: smoothness: {'auto' if alike <= _ALIKE else 0}`.",
            )
        )
    share = float((latents["unlike_neighbours"].values > 0.5).mean())
    if share > 0.002:
        found.append(
            Finding(
                "smoothness broken",
                "note",
                name,
                f"{100 * share:.1f} % of the sites differ from their neighbours by more than the"
                " smoothness of the others allows.",
                "They lie at walls, or are of another kind; there, nothing was averaged across.",
                "See the map `unlike its neighbours`; `smoothness: 0` averages nowhere.",
            )
        )
    return found


def _of_positivity(name: str, latents: xr.Dataset) -> list[Finding]:
    """Whether the signal is negative where pictures were kept from being so."""
    if "positive_residual" not in latents.attrs:
        return []
    mean = float(latents.attrs["positive_residual"])
    error = float(latents.attrs["positive_error"])
    share = float(latents.attrs["positive_share"])
    if mean > -_BELOW or mean > -_SURE * error:
        return []
    return [
        Finding(
            "positivity contradicted",
            "care" if mean > -0.5 else "serious",
            name,
            f"The signal is below zero where the model cannot be: in {100 * share:.0f} % of the"
            f" pixels by {-mean:.2g} standard deviations of the noise on average.",
            "Zero of the detector is not that of the data: a background was subtracted, or the"
            " contrast is a difference.",
            f"Set `models: {name}: positive: false`, or give the signal as it was recorded.",
        )
    ]


def _of_own_term(name: str, latents: xr.Dataset, history: pd.DataFrame) -> list[Finding]:
    """Whether the data pay for the user's own term, or the term does nothing."""
    if "own_term" not in latents.attrs:
        return []
    value, paid = (float(latents.attrs[key]) for key in ("own_term", "own_term_price"))
    content = _last(history, "kl_content")
    if not (math.isfinite(value) and math.isfinite(paid)):
        return []
    if paid > _PAID:
        return [
            Finding(
                "own term contradicted",
                "serious" if paid > content else "care",
                name,
                f"The likelihood loses about {paid:.3g} nats per site to your own term, which"
                f" stands at {value:.3g}; the contents are worth {content:.3g}.",
                "The data say something else than the term.",
                f"See the residuals; a smaller weight in `models: {name}: physics_loss`, or none.",
            )
        ]
    if value > max(content, _PAID):
        return [
            Finding(
                "own term without effect",
                "note",
                name,
                f"Your own term stands at {value:.3g} nats per site at the end of the training, and"
                " the likelihood loses nothing to it.",
                "It is nearly constant there, and changes nothing.",
                "Check the function with `vaescope.Model` on some patches.",
            )
        ]
    return []


def _last(history: pd.DataFrame, column: str) -> float:
    """Median over members of the last value of a column; 0 where there is none."""
    if history.empty or column not in history:
        return 0.0
    last = history.groupby("member").tail(1)[column].to_numpy(float)
    return float(np.median(last[np.isfinite(last)])) if np.isfinite(last).any() else 0.0
