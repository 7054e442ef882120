"""The course of a search: what it had reached after so many evaluations, beside its baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.outcome import SEARCH, Outcome
from vaescope.figures.explored_maps import outcome_of
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import INK, category_colours
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _HIGH = 3.5, 2.6  # inches of a panel
_LETTER = 0.073  # inches of a letter of the legend
_LEVEL = 0.954  # share of a normal distribution within two standard deviations


def course(scene: Scene) -> FinishedFigure | None:
    """Draw what the search and its baselines had reached, and what was still to be expected."""
    found = outcome_of(scene)
    if found is None or not found.reached:
        return None
    regret = found.has("expected_regret") and not found.active
    inside = found.has("inside") and found.active
    count = 1 + (regret or inside)
    names = 0.55 + _LETTER * max(len(_label(found, name)) for name in found.strategies)
    sheet = Sheet(
        scene,
        _title(found),
        _HIGH + 0.95,
        width=MARGIN + 0.75 + count * (_WIDE + 0.95) - 0.75 + names,
        notes=(plain(found.label, 60), f"{len(found.points)} evaluations"),
    )
    axes = sheet.axes(MARGIN + 0.75, 0.35, _WIDE, _HIGH)
    colours = dict(zip(found.strategies, category_colours(len(found.strategies)), strict=True))
    _reached(sheet, axes, found, colours, names)
    if count == 2:
        beside = sheet.axes(MARGIN + 0.75 + _WIDE + 0.95, 0.35, _WIDE, _HIGH)
        if inside:
            _inside(beside, found, colours)
        else:
            _regret(sheet, beside, found)
    sheet.figure_data.store(layout.EXPLORED, found.reached, "expected_regret", "inside")
    return sheet.drawn("search-course", _caption(found, regret=regret, inside=inside))


def _title(found: Outcome) -> str:
    if not found.active:
        return "How soon the best was found"
    return "How soon the map was known" if found.mapped else "How soon the others were known"


def _caption(found: Outcome, *, regret: bool, inside: bool) -> str:
    if found.active:
        words = (
            "Left: root mean square error of the predictions of everything not yet measured, where"
            " 1 is the standard deviation of the target"
        )
    else:
        words = "Left: the largest value found until then"
    words += (
        "; the line is the median over the runs of a strategy, the band its quartiles. A strategy"
        " of one run has no band."
    )
    best = found.truth[np.isfinite(found.truth) & found.allowed]
    if not found.active and found.knows_truth and best.size:
        words += " Dashed: the largest value of all candidates that could be proposed."
    if inside:
        words += (
            " Right: share of what was not yet measured within two standard deviations of its"
            f" prediction; it should be {100 * _LEVEL:.0f} % (dashed)."
        )
    if regret:
        words += (
            " Right: how much better than the best value so far the best candidate is expected to"
            " be, by the posterior alone; where this is small, going on gains little."
        )
        if found.stopped:
            words += f" Why the search ended: {found.stopped}."
    return words


def _label(found: Outcome, name: str) -> str:
    """A strategy with the number of its runs."""
    line = found.course(name)
    return name if line is None or line.runs == 1 else f"{name} ({line.runs} runs)"


def _reached(
    sheet: Sheet, axes: Axes, found: Outcome, colours: dict[str, str], names: float
) -> None:
    rows = []
    for name in reversed(found.strategies):
        line = found.course(name)
        if line is None:
            continue
        own = name == SEARCH
        label = _label(found, name)
        if line.runs > 1:
            axes.fill_between(
                line.evaluations, line.low, line.high, color=colours[name], alpha=0.16, lw=0
            )
        if len(line.evaluations) == 1:
            axes.axhline(line.median[0], color=colours[name], lw=1.1, ls=":", label=label)
        else:
            axes.plot(
                line.evaluations,
                line.median,
                color=colours[name],
                lw=2.0 if own else 1.2,
                label=label,
                zorder=4 if own else 3,
            )
        rows.append(
            {
                "strategy": np.full(len(line.evaluations), name, dtype=object),
                "evaluations": line.evaluations,
                "median": line.median,
                "lower_quartile": line.low,
                "upper_quartile": line.high,
            }
        )
    best = found.truth[np.isfinite(found.truth) & found.allowed]
    if not found.active and found.knows_truth and best.size:
        axes.axhline(best.max(), color=INK, lw=0.8, ls="--")
    for row in reversed(rows):
        sheet.figure_data.rows(row)
    title = "error of the predictions (σ of the target)" if found.active else "best value so far"
    _axis_of_evaluations(axes)
    axes.set(title=title)
    if found.active:
        axes.set_ylim(bottom=0)
    elif found.unit:
        axes.set_ylabel(found.unit)
    handles, labels = axes.get_legend_handles_labels()
    sheet.figure.legend(
        handles[::-1],
        labels[::-1],
        loc="upper left",
        bbox_to_anchor=(
            (sheet.width - names) / sheet.width,
            1 - (sheet.head + 0.3) / sheet.total,
        ),
        borderaxespad=0,
    )


def _axis_of_evaluations(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("evaluations")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _inside(axes: Axes, found: Outcome, colours: dict[str, str]) -> None:
    lowest = 40.0
    for name in reversed(found.strategies):
        line = found.course(name, "inside")
        if line is not None and len(line.evaluations) > 1:
            lowest = min(lowest, 100 * float(line.median.min()) - 3)
            axes.plot(
                line.evaluations,
                100 * line.median,
                color=colours[name],
                lw=2.0 if name == SEARCH else 1.2,
            )
    axes.axhline(100 * _LEVEL, color=INK, lw=0.8, ls="--")
    _axis_of_evaluations(axes)
    axes.set(title="within two standard deviations (%)", ylim=(lowest, 101))


def _digit(value: float) -> int:
    """The first digit of a positive number."""
    return round(value / 10 ** np.floor(np.log10(value)))


def _regret(sheet: Sheet, axes: Axes, found: Outcome) -> None:
    expected = found.array("expected_regret")
    at = np.arange(1, len(expected) + 1)
    known = np.isfinite(expected) & (expected > 0)
    axes.plot(at[known], expected[known], color=INK, lw=1.4)
    _axis_of_evaluations(axes)
    axes.set(title="gain still expected", yscale="log")
    if found.unit:
        axes.set_ylabel(found.unit)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    few = known.any() and expected[known].max() < 30 * expected[known].min()  # hardly a decade
    axes.yaxis.set_minor_formatter(
        lambda value, _: f"{value:g}" if few and _digit(value) in (2, 5) else ""
    )
    axes.tick_params(which="minor", length=0)
    axes.grid(axis="y", color="#e6e8ee", lw=0.6)
    axes.set_axisbelow(True)
    sheet.figure_data.rows({"evaluations": at, "expected_regret": expected}, "expected-regret")
