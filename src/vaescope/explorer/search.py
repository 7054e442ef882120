"""The course of a search for the page: what was believed after each kept step, in few bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from vaescope.explore.outcome import Outcome
from vaescope.explorer.column import narrow
from vaescope.explorer.pack import Blocks
from vaescope.figures.scene import Scene
from vaescope.quantities import robust_limits
from vaescope.text import plain

MOST_BYTES = 4_000_000  # of all beliefs, before they are packed
_LEVELS = 255  # of a belief; the code after the last one: not known


def pack(scene: Scene, blocks: Blocks) -> dict[str, Any] | None:
    """Facts of the search of a dataset for the browser, its numbers in one block; None where there
    is none, more candidates than a page can show, or no places on which to show them."""
    explored = scene.results.explored
    if explored is None:
        return None
    found = Outcome(explored)
    count, steps = len(found.places), len(found.kept)
    most = MOST_BYTES // (2 * count)
    if most < 2 or not found.mapped:
        return None
    shown = np.unique(np.linspace(0, steps - 1, min(steps, most)).round().astype(int))
    mean = np.asarray(explored["mean"].isel(kept=shown).values, dtype=float)
    sd = np.asarray(explored["sd"].isel(kept=shown).values, dtype=float)
    known = found.truth[np.isfinite(found.truth) & found.allowed]
    low, high = robust_limits(np.concatenate([mean[:, found.allowed].ravel(), known]), 0.5)
    least_sd, most_sd = robust_limits(sd[:, found.allowed].ravel(), 5.0)
    least_sd, most_sd = (least_sd if least_sd > most_sd / 2 else 0.0), most_sd or 1.0
    image = found.active and not scene.stack
    down = found.axes[0].startswith("y")
    along = found.places[:, ::-1] if down else found.places
    x = along[:, 0].astype(np.float32)
    y = along[:, 1].astype(np.float32) if along.shape[1] > 1 else np.zeros_like(x)
    grid = found.grid()
    arrays: dict[str, np.ndarray] = {
        "x": x,
        "y": y,
        "allowed": found.allowed.astype(np.uint8),
        "point": found.points.astype(np.int32),
        "value": narrow(found.values),
        "mean": _coded(mean, low, high),
        "sd": _coded(sd, least_sd, most_sd),
    }
    if found.knows_truth:
        arrays["truth"] = _coded(found.truth, low, high)
    if grid is not None:
        arrays["cell"] = grid[2].astype(np.int32)
    arrays |= {f"axis{k}": narrow(along[:, k]) for k in range(2, along.shape[1])}
    places = blocks.add(list(arrays.values()))
    return {
        "arrays": dict(zip(arrays, places, strict=True)),
        "objective": plain(found.objective, 60),
        "unit": plain(found.unit, 20),
        "kept": found.kept[shown].tolist(),
        "candidates": count,
        "extent": _extent(scene, x, y, grid, image=image),
        "cells": None if grid is None else _cells(grid),
        "down": image,
        "axes": ["x", "y"] if down else [plain(name, 30) for name in found.axes],
        "limits": {"mean": [low, high], "sd": [least_sd, most_sd]},
        "cmaps": {"mean": scene.look.colormap, "sd": scene.look.spread},
    }


def _coded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values in 255 levels between two limits; 255: not known."""
    share = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
    codes = np.full(values.shape, _LEVELS, np.uint8)
    known = np.isfinite(share)
    codes[known] = np.round(share[known] * (_LEVELS - 1)).astype(np.uint8)
    return codes.ravel()


def _cells(grid: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[str, Any]:
    """The grid of the candidates: how many rows and columns, and the edges of all of them."""
    rows, columns, _ = grid
    dy, dx = np.diff(rows).mean() / 2, np.diff(columns).mean() / 2
    return {
        "rows": len(rows),
        "columns": len(columns),
        "edges": [columns[0] - dx, columns[-1] + dx, rows[0] - dy, rows[-1] + dy],
    }


def _extent(
    scene: Scene,
    x: np.ndarray,
    y: np.ndarray,
    grid: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    *,
    image: bool,
) -> list[float]:
    """Left, right, least and greatest y of a panel."""
    if image:
        height, width = scene.shape
        return [-0.5, width - 0.5, -0.5, height - 0.5]
    if grid is not None:
        return [float(edge) for edge in _cells(grid)["edges"]]
    return [*_padded(x), *_padded(y)]


def _padded(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.02 * (high - low) or 0.5
    return low - pad, high + pad
