"""How domain walls move from frame to frame: where they ran, which steps exceed their errors."""

from __future__ import annotations

import numpy as np

from vaescope import quantities
from vaescope.figures.panels import Grid, bare, grid, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, INK
from vaescope.quantities import with_errors

_GAP = 1.6  # spacings: sites farther apart than this are not joined
_BEYOND = 3.0  # standard errors from which on a step is seen
_REACH = 8.0  # standard errors on the axis


def motion(scene: Scene) -> FinishedFigure | None:
    """Draw the walls of all frames in colours of time, and their steps in units of the errors."""
    if not (scene.curved and scene.moving) or "displacement" not in scene.sites.variables:
        return None
    where = grid(scene, 2, largest=4.4)
    sheet = Sheet(
        scene,
        "How the walls move",
        max(where.height, 3.6),
        width=max(where.width, 9.0),
        sites=scene.sites.sizes["site"],
        notes=(f"{scene.frames} frames",),
    )
    _courses(sheet, where)
    ratio = _ratio(scene)
    seen = np.abs(ratio) > _BEYOND
    _steps(sheet, where, ratio)
    share = f"{100 * seen.mean():.3g} %" if len(ratio) else "none"
    caption = (
        "Left: the walls of every frame on the image of the first, drift taken out. Right: the step"
        " of every site along the normal of its wall to the next frame, in units of its standard"
        " error, with the normal distribution that walls at rest would follow. Beyond"
        f" {_BEYOND:g} standard errors: {share} of {len(ratio)} steps."
    )
    own = [q for q in quantities.of(scene.sites) if q.name in ("displacement", "pinned")]
    columns = {q.column: q.written for q in with_errors(own)}
    place = {name: scene.sites[name].values for name in ("site", "frame", "y", "x")}
    sheet.figure_data.rows({**place, **columns})
    sheet.figure_data.store("sites.zarr", "y", "x", "wall", "displacement", "displacement_error")
    return sheet.drawn("wall-motion", caption)


def _courses(sheet: Sheet, where: Grid) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    scene = sheet.scene
    x, y, width, height = where.place(0)
    axes = sheet.axes(x, y, width, height)
    axes.set_title("walls of every frame")
    bare(axes, scene)
    lines, frames = [], []
    for frame in range(scene.frames):
        for course in courses(scene, frame):
            lines.append(course[:, ::-1])
            frames.append(scene.times[frame])
    ends = float(scene.times[0]), float(scene.times[-1])
    marks = LineCollection(
        lines, array=np.array(frames), cmap="plasma", norm=Normalize(*ends), linewidths=1.2
    )
    axes.add_collection(marks)
    bar = sheet.axes(x + width + 0.08, y, 0.1, min(height, 2.6))
    colours = sheet.figure.colorbar(marks, cax=bar)
    colours.outline.set_visible(False)
    colours.set_label(scene.time_label, size=8)
    if not scene.time_unit:
        from matplotlib.ticker import MaxNLocator

        colours.locator = MaxNLocator(6, integer=True)
        colours.update_ticks()
    scale_bar(axes, scene, width)


def courses(scene: Scene, frame: int) -> list[np.ndarray]:
    """The walls of a frame, each as (point, 2) px (y, x) through its sites, without the drift since
    the first frame; interrupted where sites are missing."""
    sites = scene.sites
    chosen = np.flatnonzero(sites["frame"].values == frame)
    place = np.stack([sites["y"].values, sites["x"].values], axis=1)
    if "drift" in sites.variables:
        place = place - np.nan_to_num(sites["drift"].values[frame])
    apart = float(sites.attrs.get("spacing") or scene.spacing)
    found = []
    for wall in np.unique(sites["wall"].values[chosen]):
        own = place[chosen[sites["wall"].values[chosen] == wall]]
        if len(own) > 2 and np.linalg.norm(own[-1] - own[0]) < _GAP * apart:
            own = np.concatenate([own, own[:1]])
        breaks = np.flatnonzero(np.linalg.norm(np.diff(own, axis=0), axis=1) > _GAP * apart) + 1
        found += [part for part in np.split(own, breaks) if len(part) > 1]
    return found


def _ratio(scene: Scene) -> np.ndarray:
    """Steps in units of their standard errors, of the sites that have one."""
    step, error = (scene.sites[n].values for n in ("displacement", "displacement_error"))
    known = np.isfinite(step) & (error > 0)
    return step[known] / error[known]


def _steps(sheet: Sheet, where: Grid, ratio: np.ndarray) -> None:
    x = where.place(1)[0]
    axes = sheet.axes(x + 0.55, 0.3, sheet.width - x - 0.55 - MARGIN, 2.6)
    bins = np.linspace(-_REACH, _REACH, 65)
    axes.hist(np.clip(ratio, -_REACH, _REACH), bins.tolist(), color=CATEGORIES[0])
    at = np.linspace(-4, 4, 200)
    rest = max(int((np.abs(ratio) < 1).sum() / 0.683), 1)
    density = np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(at, rest * (bins[1] - bins[0]) * density, color=INK, lw=1.2, ls="--", label="at rest")
    for side in (-_BEYOND, _BEYOND):
        axes.axvline(side, color=INK, lw=0.6, ls=":")
    axes.set(xlabel="step ÷ standard error", ylabel="sites")
    axes.set_title("which steps exceed their errors")
    axes.legend(loc="upper left")
