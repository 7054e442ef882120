"""Maps of a search: which candidates were evaluated, what is believed of all, how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.figures.explored_profiles import profiles
from vaescope.figures.panels import bare, micrograph, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import EMPTY, FAINT, INK, WARNING
from vaescope.quantities import robust_limits
from vaescope.results import layout
from vaescope.text import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_SIDE = 2.7  # inches of the longer side of a panel
_STEP_X = 1.0  # inches between panels in a row
_LABELS, _BARE = 0.85, 0.6  # inches between rows, with and without labels of axes
_FADED = 0.28  # opacity of candidates that could not be proposed
_EQUAL = 0.97  # least over greatest standard deviation from which they are equal
_REACH = 3.0  # standard errors at the ends of the scale of colours


@dataclass(frozen=True)
class Shown:
    """What a panel shows: values (candidate,) between limits in colours."""

    title: str
    values: np.ndarray
    cmap: str | Colormap
    low: float
    high: float


def outcome_of(scene: Scene) -> Outcome | None:
    """The search of a dataset; None where it has none."""
    explored = scene.results.explored
    return None if explored is None else Outcome(explored)


def maps(scene: Scene) -> FinishedFigure | None:
    """Draw what was evaluated in which order, what is believed and how surely, and the truth where
    it is known; None where the patches of a stack were measured, which have no place."""
    found = outcome_of(scene)
    if found is None or not found.mapped:
        return None
    if not found.planar:
        return profiles(scene, found)
    panels = _panels(scene, found)
    wide, high = _size(scene, found)
    across = len(panels) + 1 if len(panels) < 3 else -(-(len(panels) + 1) // 2)
    pitch_x, pitch_y = wide + _STEP_X, high + (_BARE if found.active else _LABELS)
    left = MARGIN + (0.0 if found.active else 0.42)
    rows = -(-(len(panels) + 1) // across)
    sheet = Sheet(
        scene,
        "What was measured, and what is believed" if found.active else "The search in latent space",
        0.3 + rows * pitch_y,
        width=max(left + across * pitch_x + MARGIN - 0.2, 7.2),
        notes=(plain(found.label, 60), f"{len(found.points)} evaluations"),
    )
    for index in range(len(panels) + 1):
        row, column = divmod(index, across)
        place = left + column * pitch_x, 0.3 + row * pitch_y, wide, high
        if index == 0:
            _order(sheet, place, found)
        else:
            _panel(sheet, place, found, panels[index - 1], labels=column == 0)
    columns: dict[str, Any] = {
        name.replace(" ", "_"): found.places[:, k] for k, name in enumerate(found.axes)
    }
    columns |= {"mean": found.mean, "sd": found.sd}
    if found.knows_truth:
        columns["truth"] = found.truth
    sheet.figure_data.rows(columns)
    sheet.figure_data.rows(found.in_order(), "order")
    sheet.figure_data.store(layout.EXPLORED, "place", "point", "value", "mean", "sd", "truth")
    return sheet.drawn("search-maps", _caption(found))


def crosses(found: Outcome) -> str:
    """What crosses on a map mean, for its caption; empty where there are none."""
    return "" if np.isfinite(found.values).all() else " Crosses: evaluations that failed."


def _caption(found: Outcome) -> str:
    what = "site" if found.active else "place of the latent plane"
    axes = "" if found.active else " The axes are those of the decoded plane."
    words = (
        f"First panel: the candidates that were evaluated, coloured by when; each is a {what}."
        f"{axes} The star is the largest value found.{crosses(found)}"
        f" Predicted: the mean of the last posterior, given all {len(found.points)} evaluations,"
        " and beside it its standard deviation."
    )
    if found.knows_truth:
        words += " Error: predicted less true, in standard deviations of the prediction."
        inside = found.inside()
        if np.isfinite(inside):
            what = "has support and was not" if found.has("support") else "was not"
            words += f" Within two of them lie {100 * inside:.0f} % of what {what} evaluated."
    if not found.allowed.all():
        words += (
            f" Pale: candidates that could not be proposed ({100 * (~found.allowed).mean():.0f} %)"
            + (
                "."
                if found.active
                else ", since the model does not find its way back from what it decodes there, or"
                " no curve that it was trained on lies near."
            )
        )
    return words


def _panels(scene: Scene, found: Outcome) -> list[Shown]:
    """What is mapped beside the order of the evaluations."""
    known = found.knows_truth
    together = [found.mean[found.allowed]]
    if known:
        together.append(found.truth[np.isfinite(found.truth) & found.allowed])
    low, high = robust_limits(np.concatenate(together), 0.5)
    unit = f" ({found.unit})" if found.unit else ""
    shown = []
    if known:
        shown.append(Shown(f"true{unit}", found.truth, scene.look.colormap, low, high))
    shown.append(Shown(f"predicted{unit}", found.mean, scene.look.colormap, low, high))
    unseen = found.allowed.copy()
    unseen[found.points] = False
    least, most = robust_limits(found.sd[unseen if unseen.any() else found.allowed], 0.5)
    # From 0 all of it would be one colour, unless it is one number but for rounding.
    least = least if most / 2 < least < _EQUAL * most else 0.0
    spread = scene.look.spread
    shown.append(Shown(f"standard deviation{unit}", found.sd, spread, least, most or 1.0))
    if known:
        off = np.divide(
            found.mean - found.truth,
            found.sd,
            out=np.full(len(found.mean), np.nan),
            where=found.sd > 0,
        )
        shown.append(Shown("error (σ)", off, scene.look.diverging, -_REACH, _REACH))
    if not found.active and found.has("support"):
        support = found.array("support")
        low, high = robust_limits(support, 0.5)
        shown.append(Shown("support", support, "Greys", low, high))
    return shown


def _size(scene: Scene, found: Outcome) -> tuple[float, float]:
    """Width and height of a panel in inches."""
    if found.active and not scene.stack:
        aspect = scene.shape[0] / scene.shape[1]
        return (_SIDE, max(_SIDE * aspect, 0.4)) if aspect < 1 else (_SIDE / aspect, _SIDE)
    return _SIDE, _SIDE


def frame(axes: Axes, scene: Scene, found: Outcome, *, labels: bool = True) -> None:
    """Limits and labels of a map of the candidates: the image's, or those of the latent plane."""
    if found.active and not scene.stack:
        bare(axes, scene)
        return
    low, high = found.places[:, :2].min(axis=0), found.places[:, :2].max(axis=0)
    pad = 0.02 * (high - low)
    axes.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]))
    axes.set_aspect("auto")
    axes.set_xlabel(found.axes[0])
    axes.locator_params(nbins=5)
    if labels:
        axes.set_ylabel(found.axes[1])


