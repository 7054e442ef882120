"""What concerns walls and the image as wholes: where walls are pinned, what switched, events,
roughness, and a table of walls."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities import Scale, attributes
from vaescope.sites.wall_columns import tortuosity
from vaescope.sites.wall_courses import heights_of, registered
from vaescope.sites.wall_curves import walls_of
from vaescope.walls.association import association, pixels_of, steps_of
from vaescope.walls.events import EVENTS, Event, events_of
from vaescope.walls.follow import Followed, WallStep, follow, lengths
from vaescope.walls.pinning import Motion, motion_of, pinning_map
from vaescope.walls.registration import Registration
from vaescope.walls.roughness import roughness
from vaescope.walls.signal import Signal, signal_of
from vaescope.walls.smooth import levelled
from vaescope.walls.switched import Switched, switched
from vaescope.walls.wall import Wall

if TYPE_CHECKING:
    import xarray as xr

STEP = "step"
"""Dimension of the steps from each frame to the next."""
_PIXELS = ("y", "x")
_SURE = 0.95  # probability of a wall to be no 180° wall


def map_walls(
    image: xr.Dataset, sites: xr.Dataset, seed: int = 0, defects: np.ndarray | None = None
) -> xr.Dataset:
    """Map what walls do in an image or movie.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x) and a channel `in-phase`.
    sites : Dataset over `site` with the curves of walls, as in a sites store.
    seed : of the test of pinning.
    defects : (defect, 2) px (y, x) in the first frame, that may pin walls.

    Returns
    -------
    Dataset with a row for each wall of each frame (dimension `row`), the roughness of the walls of
    each frame, and where there are several frames what switched in each `step`, `event`, the
    pinning map (y, x) in the first frame, and its relation with each `candidate`.

    Raises
    ------
    UserError : the sites have no curves of walls.
    """
    import xarray as xr

    frames = walls_of(sites, image.sizes["time"])
    signals = [levelled(signal_of(image, frame)) for frame in range(len(frames))]
    registration, heights = registered(image, signals), heights_of(image)
    followed = follow(frames, registration)
    found: dict[str, Any] = {**_table(frames, followed, registration), **_roughness(frames)}
    attrs: dict[str, Any] = {"frames": len(frames), "seed": seed}
    if len(frames) > 1:
        shape = signals[0].in_phase.shape
        changes = [
            switched(signals[k], signals[k + 1], *registration.on_pixels(k, shape))
            for k in range(len(frames) - 1)
        ]
        events = events_of(frames, followed, registration, changes)
        motion = motion_of(frames, followed, registration)
        found |= _switched(changes) | _events(events) | _drift(registration)
        candidates = _candidates(signals[0], heights, defects)
        candidates |= _ferroelastic(sites, registration, signals[0].in_phase.shape)
        found |= _pinning(motion, signals, candidates, seed)
    made = xr.Dataset(found, attrs=attrs)
    made = made.assign_coords(row=np.arange(made.sizes["row"]))
    return made.assign_coords({axis: image[axis] for axis in _PIXELS if axis in made.dims})


def _table(
    frames: Sequence[Sequence[Wall]], followed: Followed, registration: Registration
) -> dict[str, Any]:
    """A row for each wall of each frame."""
    rows: list[dict[str, float]] = []
    for frame, walls in enumerate(frames):
        for k, wall in enumerate(walls):
            weight = lengths(wall) / max(wall.length, 1e-300)
            row = {
                "wall_frame": frame,
                "wall_number": int(followed.number[frame][k]),
                "wall_length": wall.length,
                "wall_closed": int(wall.closed),
                "wall_tortuosity": tortuosity(wall),
                "wall_curvature": float(weight @ wall.curvature),
                "wall_width": float(weight @ wall.width),
            }
            if len(frames) > 1:
                last = frame == len(frames) - 1
                step = None if last else followed.steps[frame][k]
                known = None if last else registration.displaced(frame, wall.place)[1]
                row |= _mean_step(wall, step, known)
            rows.append(row)
    about: dict[str, tuple[str, str, Scale | None]] = {
        "wall_frame": ("frame", "1", "categorical"),
        "wall_number": ("wall", "1", "categorical"),
        "wall_length": ("length of the wall", "px", "sequential"),
        "wall_closed": ("whether the wall is closed", "1", "categorical"),
        "wall_tortuosity": ("tortuosity of the wall", "1", "sequential"),
        "wall_curvature": ("mean curvature of the wall", "1/px", "diverging"),
        "wall_width": ("mean half width of the wall", "px", "sequential"),
    }
    if len(frames) > 1:
        about |= {
            "wall_displacement": ("mean displacement to the next frame", "px", "diverging"),
            "wall_displacement_error": ("standard error of the mean displacement", "px", None),
            "wall_pinned": ("share of the wall that is pinned", "1", "sequential"),
        }
    errors = {"wall_displacement": "wall_displacement_error"}
    return {
        name: (
            "row",
            np.array([row[name] for row in rows], float),
            attributes(words, unit, scale, error=errors.get(name)),
        )
        for name, (words, unit, scale) in about.items()
    }


def _mean_step(
    wall: Wall, step: WallStep | None, covariance: np.ndarray | None
) -> dict[str, float]:
    """Mean displacement of a wall with its error, and the share of it that is pinned; by the
    ``covariance`` (point, 2, 2) px² of the drift."""
    names = ("wall_displacement", "wall_displacement_error", "wall_pinned")
    met = np.zeros(len(wall.place), bool) if step is None else np.isfinite(step.displacement)
    weight = lengths(wall)[met]
    if step is None or covariance is None or not weight.sum() > 0:
        return dict.fromkeys(names, float("nan"))
    share = weight / weight.sum()
    normal = np.stack([np.cos(wall.direction), -np.sin(wall.direction)], axis=1)[met]
    # The drift displaces the whole wall alike; other errors are alike over the error length.
    uncertain = covariance[met]
    drifted = np.einsum("pi,pij,pj->p", normal, uncertain, normal)
    own = np.maximum(step.error[met] ** 2 - drifted, 0.0)
    few = np.minimum(1.0, wall.error_length[met] / weight.sum())
    whole = share @ normal
    together = np.einsum("p,pij->ij", share, uncertain)
    error = float(np.sqrt(share @ (own * few) + whole @ together @ whole))
    values = float(share @ step.displacement[met]), error, float(share @ step.pinned[met])
    return dict(zip(names, values, strict=True))


def _roughness(frames: Sequence[Sequence[Wall]]) -> dict[str, Any]:
    """Roughness exponent of each frame, and the structure factor of that with most wall."""
    found = [roughness(walls) for walls in frames]
    best = max(found, key=lambda each: each.length)
    exponent = attributes(
        "roughness exponent of the walls", "1", "sequential", error="roughness_error"
    )
    return {
        "roughness": ("time", np.array([each.exponent for each in found]), exponent),
        "roughness_error": (
            "time",
            np.array([each.error for each in found]),
            attributes("standard error of the roughness exponent", "1"),
        ),
        "structure_wave": ("wave", best.wave, attributes("wave number", "1/px")),
        "structure_factor": (
            "wave",
            best.factor,
            attributes("mean structure factor of the walls", "px^2"),
        ),
        "structure_floor": (
            "wave",
            best.floor,
            attributes("part of the structure factor that is noise of the positions", "px^2"),
        ),
    }


def _switched(changes: Sequence[Switched]) -> dict[str, Any]:
    where = (STEP, *_PIXELS)
    said = attributes(
        "significance of switching, positive to the positive domain", "1", "diverging"
    )
    share = attributes(
        "share of the compared area that switched",
        "1",
        "sequential",
        error="switched_share_error",
        valid=(0, 1),
    )
    return {
        "switching_significance": (
            where,
            np.stack([each.significance for each in changes]).astype(np.float32),
            said,
        ),
        "switched": (
            where,
            np.stack([each.switched for each in changes]).astype(np.int8),
            attributes("what switched", "1", "categorical", meanings=("no", "yes")),
        ),
        "switched_share": (STEP, np.array([each.share for each in changes]), share),
        "switched_share_error": (
            STEP,
            np.array([each.share_error for each in changes]),
            attributes("standard error of the switched share", "1"),
        ),
        "compared_share": (
            STEP,
            np.array([each.compared.mean() for each in changes]),
            attributes("share of the image in which the frames can be compared", "1"),
        ),
        "happened": (
            STEP,
            np.array([each.happened for each in changes], np.int8),
            attributes("whether anything switched beyond doubt", "1"),
        ),
    }


def _drift(registration: Registration) -> dict[str, Any]:
    about = attributes("drift of the specimen since the frame before", "px")
    error = attributes("covariance of the drift", "px^2")
    source = {**about, "sources": list(registration.source)}
    return {
        "drift": ((STEP, "axis"), registration.step, source),
        "drift_covariance": ((STEP, "axis", "other_axis"), registration.covariance, error),
    }


def _events(events: Sequence[Event]) -> dict[str, Any]:
    def first(walls: tuple[int, ...], k: int) -> int:
        return walls[k] if k < len(walls) else -1

    columns: dict[str, tuple[list[float], Any]] = {
        "event": (
            [EVENTS.index(e.what) for e in events],
            attributes("what happened", "1", "categorical", meanings=EVENTS),
        ),
        "event_frame": (
            [e.frame for e in events],
            attributes("frame after which it happened", "1", "categorical"),
        ),
        "event_y": ([e.place[0] for e in events], attributes("row of the event", "px")),
        "event_x": ([e.place[1] for e in events], attributes("column of the event", "px")),
        "event_significance": (
            [e.significance for e in events],
            attributes("significance of the switching at the event", "1", "sequential"),
        ),
    }
    for k, name in enumerate(("first", "second")):
        for when in ("before", "after"):
            columns[f"event_{name}_{when}"] = (
                [first(getattr(e, when), k) for e in events],
                attributes(f"{name} wall concerned {when} the event, −1 for none", "1"),
            )
    return {
        name: ("event_number", np.array(values, float), about)
        for name, (values, about) in columns.items()
    }


def read_defects(path: str | os.PathLike) -> np.ndarray:
    """Places (defect, 2) px (y, x) from a CSV file with columns `y` and `x`.

    Raises
    ------
    UserError : the file cannot be read, or lacks a column, or holds what is no number.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path)
        place = table[["y", "x"]].to_numpy(float)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            "the defects cannot be read",
            file=path,
            found=str(error)[:200],
            expected="a CSV file with the columns `y` and `x`, px in the first frame",
            remedy="Correct the file, or take `sites: defects` out of the recipe",
        ) from error
    return place[np.isfinite(place).all(axis=1)]


