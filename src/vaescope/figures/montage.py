"""Pictures side by side: the patches that models see, and what other figures need for such."""

from __future__ import annotations

import numpy as np

from vaescope.figures import accuracy, curve_tiles
from vaescope.figures.panels import round_length
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import FAINT, INK
from vaescope.figures.unmeasured import WORDS
from vaescope.quantities import robust_limits
from vaescope.samples import gaps

_COLOURS = ["red", "green", "blue"]
_ACROSS = 12
_ROWS = 6
_ROWS_OF_FEW, _ROWS_OF_MANY = 3, 2  # of each label
_FEW_LABELS, _MOST_LABELS = 6, 12


def patches(scene: Scene) -> FinishedFigure | None:
    """Draw patches at even intervals, label by label where there are labels."""
    if "patch" not in scene.patches.variables:
        return None
    total = scene.patches.sizes["site"]
    groups = _by_label(scene)
    labelled = len(groups) > 1
    rows = _ROWS
    if labelled:
        rows = _ROWS_OF_FEW if len(groups) <= _FEW_LABELS else _ROWS_OF_MANY
    picked = [even(members, rows * _ACROSS) for _, members in groups]
    left = MARGIN + 0.95 * labelled
    side = (WIDTH - MARGIN - left) / _ACROSS
    high = [side * -(-len(some) // _ACROSS) + 0.08 for some in picked]
    notes = (f"{sum(map(len, picked))} of them shown",) if not scene.stack else ()
    samples = f"{scene.patches.sizes['py']} × {scene.patches.sizes['px']} samples"
    sheet = Sheet(
        scene,
        "Patches as the models receive them",
        sum(high) + (0.0 if scene.stack else 0.27),
        sites=total,
        notes=(*notes, samples),
    )
    limits = robust_limits(pictures_of(scene, np.concatenate(picked)), 0.5)
    y = 0.05
    for (name, members), some, down in zip(groups, picked, high, strict=True):
        across = min(len(some), _ACROSS)
        axes = sheet.axes(left, y, side * across, down - 0.08)
        show(axes, pictures_of(scene, some), across, limits)
        if name:
            sheet.text(MARGIN, y + 0.16, name, size=9.5)
            sheet.text(MARGIN, y + 0.34, f"{len(members)}", size=8, color=FAINT)
        y += down
    caption = f"Some of {total} patches, taken at even intervals"
    if not scene.stack:
        pitch = float(scene.patches.attrs.get("pitch", 1.0))
        patch_bar(sheet, MARGIN, y + 0.1, scene.patches.sizes["px"] * pitch, side)
        caption += " from the list of sites, each centred on its site to a fraction of a pixel"
    caption += ", all on one scale"
    if labelled:
        caption += (
            ", with their labels: for comparison only, since no model uses them unless its recipe"
            " asks it to"
        )
    channels = scene.patches.sizes["channel"]
    alone = channels > 1 and pictures_of(scene, picked[0][:1]).shape[1] != 3
    shown_alone = f" First of {channels} channels." if alone else ""
    blank = f" Blank: {WORDS}." if gaps.MEASURED in scene.patches else ""
    sheet.figure_data.store("samples.zarr", "patch")
    return sheet.drawn("patches", f"{caption}.{shown_alone}{blank}")


def even(rows: np.ndarray, count: int) -> np.ndarray:
    """Take at most ``count`` of the rows, at even intervals."""
    place = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return rows[np.unique(place)] if len(rows) else rows


def pictures_of(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Read patches (row, channel, py, px), NaN where nothing was measured; where none were cut,
    spectra (row, 1, 1, energy)."""
    some = scene.patches.isel(site=rows)
    if "patch" not in some:
        spectra = some["spectrum"].transpose("site", "energy")
        return np.asarray(spectra.values, float)[:, None, None]
    patch = some["patch"].transpose("site", "channel", "py", "px").values
    known = gaps.known(some)
    shown = np.asarray(patch if known is None else np.where(known[:, None], patch, np.nan), float)
    return visible(scene, shown)


def visible(scene: Scene, pictures: np.ndarray) -> np.ndarray:
    """Pictures (…, channel, py, px) as ``show`` draws them: of three channels that are not named
    as colours, the first alone."""
    if "channel" not in scene.patches:
        return pictures
    names = [str(name).casefold() for name in np.atleast_1d(scene.patches["channel"].values)]
    if len(names) == 3 and names != _COLOURS and not all(name.isdigit() for name in names):
        return pictures[..., :1, :, :]
    return pictures


def tile(images: np.ndarray, columns: int, gap: int = 1) -> np.ma.MaskedArray:
    """Images (count, height, width) side by side in rows, with empty gaps between."""
    count, height, width = images.shape
    rows = -(-count // columns)
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * (height + gap), column * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return np.ma.masked_invalid(canvas)


def show(
    axes, pictures: np.ndarray, columns: int, limits: tuple[float, float] | None = None
) -> None:
    """Draw pictures (count, channel, py, px) as a montage: in colour if they have three channels;
    curves, of height 1, as lines in square tiles."""
    axes.set_axis_off()
    low, top = limits or robust_limits(pictures, 0.2)
    if pictures.shape[-2] == 1:
        curve_tiles.show(axes, pictures[:, 0, 0], columns, (low, top))
    elif pictures.shape[1] == 3:
        layers = [tile(pictures[:, c], columns, 1) for c in range(3)]
        colour = np.ma.stack(layers, axis=-1)
        shown = np.clip((colour.filled(np.nan) - low) / max(top - low, 1e-9), 0, 1)
        axes.imshow(np.where(np.isnan(shown), 1.0, shown), aspect="auto")
    else:
        axes.imshow(
            tile(pictures[:, 0], columns, 1), cmap="gray", vmin=low, vmax=top, aspect="auto"
        )


def within_circle(pictures: np.ndarray) -> np.ndarray:
    """Pictures (…, height, width) without what lies outside the circle that every turn fills."""
    high, wide = pictures.shape[-2:]
    y, x = np.mgrid[:high, :wide]
    apart = ((y - (high - 1) / 2) / high) ** 2 + ((x - (wide - 1) / 2) / wide) ** 2
    return np.where(apart > 0.25, np.nan, pictures)


def spaced(values: np.ndarray) -> list[str]:
    """Write evenly spaced values with as many decimals as their step needs."""
    step = float(np.min(np.diff(np.sort(values)))) if len(values) > 1 else float(abs(values[0]))
    decimals = int(np.clip(1 - np.floor(np.log10(max(step, 1e-9))), 0, 6))
    return [f"{round(float(v), decimals) + 0.0:.{decimals}f}".replace("-", "−") for v in values]


def patch_bar(sheet: Sheet, x: float, y: float, pixels: float, inches: float) -> None:
    """Scale bar for patches ``pixels`` image pixels wide that are drawn ``inches`` wide."""
    bar, label = round_length(sheet.scene, pixels, inches)
    long = inches * bar / pixels
    axes = sheet.axes(x, y, long, 0.03)
    axes.set_axis_off()
    axes.axhspan(0, 1, color=INK, lw=0)
    sheet.text(x + long + 0.07, y + 0.055, label, size=8)


def _by_label(scene: Scene) -> list[tuple[str, np.ndarray]]:
    """Name and rows of every label; all rows without a name where there are no labels."""
    everything = [("", np.arange(scene.patches.sizes["site"]))]
    if "truth_label" not in scene.patches.variables:
        return everything
    label = scene.patches["truth_label"].values.astype(float)
    levels = np.unique(label[np.isfinite(label)])
    if not 1 < len(levels) <= _MOST_LABELS:
        return everything
    return [(accuracy.label_name(scene, k), np.flatnonzero(label == k)) for k in levels]