def draw(axes: Axes, found: Outcome, shown: Shown, panel_width: float):
    """The candidates in colours: cells of a grid, or marks; pale where none could be proposed."""
    from matplotlib.colors import Normalize

    look: dict[str, Any] = {"cmap": shown.cmap, "norm": Normalize(shown.low, shown.high)}
    strength = np.where(found.allowed, 1.0, _FADED)
    grid = found.grid()
    if grid is None:
        across, along = _across(found).T
        return axes.scatter(
            across,
            along,
            c=shown.values,
            alpha=strength,  # type: ignore[arg-type]
            s=float(np.clip(4e4 * panel_width / len(found.places) / 3, 2, 60)),
            linewidths=0,
            rasterized=True,
            **look,
        )
    rows, columns, flat = grid
    plane = np.full((2, len(rows) * len(columns)), np.nan)
    plane[0, flat], plane[1, flat] = shown.values, strength
    values, opacity = plane.reshape(2, len(rows), len(columns))
    dy, dx = np.diff(rows).mean() / 2, np.diff(columns).mean() / 2
    return axes.imshow(
        values,
        alpha=np.nan_to_num(opacity),
        extent=(columns[0] - dx, columns[-1] + dx, rows[-1] + dy, rows[0] - dy),
        interpolation="nearest",
        aspect="auto",
        **look,
    )


