"""The pictures that figures need of a model, made here so that drawing needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope.ensemble.consensus import AlignedMembers
from vaescope.ensemble.encode import decode, turned_upright
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.members import Member
from vaescope.ensemble.planes import decode_planes
from vaescope.ensemble.source import PatchSource
from vaescope.models.settings import ModelSettings
from vaescope.models.views import VIEWS
from vaescope.train.data import Codec

GRID = 9  # decoded pictures along each latent
MOST_LEVELS = 12  # rows of pictures, one for each level of a condition
QUANTILES = (2, 15, 30, 50, 70, 85, 98)  # per cent, of a condition that is a number


@dataclass
class Pictures:
    """Decoded and averaged pictures, upright, in the normalised units of the patches."""

    grid: np.ndarray  # (row, column, channel, py, px)
    rows: np.ndarray
    columns: np.ndarray
    class_patch: np.ndarray | None = None
    class_decoded: np.ndarray | None = None
    condition: tuple[str, bool, np.ndarray] | None = None  # name, whether classes, values
    by_condition: np.ndarray | None = None  # (told, column, channel, py, px)

    def variables(self, settings: ModelSettings) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values)."""
        picture = axes(settings)
        patch = VIEWS[settings.view].drawn
        out: dict[str, Any] = {
            "decoded_grid": (("grid_row", "grid_column", *picture), self.grid),
            "grid_row": (("grid_row",), self.rows, {"long_name": "latent 2"}),
            "grid_column": (("grid_column",), self.columns, {"long_name": "latent 1"}),
        }
        if self.class_patch is not None:
            out["class_patch"] = (("class", *patch), self.class_patch)
            out["class_decoded"] = (("class", *picture), self.class_decoded)
        if self.condition is not None:
            name, classes, values = self.condition
            out["decoded_conditions"] = (("told", "grid_column", *picture), self.by_condition)
            out["told"] = (("told",), values, {"long_name": name, "classes": int(classes)})
        return out


def axes(settings: ModelSettings) -> tuple[str, str, str]:
    """Dimensions of what a model draws: those of a view, unless it makes something else."""
    decoded = settings.target or settings.view
    if decoded in VIEWS:
        return VIEWS[decoded].drawn
    return ("target_channel", "target_y", "target_x")


def upright(view: AlignedMembers, patches: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """The patches (row, channel, py, px) of some sites, turned back by the consensus angle if
    any."""
    angle = view.consensus_angle
    return patches if angle is None else turned_upright(patches, angle[rows])


def drawer(
    view: AlignedMembers,
    ensemble: Sequence[Member],
    gauges: Sequence[Gauge | None],
    conditions: np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    """What decodes content in consensus axes (point, latent) to upright pictures, by the reference
    member; conditions (site, condition) are at their mean."""
    mean = conditions.mean(0, keepdims=True)
    member, gauge = ensemble[view.reference], gauges[view.reference]
    return lambda points: _upright(member, gauge, view, points, mean)


def planes(
    view: AlignedMembers,
    ensemble: Sequence[Member],
    gauges: Sequence[Gauge | None],
    codec: Codec,
    conditions: np.ndarray,
) -> dict[str, Any]:
    """The decoded planes of ``decode_planes``, by the reference member: variables of
    ``latents.zarr``. A conditional model has pictures for each value of its first condition;
    ``conditions`` (site, condition) has those of each site."""
    member, gauge = ensemble[view.reference], gauges[view.reference]
    mean = conditions.mean(0, keepdims=True)

    def one(points: np.ndarray, row: np.ndarray | None) -> np.ndarray:
        return _upright(member, gauge, view, points, mean if row is None else row[None])

    each = _first_condition(codec, conditions)[3] if member.model.conditions else None
    return decode_planes(view.consensus_content, one, each, axes(member.settings))


def draw(
    view: AlignedMembers,
    ensemble: Sequence[Member],
    gauges: Sequence[Gauge | None],
    source: PatchSource,
    conditions: np.ndarray,
) -> Pictures:
    """All pictures of one model: its latent grid is the reference member's, in consensus axes.

    ``conditions`` (site, condition) are at their mean, but for the pictures by condition.
    """
    member, gauge = ensemble[view.reference], gauges[view.reference]
    first, second, points = grid_points(view)
    mean = conditions.mean(0, keepdims=True)
    grid = _upright(member, gauge, view, points, mean)
    shape = (len(second), len(first), *grid.shape[1:])
    out = Pictures(grid.reshape(shape), second, first)
    if member.model.conditions:
        name, classes, values, rows = _first_condition(source.codec, conditions)
        out.condition = (name, classes, values)
        middle = np.tile(np.median(view.consensus_content, 0), (len(first), 1))
        middle[:, 0] = first
        drawn = [_upright(member, gauge, view, middle, row[None]) for row in rows]
        out.by_condition = np.stack(drawn)
    found = view.consensus_class
    if found is not None and view.class_probability is not None:
        number = np.bincount(found, minlength=view.class_probability.shape[2])
        total = np.zeros((len(number), *source.shown(np.arange(1)).shape[1:]))
        for some, data in source.blocks():
            turned = upright(view, data.patches, some)
            np.add.at(total, found[some], turned)
        with np.errstate(invalid="ignore"):
            out.class_patch = (total / number[:, None, None, None]).astype(np.float32)
        middles = [
            view.consensus_content[found == k].mean(0) if n else np.zeros(points.shape[1])
            for k, n in enumerate(number)
        ]
        out.class_decoded = _upright(member, gauge, view, np.stack(middles), mean)
    return out


def _first_condition(
    codec: Codec, conditions: np.ndarray
) -> tuple[str, bool, np.ndarray, np.ndarray]:
    """The first condition: its name, whether it is a class, values of it, and all conditions
    (value, number) with the others at their means."""
    first = codec.conditions[0]
    classes = "levels" in first
    width = len(first["levels"]) if classes else 1
    if classes:
        chosen = np.unique(np.linspace(0, width - 1, min(width, MOST_LEVELS)).round().astype(int))
        values, encoded = np.array(first["levels"], dtype=float)[chosen], np.eye(width)[chosen]
    else:
        encoded = np.percentile(conditions[:, :1], QUANTILES, axis=0)
        values = encoded[:, 0] * first["sd"] + first["mean"]
    rows = np.repeat(conditions.mean(0, keepdims=True), len(values), 0)
    rows[:, :width] = encoded
    return str(first["name"]), classes, values, rows


def grid_points(view: AlignedMembers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of latents 1 and 2 and the grid (row * column, latent) over the bulk of the sites."""
    content = view.consensus_content
    low, high = np.percentile(content, [2, 98], axis=0)
    first = np.linspace(low[0], high[0], GRID)
    if content.shape[1] == 1:
        return first, np.zeros(1), first[:, None]
    second = np.linspace(high[1], low[1], GRID)
    points = np.tile(np.median(content, 0), (GRID * GRID, 1))
    points[:, 0] = np.tile(first, GRID)
    points[:, 1] = np.repeat(second, GRID)
    return first, second, points


def _upright(
    member: Member,
    gauge: Gauge | None,
    view: AlignedMembers,
    points: np.ndarray,
    conditions: np.ndarray,
) -> np.ndarray:
    """Decoded pictures of points in the consensus axes, turned so that the angle 0 lies along x;
    ``conditions`` (1, number) holds for all of them."""
    content = points @ view.to_native + view.centre
    drawn = decode(member, content, np.repeat(conditions, len(content), 0))
    if gauge is None:
        return drawn
    return turned_upright(drawn, gauge.of(drawn) + gauge.zero)
