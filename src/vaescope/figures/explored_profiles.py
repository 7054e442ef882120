"""Profiles of a search in one latent, or in more than a plane holds: the best at each value of a
latent, whatever the others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK, WARNING
from vaescope.quantities import robust_limits
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6
"""Latents drawn; they are in the order of how much the data vary along them."""
_ACROSS = 3
_WIDE, _HIGH, _STRIP = 2.6, 2.1, 0.4  # inches of a panel and of the support beneath it
_STEP_X, _STEP_Y = 0.75, 0.95  # inches between panels


def profiles(scene: Scene, found: Outcome) -> FinishedFigure:
    """Draw what is believed along every latent, what was evaluated, and the support beneath."""
    axes_drawn = range(min(len(found.axes), MOST))
    across = min(len(axes_drawn), _ACROSS)
    rows = -(-len(axes_drawn) // across)
    alone = len(found.axes) == 1
    wide = 6.0 if alone else _WIDE
    pitch = _HIGH + _STRIP + _STEP_Y
    left = MARGIN + 0.5
    sheet = Sheet(
        scene,
        "The search in latent space",
        rows * pitch - 0.1,
        width=max(left + across * (wide + _STEP_X) + 0.3, 7.2),
        notes=(plain(found.label, 60), f"{len(found.points)} evaluations"),
    )
    limits = value_limits(found, found.mean, found.sd)
    support = found.array("support") if found.has("support") else None
    for k in axes_drawn:
        row, column = divmod(k, across)
        x, y = left + column * (wide + _STEP_X), 0.3 + row * pitch
        main = sheet.axes(x, y, wide, _HIGH)
        dots = draw(main, found, k, found.mean, found.sd, len(found.points))
        main.set(ylim=limits, xticklabels=[])
        low = main if support is None else sheet.axes(x, y + _HIGH + 0.1, wide, _STRIP)
        at = found.leaders(k, found.mean)
        if support is not None:
            low.fill_between(found.places[at, k], support[at], color=FAINT, alpha=0.5, lw=0)
            low.set(xlim=main.get_xlim(), ylim=(0, 1.05), yticks=[0, 1])
        low.set_xlabel(found.axes[k])
        if column == 0:
            main.set_ylabel(found.unit or "value")
            low.set_ylabel("support", size=8)
        if k == len(axes_drawn) - 1:
            _bar(sheet, dots, x + wide + 0.1, y)
        sheet.figure_data.rows(_columns(found, k, at, support), f"latent-{k + 1}")
    sheet.figure_data.rows(found.in_order(), "order")
    sheet.figure_data.store(layout.EXPLORED, "place", "point", "value", "mean", "sd", "truth")
    return sheet.drawn("search-maps", _caption(found))


def draw(axes: Axes, found: Outcome, k: int, mean: np.ndarray, sd: np.ndarray, known: int) -> Any:
    """What is believed along latent ``k``, given the first ``known`` evaluations, and these."""
    at = found.leaders(k, mean)
    x = found.places[at, k]
    for part, look in _parts(found.allowed[at]):
        axes.fill_between(
            x[part],
            (mean - 2 * sd)[at][part],
            (mean + 2 * sd)[at][part],
            color=CATEGORIES[0],
            alpha=0.18 * look,
            lw=0,
        )
        axes.plot(x[part], mean[at][part], color=CATEGORIES[0], lw=1.4, alpha=look)
    if found.knows_truth:
        true = found.leaders(k, found.truth)
        axes.plot(found.places[true, k], found.truth[true], color=INK, lw=0.9, ls="--")
    points, values = found.points[:known], found.values[:known]
    drawn = axes.scatter(
        found.places[points, k],
        values,
        c=np.arange(1, known + 1),
        cmap="plasma",
        vmin=1,
        vmax=len(found.points),
        s=14,
        linewidths=0.4,
        edgecolors="white",
        zorder=3,
    )
    if np.isfinite(values).any():
        best = int(np.nanargmax(values))
        star = found.places[points[best], k], values[best]
        axes.plot(*star, marker="*", ms=11, mfc=WARNING, mec="white", mew=0.7, ls="none", zorder=4)
    low, high = found.places[:, k].min(), found.places[:, k].max()
    pad = 0.02 * (high - low)
    axes.set_xlim(low - pad, high + pad)
    axes.locator_params(nbins=5)
    return drawn


def value_limits(found: Outcome, mean: np.ndarray, sd: np.ndarray) -> tuple[float, float]:
    """Limits of an axis on which all values are, and nearly all beliefs (…, candidate)."""
    sure = np.concatenate([(mean - 2 * sd).ravel(), (mean + 2 * sd).ravel()])
    low, high = robust_limits(sure, 1.0)
    seen = np.concatenate([found.values, found.truth])
    seen = seen[np.isfinite(seen)]
    reach = float(np.ptp(seen))
    # A band that is far wider than all that was seen is cut off, rather than all else made flat.
    low, high = max(low, seen.min() - reach), min(high, seen.max() + reach)
    low, high = min(low, float(seen.min())), max(high, float(seen.max()))
    pad = 0.05 * (high - low)
    return low - pad, high + pad


def _parts(allowed: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Runs of neighbours that could be proposed or not: which they are, and how opaque."""
    ends = np.flatnonzero(np.diff(allowed)) + 1
    found = []
    for part in np.split(np.arange(len(allowed)), ends):
        reach = np.append(part, min(part[-1] + 1, len(allowed) - 1))  # no gap to the next one
        found.append((np.unique(reach), 1.0 if allowed[part[0]] else 0.35))
    return found


def _columns(
    found: Outcome, k: int, at: np.ndarray, support: np.ndarray | None
) -> dict[str, np.ndarray]:
    columns = {
        found.axes[k].replace(" ", "_"): found.places[at, k],
        "candidate": at,
        "mean": found.mean[at],
        "sd": found.sd[at],
    }
    if support is not None:
        columns["support"] = support[at]
    return columns


def _caption(found: Outcome) -> str:
    count = len(found.axes)
    if count == 1:
        words = (
            f"Line: the mean of the last posterior along the only latent, given all"
            f" {len(found.points)} evaluations; band: two standard deviations."
        )
        true = " Dashed: the true value."
    else:
        words = (
            f"The search was in {count} latents"
            + (f", of which the first {MOST} are drawn" if count > MOST else "")
            + ". Line: the largest prediction at that value of a latent, whatever the others are"
            f" (mean of the last posterior, given all {len(found.points)} evaluations); band: two"
            " standard deviations of it."
        )
        true = " Dashed: the largest true value there."
    if found.knows_truth:
        words += true
    words += " Discs: the evaluations, coloured by when; the star is the largest value found."
    if found.has("support"):
        words += " Beneath: how real what is decoded there is, from 0 to 1."
    if count == 1 and not found.allowed.all():
        words += (
            f" Pale: candidates that could not be proposed ({100 * (~found.allowed).mean():.0f} %)."
        )
    return words


def _bar(sheet: Sheet, dots: Any, x: float, y: float) -> None:
    from matplotlib.ticker import MaxNLocator

    axes = sheet.axes(x, y, 0.1, _HIGH)
    bar = sheet.figure.colorbar(dots, cax=axes, ticks=MaxNLocator(nbins=5, integer=True))
    bar.outline.set_visible(False)  # type: ignore[operator]
    axes.tick_params(length=2, pad=2, labelsize=8)
    axes.set_title("order", size=8)