def _across(found: Outcome) -> np.ndarray:
    """(candidate, 2) places as matplotlib takes them: across, then along the other axis."""
    return found.places[:, ::-1] if found.axes[0].startswith("y") else found.places[:, :2]


def marks(axes: Axes, found: Outcome, last: int, **look: Any):
    """The candidates of the first ``last`` evaluations, a cross on each that failed, and a star on
    the best of them."""
    at = _across(found)[found.points[:last]]
    drawn = axes.scatter(
        at[:, 0], at[:, 1], **{"s": 14, "linewidths": 0.4, "edgecolors": "white", **look}
    )
    known = found.values[:last]
    failed = at[~np.isfinite(known)]
    axes.scatter(failed[:, 0], failed[:, 1], marker="x", s=12, color=INK, linewidths=0.8)
    if np.isfinite(known).any():
        best = at[int(np.nanargmax(known))]
        axes.plot(*best, marker="*", ms=11, mfc=WARNING, mec="white", mew=0.7, ls="none")
    return drawn


def _order(sheet: Sheet, place: tuple[float, float, float, float], found: Outcome) -> None:
    """Which candidates were evaluated, coloured by when."""
    x, y, width, height = place
    scene = sheet.scene
    axes = sheet.axes(x, y, width, height)
    axes.set_title("evaluated, by order")
    if found.active and not scene.stack:
        micrograph(axes, scene, faint=True)
    else:
        axes.set_facecolor(EMPTY)
        outside = _across(found)[~found.allowed]
        if len(outside):
            axes.scatter(
                outside[:, 0], outside[:, 1], s=1.5, color="#c9ced8", linewidths=0, rasterized=True
            )
        frame(axes, scene, found)
    order = np.arange(1, len(found.points) + 1)
    drawn = marks(axes, found, len(found.points), c=order, cmap="plasma")
    _bar(sheet, drawn, x + width + 0.08, y, height)
    if found.active and not scene.stack:
        scale_bar(axes, scene, width)


def _panel(
    sheet: Sheet,
    place: tuple[float, float, float, float],
    found: Outcome,
    shown: Shown,
    *,
    labels: bool,
) -> None:
    x, y, width, height = place
    scene = sheet.scene
    axes = sheet.axes(x, y, width, height)
    axes.set_title(shown.title)
    drawn = draw(axes, found, shown, width)
    frame(axes, scene, found, labels=labels)
    dots = _across(found)[found.points]
    if shown.title.startswith(("predicted", "standard")):
        axes.scatter(
            dots[:, 0], dots[:, 1], s=3.5, facecolors="none", edgecolors=INK, linewidths=0.4
        )
    if shown.title.startswith(("true", "predicted")):
        best = _across(found)[found.points[found.best]]
        axes.plot(*best, marker="*", ms=11, mfc=WARNING, mec="white", mew=0.7, ls="none")
    ends = np.nanmin(shown.values) < shown.low, np.nanmax(shown.values) > shown.high
    _bar(sheet, drawn, x + width + 0.08, y, height, ends)
    if found.active and not scene.stack:
        scale_bar(axes, scene, width)


def _bar(
    sheet: Sheet,
    drawn,
    x: float,
    y: float,
    height: float,
    ends: tuple[bool, bool] = (False, False),
) -> None:
    """A slim colour bar beside a panel, opaque however pale the panel is."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.ticker import MaxNLocator

    axes = sheet.axes(x, y, 0.1, height)
    colours = sheet.figure.colorbar(
        ScalarMappable(drawn.norm, drawn.cmap),
        cax=axes,
        extend={(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[ends],
        extendfrac=0.04,
    )
    colours.locator = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
    colours.update_ticks()
    colours.outline.set_visible(False)
    axes.tick_params(length=2, pad=2, labelsize=8)
    axes.yaxis.get_offset_text().set(size=7.5, ha="left", color=FAINT)