def _candidates(
    signal: Signal, heights: list[np.ndarray] | None, defects: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Pixels (y, x) of what may pin walls, by name."""
    found = {}
    if heights is not None:
        found["steps of the surface"] = steps_of(heights[0], signal.measured)
    if defects is not None:
        shape = signal.in_phase.shape
        found["defects"] = pixels_of([defects], (shape[0], shape[1]))
    return found


def _ferroelastic(
    sites: xr.Dataset, registration: Registration, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Pixels (y, x) in the first frame of walls that are no 180° walls, beyond doubt: whether
    these, and the walls that meet them, stay where they are."""
    if "ferroelastic" not in sites:
        return {}
    sure = sites["ferroelastic"].values > _SURE
    place = np.stack([sites["y"].values, sites["x"].values], axis=1)[sure]
    place = place - registration.offset[sites["frame"].values[sure].astype(int)]
    return {"ferroelastic walls": pixels_of([place], (shape[0], shape[1]))}


def _pinning(
    motion: Motion | None,
    signals: Sequence[Signal],
    candidates: Mapping[str, np.ndarray],
    seed: int,
) -> dict[str, Any]:
    shape = signals[0].in_phase.shape
    found = pinning_map(motion, (shape[0], shape[1]), np.random.default_rng(seed))
    tested = [association(found, pixels, name) for name, pixels in candidates.items()]
    said = {"prior": float(found.prior), "p_value": float(found.p_value)}
    field = motion.field if motion is not None else np.full(len(signals) - 1, np.nan)
    tension = motion.tension if motion is not None else float("nan")
    probability = attributes(
        "probability that the place pins walls", "1", "sequential", valid=(0, 1)
    )
    return {
        "pinning": (_PIXELS, found.probability.astype(np.float32), {**probability, **said}),
        "pinning_log_odds": (
            _PIXELS,
            found.log_odds.astype(np.float32),
            attributes("log odds that the place pins, without the prior", "1", "diverging"),
        ),
        "pinning_visits": (
            _PIXELS,
            found.visits.astype(np.float32),
            attributes("independent observations of a wall", "1", "sequential"),
        ),
        "free_motion": (
            STEP,
            field,
            attributes("displacement of a free, straight wall", "px", "diverging"),
        ),
        "wall_tension": (
            (),
            float(tension),
            attributes("displacement of a free wall per curvature, in one step", "px^2"),
        ),
        "candidate": ("candidate", [each.candidate for each in tested] or ["none"]),
        "association_ratio": (
            "candidate",
            [each.ratio for each in tested] or [np.nan],
            attributes("probability of pinning on the candidate over that everywhere", "1"),
        ),
        "association_p_value": (
            "candidate",
            [each.p_value for each in tested] or [np.nan],
            attributes("p-value of the association", "1"),
        ),
        "association_pixels": (
            "candidate",
            [each.pixels for each in tested] or [0],
            attributes("pixels of the candidate that walls have visited", "1"),
        ),
    }
