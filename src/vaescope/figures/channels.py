"""What the latents mean in every channel: layers of one place, or one place at several times."""

from __future__ import annotations

import numpy as np

from vaescope.figures.montage import patch_bar, show, spaced, visible
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import plain

_MOST = 8  # channels
_STEPS = 7  # pictures along a latent
_SIDE = 0.62


def decoded_channels(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Draw the canonical patch along each of the first two latents, one row for each channel; of a
    model of one channel, or of colours, there is nothing more than the grid shows."""
    if not view.has("decoded_grid") or "channel" not in view.latents["decoded_grid"].dims:
        return None
    if "channel" not in scene.patches:
        return None
    grid = view.latents["decoded_grid"].sortby("grid_row").sortby("grid_column")
    pictures = grid.transpose("grid_row", "grid_column", "channel", ...).values
    channels = pictures.shape[2]
    names = [plain(str(name), 22) for name in np.atleast_1d(scene.patches["channel"].values)]
    if pictures.ndim != 5 or channels < 2 or visible(scene, pictures).shape[2] == 3 == channels:
        return None
    if len(names) != channels:
        names = [f"channel {k + 1}" for k in range(channels)]
    rows, columns = pictures.shape[:2]
    middle = rows // 2, columns // 2
    along = [("latent 1", grid["grid_column"].values, pictures[middle[0]])]
    if rows > 1:
        along.append(("latent 2", grid["grid_row"].values, pictures[:, middle[1]]))
    steps = [
        np.unique(np.linspace(0, len(at) - 1, _STEPS).round().astype(int)) for _, at, _ in along
    ]
    count = min(channels, _MOST)
    left = MARGIN + 0.1 + 0.075 * max(map(len, names[:count]))
    side = min(_SIDE, (WIDTH - left - MARGIN - 0.3) / sum(map(len, steps)))
    sheet = Sheet(
        scene,
        "What the latents mean in every channel",
        count * (side + 0.08) + 0.85,
        width=max(left + MARGIN + 0.3 + side * sum(map(len, steps)), 7.2),
        view=view,
        notes=(f"{channels} channels",)
        if count == channels
        else (f"{count} of {channels} channels",),
    )
    for row in range(count):
        y = 0.3 + row * (side + 0.08)
        sheet.text(MARGIN, y + side / 2, names[row], size=9)
        limits = robust_limits(np.concatenate([p[:, row] for _, _, p in along]), 0.2)
        x = left
        for (latent, at, strip), chosen in zip(along, steps, strict=True):
            axes = sheet.axes(x, y, side * len(chosen), side)
            show(axes, strip[chosen, row : row + 1], len(chosen), limits)
            if row == 0:
                sheet.text(
                    x, 0.18, f"{latent}: {spaced(at[chosen])[0]} … {spaced(at[chosen])[-1]}", size=9
                )
            x += side * len(chosen) + 0.3
    pitch = float(scene.patches.attrs.get("pitch", 1.0))
    patch_bar(sheet, left, 0.3 + count * (side + 0.08) + 0.1, pictures.shape[-1] * pitch, side)
    caption = (
        "The patch that the model draws, without turn and offset, along each latent while the other"
        " stands in the middle; every channel on its own scale."
    )
    sheet.figure_data.view(view, "decoded_grid")
    return sheet.drawn("decoded-channels", caption, view)
