"""Pack small pictures for the explorer: patches, reconstructions, decoded planes.

Every picture is a few hundred numbers from 0 to ``LEVELS`` − 1, between limits that all pictures of
one kind share, so that brightness can be compared.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope.explorer.pack import Blocks
from vaescope.figures.accuracy import label_name
from vaescope.figures.scene import Scene
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import plain

LEVELS = 48  # grey levels of a patch: finer steps are noise, and cost as much as all else together
PLANE_LEVELS = 256  # of decoded pictures, between which the browser interpolates
BUDGET = 9_500_000  # bytes of all patches and reconstructions of a page before base64
CHUNK = 512  # pictures in a block: opened in some milliseconds when the first of them is shown
MOST_PIXELS = 64  # per side of a small picture
MOST_CHANNELS = 4
_PROBE = 128  # pictures whose packed size tells how many can be afforded


@dataclass
class Small:
    """Pictures (site, channel, height, width) of one kind, lazy, with limits for each channel."""

    name: str
    pictures: xr.DataArray
    limits: list[tuple[float, float]]
    step: int  # pixels averaged into one along each side
    colour: bool  # three channels that are red, green and blue

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Grey levels (row, channel, height, width) of some of them."""
        return levels(coarse(self.pictures.isel(site=rows).values, self.step), self.limits, LEVELS)


def small(name: str, pictures: xr.DataArray, like: Small | None = None) -> Small:
    """Pictures made ready; ``like``: those whose limits they share if they are of one shape."""
    kept = pictures.transpose("site", ...).isel({pictures.dims[1]: slice(MOST_CHANNELS)})
    count = kept.sizes["site"]
    if like is not None and like.pictures.shape[1:] == kept.shape[1:]:
        limits = like.limits
    else:
        some = kept.isel(site=evenly(count, 400)).values
        limits = [robust_limits(some[:, c], 0.25) for c in range(some.shape[1])]
    step = -(-max(kept.shape[2:]) // MOST_PIXELS)
    colour = kept.shape[1] == 3 and pictures.shape[1] == 3
    return Small(name, kept, limits, step, colour)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` things, at even intervals."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(int))


def coarse(pictures: np.ndarray, step: int) -> np.ndarray:
    """Pictures (…, height, width) with ``step`` × ``step`` pixels averaged into one; of curves, of
    height 1, ``step`` samples."""
    if step <= 1:
        return pictures
    down = step if pictures.shape[-2] > 1 else 1
    high, wide = pictures.shape[-2] // down, pictures.shape[-1] // step
    cut = pictures[..., : high * down, : wide * step]
    return cut.reshape(*pictures.shape[:-2], high, down, wide, step).mean(axis=(-3, -1))


def levels(pictures: np.ndarray, limits: list[tuple[float, float]], count: int) -> np.ndarray:
    """Grey levels uint8 of pictures (…, channel, height, width); not numbers are black."""
    low = np.array([pair[0] for pair in limits], np.float32)[:, None, None]
    high = np.array([pair[1] for pair in limits], np.float32)[:, None, None]
    share = (np.asarray(pictures, np.float32) - low) / np.maximum(high - low, 1e-30)
    return (np.clip(np.nan_to_num(share), 0, 1) * (count - 1)).round().astype(np.uint8)


def pack_sites(kinds: list[Small], count: int, blocks: Blocks, room: int) -> dict[str, Any]:
    """Pack as many sites' pictures as ``room``, in bytes, and the budget allow, at even intervals
    from all ``count``.

    Returns ``rows``, where in the list of patches the pictures come from, and ``kinds`` by name.
    """
    probe = evenly(count, _PROBE)
    cost = sum(len(zlib.compress(kind.take(probe).tobytes(), 6)) for kind in kinds)
    affordable = int(min(BUDGET, room) / max(cost / max(len(probe), 1), 1.0))
    rows = evenly(count, affordable)
    found: dict[str, Any] = {}
    for kind in kinds:
        chunks, shape = [], (1, 1, 1)
        for start in range(0, len(rows), CHUNK):
            taken = kind.take(rows[start : start + CHUNK])
            shape = taken.shape[1:]
            chunks += blocks.add([taken])
        found[kind.name] = _facts(shape, kind.limits, LEVELS, kind.colour) | {
            "chunks": chunks,
            "chunk": CHUNK,
        }
    return {"rows": rows, "kinds": found}


def _facts(
    shape: tuple[int, ...], limits: list[tuple[float, float]], count: int, colour: bool
) -> dict[str, Any]:
    channels, height, width = shape
    return {
        "channels": channels,
        "height": height,
        "width": width,
        "levels": count,
        "limits": limits,
        "colour": colour,
    }


def pack_planes(view: ModelResults, scene: Scene, blocks: Blocks) -> list[dict[str, Any]]:
    """The decoded planes of a model, from its store; of an older store the one that its figure
    shows. Each with the numbers of its ``latents`` (from 0; −1 for none), the values ``x`` and
    ``y`` decoded, and the conditions (``told``) for which it was decoded, if the model has any."""
    found, conditions = [], condition_names(view, scene)
    for latents, x, y, drawn in _planes(view):
        # (condition, y, x, channel, height, width)
        drawn = drawn[..., :MOST_CHANNELS, :, :]
        step = -(-max(drawn.shape[-2:]) // MOST_PIXELS)
        shown = coarse(drawn, step)
        limits = [robust_limits(shown[..., c, :, :], 0.0) for c in range(shown.shape[-3])]
        places = blocks.add(list(levels(shown, limits, PLANE_LEVELS)))
        facts = _facts(shown.shape[-3:], limits, PLANE_LEVELS, shown.shape[-3] == 3)
        names = (
            conditions["names"] if conditions and len(conditions["names"]) == len(places) else []
        )
        found.append(
            facts
            | {
                "latents": latents,
                "x": x.tolist(),
                "y": y.tolist(),
                "pictures": places,
                "told": names,
                "told_name": conditions["name"] if names and conditions else "",
            }
        )
    return found


def _planes(view: ModelResults) -> list[tuple[list[int], np.ndarray, np.ndarray, np.ndarray]]:
    if view.has("plane_decoded"):
        held = view.latents
        along = ("plane", "plane_told", "plane_step_y", "plane_step_x")
        drawn = held["plane_decoded"].transpose(*along, ...).values
        pairs = held["plane_latents"].values
        return [
            (
                [int(n) - 1 if n > 0 else -1 for n in pairs[k]],
                held["plane_x"].values[k],
                held["plane_y"].values[k],
                drawn[k],
            )
            for k in range(len(drawn))
        ]
    if not view.has("decoded_grid"):
        return []
    grid = view.latents["decoded_grid"].transpose("grid_row", "grid_column", ...)
    if "grid_row" not in grid.coords or "grid_column" not in grid.coords:
        return []
    grid = grid.sortby("grid_row").sortby("grid_column")
    pair = [0, 1] if grid.sizes["grid_row"] > 1 else [0, -1]
    return [(pair, grid["grid_column"].values, grid["grid_row"].values, grid.values[None])]


def condition_names(view: ModelResults, scene: Scene) -> dict[str, Any] | None:
    """Name the conditions for which a model was decoded; None for an unconditional model."""
    if not view.has("told"):
        return None
    conditions = view.latents["told"]
    name = plain(conditions.attrs.get("long_name") or "told", 40)
    if conditions.attrs.get("classes"):
        names = [plain(label_name(scene, float(value)), 40) for value in conditions.values]
    else:
        names = [f"{value:.3g}" for value in conditions.values]
    return {"name": name, "names": names}
