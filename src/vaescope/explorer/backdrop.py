"""The picture behind the sites: every frame of the image, or a sheet of pictures of a stack."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vaescope.explorer.pictures import Small, evenly
from vaescope.explorer.sites import scale
from vaescope.figures.scene import Scene
from vaescope.figures.unmeasured import striped
from vaescope.quantities import robust_limits
from vaescope.results.coverage import coarse
from vaescope.text import plain

MOST_SIDE = 1024  # pixels of a shown frame
ALL_FRAMES = 24_000_000  # pixels of all frames together: about 6 MB of the page
LEAST_SIDE = 96  # below it a frame shows nothing; so many frames are then left out instead
QUALITY = 85  # of the shown picture, a backdrop; the stores keep the numbers
STRIPES = 64  # across an image of which a part was not measured
SHEET = 1024  # pictures of a stack on its sheet
SHEET_TILE = 32  # pixels of one of them
_POINTS = 200  # of a curve in a tile
_FINER = 4  # pixels drawn for one of a tile, so that lines are smooth


@dataclass
class Backdrop:
    """The background on which sites are drawn.

    ``pictures``: addresses of data. ``picture_of`` (frame,): which of them a frame shows, −1 where
    it was left out. ``width``, ``height``: of the image in ``unit``; ``covers``: how much of both
    the pictures show, a little less where pixels were averaged. ``x``, ``y`` (site,): places in
    ``unit``, NaN where a site is not on it.
    """

    pictures: list[str]
    picture_of: list[int]
    width: float
    height: float
    covers: tuple[float, float]
    unit: str
    x: np.ndarray
    y: np.ndarray
    notes: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)  # of every frame
    sheet: bool = False
    gaps: bool = False  # whether pictures are hatched where nothing was measured
    bright: bool = False  # whether most of the picture is nearer to white than to black

    def facts(self) -> dict[str, Any]:
        """Metadata for the browser, without pictures and positions."""
        fields = ("picture_of", "width", "height", "covers", "unit", "titles", "sheet", "bright")
        return {name: getattr(self, name) for name in fields}


def backdrop(scene: Scene, patches: Small | None, patch_rows: np.ndarray) -> Backdrop:
    """Frames of the image with their sites; of a stack a sheet of its pictures, or of its spectra,
    since these lie nowhere. ``patch_rows`` (patch,): which site each patch belongs to."""
    if scene.stack:
        return _sheet(scene, patches, patch_rows)
    height, width = scene.shape
    factor, unit = scale(scene)
    shown, notes = shown_frames(scene.frames, height, width)
    step = shown_step(len(shown), height, width)
    if step > 1:
        said = f"every {step} × {step} pixels of the image are averaged into one"
        notes.append(f"to keep this page small, {said}")
    assert scene.pixels is not None
    low, high = _limits(scene)
    pictures, levels, gaps = [], [], False
    for frame in shown:
        plane = scene.pixels.isel(time=int(frame), channel=0).transpose("y", "x").values
        grey = np.clip((coarse(plane, step) - low) / (high - low), 0, 1)
        missing = np.isnan(grey)
        gaps |= bool(missing.any())
        if not missing.all():
            levels.append(float(np.nanmedian(grey)))
        pictures.append(address(_with_hatch(grey)))
    picture_of = np.full(scene.frames, -1)
    picture_of[shown] = np.arange(len(shown))
    if scene.channel:
        notes.append(f"the picture shows channel {plain(scene.channel, 30)}")
    return Backdrop(
        pictures,
        picture_of.tolist(),
        width * factor,
        height * factor,
        (width // step * step * factor, height // step * step * factor),
        unit,
        # Pixels are counted at their middles.
        (scene.sites["x"].values.astype(float) + 0.5) * factor,
        (scene.sites["y"].values.astype(float) + 0.5) * factor,
        notes,
        [scene.when(frame) for frame in range(scene.frames)],
        bright=bool(levels) and float(np.median(levels)) > 0.5,
        gaps=gaps,
    )


def shown_frames(frames: int, height: int, width: int) -> tuple[np.ndarray, list[str]]:
    """Choose the frames with a picture, and describe the choice."""
    least = min(LEAST_SIDE, height, width) ** 2
    shown = evenly(frames, max(1, ALL_FRAMES // least))
    left_out = frames - len(shown)
    notes = [f"{left_out} of {frames} frames are shown without their picture"] if left_out else []
    return shown, notes


def shown_step(frames: int, height: int, width: int) -> int:
    """Pixels averaged into one along each side, so that each frame and all together fit."""
    step = -(-max(height, width) // MOST_SIDE)
    while step < min(height, width) and frames * (height // step) * (width // step) > ALL_FRAMES:
        step += 1
    return step


def _with_hatch(grey: np.ndarray) -> np.ndarray:
    """A picture (height, width) from 0 to 1 as bytes; with NaN in it, in colour (height, width, 3),
    with these places hatched."""
    gaps = np.isnan(grey)
    picture = (np.nan_to_num(grey) * 255).round().astype(np.uint8)
    if not gaps.any():
        return picture
    pitch = max(max(grey.shape) / STRIPES, 4)
    return np.where(gaps[..., None], striped(grey.shape, pitch), picture[..., None])


def _limits(scene: Scene) -> tuple[float, float]:
    """Black and white of all frames, from some of them."""
    assert scene.pixels is not None
    some = scene.pixels.isel(time=evenly(scene.frames, 8), channel=0)
    step = max(1, max(scene.shape) // 512)
    return robust_limits(
        some.isel(y=slice(None, None, step), x=slice(None, None, step)).values, 0.5
    )


def _sheet(scene: Scene, patches: Small | None, rows: np.ndarray) -> Backdrop:
    count = scene.sites.sizes["site"]
    x, y = np.full(count, np.nan), np.full(count, np.nan)
    curved = patches is None and "spectrum" in scene.patches.variables
    if not len(rows) or (patches is None and not curved):
        return Backdrop([], [-1] * scene.frames, 1.0, 1.0, (1.0, 1.0), "", x, y, sheet=True)
    chosen = evenly(len(rows), SHEET)
    across = int(np.ceil(np.sqrt(len(chosen))))
    down = -(-len(chosen) // across)
    if patches is None:
        tile = _curves(scene, chosen)
    else:
        tiles = patches.take(chosen)
        shown = tiles if patches.colour else tiles[:, :1]
        tile = np.stack([_tile(picture) for picture in shown])
    grid = np.full((down * across, SHEET_TILE, SHEET_TILE, tile.shape[-1]), 255, np.uint8)
    grid[: len(tile)] = tile
    sheet = grid.reshape(down, across, SHEET_TILE, SHEET_TILE, -1).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(down * SHEET_TILE, across * SHEET_TILE, -1)
    place = np.arange(len(chosen))
    x[rows[chosen]] = place % across + 0.5
    y[rows[chosen]] = place // across + 0.5
    what = "curve" if curved else "picture"
    source = "file" if curved else "stack"
    notes = [f"every {what} is a site; they lie on this sheet in the order of the {source}"]
    if len(chosen) < len(rows):
        notes.append(f"{len(chosen)} of {len(rows)} {what}s are on the sheet, at even intervals")
    if patches is not None and not patches.colour and patches.pictures.shape[1] > 1:
        notes.append("the sheet shows the first channel")
    picture = address(sheet if sheet.shape[-1] == 3 else sheet[..., 0])
    size = float(across), float(down)
    return Backdrop(
        [picture], [0] * scene.frames, *size, size, "", x, y, notes, sheet=True, bright=curved
    )


def _tile(picture: np.ndarray) -> np.ndarray:
    """One picture (channel, height, width) of grey levels as a tile (side, side, channel)."""
    from PIL import Image

    from vaescope.explorer.pictures import LEVELS

    bright = (picture.astype(np.float32) * (255 / (LEVELS - 1))).round().astype(np.uint8)
    inner = (SHEET_TILE - 2, SHEET_TILE - 2)
    planes = [
        np.asarray(Image.fromarray(plane).resize(inner, Image.Resampling.BILINEAR))
        for plane in bright
    ]
    return np.pad(np.stack(planes, -1), ((1, 1), (1, 1), (0, 0)), constant_values=255)


def _curves(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Spectra of some samples as lines in tiles (row, side, side, 1), all on one scale."""
    from PIL import Image, ImageDraw

    values = scene.patches["spectrum"].isel(site=rows).transpose("site", "energy").values
    values = np.asarray(values, float)[:, :: -(-values.shape[1] // _POINTS)]
    low, high = robust_limits(values, 0.25)
    large = _FINER * SHEET_TILE
    margin = 0.08 * large
    share = np.clip(np.nan_to_num((values - low) / (high - low)), 0, 1)
    x = np.linspace(margin, large - margin, values.shape[1])
    y = large - margin - share * (large - 2 * margin)
    made = []
    for line in y:
        drawn = Image.new("L", (large, large), 255)
        ImageDraw.Draw(drawn).line(list(zip(x, line, strict=True)), fill=0, width=_FINER)
        made.append(np.asarray(drawn.resize((SHEET_TILE,) * 2, Image.Resampling.BOX)))
    return np.stack(made)[..., None]


def address(picture: np.ndarray) -> str:
    """A picture (height, width) or (height, width, 3) of bytes as the address of its data."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).convert("RGB").save(buffer, "WEBP", quality=QUALITY, method=4)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
