"""Sites along domain walls, or windows on a grid described by the walls in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.quantities import attributes
from vaescope.sites import wall_columns, wall_curves, wall_sides, wall_switching, wall_truth
from vaescope.sites.table import Column, tabulate
from vaescope.sites.wall_columns import Points, Unit
from vaescope.sites.wall_courses import Courses, courses_of
from vaescope.sites.wall_switching import Domains
from vaescope.walls.descriptors import nearest_other
from vaescope.walls.domain_map import positive_share
from vaescope.walls.doubtful import doubtful
from vaescope.walls.pieces import Pieces, pieces_of
from vaescope.walls.signal import IN_PHASE, Signal, signal_of
from vaescope.walls.smooth import levelled
from vaescope.walls.wall import Wall

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.settings import Walls
    from vaescope.walls.learned.wall_detector import WallDetector

SPACING = 4.0  # px of wall between sites
MOST = 20_000  # sites unless the recipe says more
SHARE, SMALLEST, LARGEST = 0.1, 12.0, 48.0  # of the shorter side, and px: side of a window
GAPS = 2.0  # distances to the nearest other wall: side of a window, at most
EXACT = 2e-3  # of the standard deviation of a picture, below which no noise is believed
OVERLAP = 2  # windows on a grid over one place along each axis


@dataclass
class Found:
    """The walls of one frame, as curves and in pieces."""

    signal: Signal
    walls: list[Wall]
    pieces: Pieces

    def domains(self) -> Domains:
        """Which part of each pixel lies in the positive domain."""
        share = positive_share(self.signal, self.pieces)
        return Domains(share, self.signal.measured, self.pieces)


def every_wall(
    image: xr.Dataset, settings: Walls, detector: WallDetector | None = None
) -> xr.Dataset:
    """Find the domain walls of every frame and lay sites along them, or windows on a grid.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x) and a channel `in-phase`, as in an image
        store read with `ingest: piezoresponse: true`.
    settings : the part `sites` of a recipe.
    detector : trained to find walls, for `finder: learned`.

    Returns
    -------
    Dataset over `site`, in the form of a sites store; its attributes count walls and say how long
    they are. Where nothing is a wall it has no site.

    Raises
    ------
    UserError : no channel `in-phase`, or no window fits into the image.
    """
    frames = image.sizes["time"]
    found = [_of_frame(image, frame, settings, detector) for frame in range(frames)]
    unit = Unit.of(image)
    side = settings.window or _side(image, [each.pieces for each in found])
    courses = courses_of(image, [each.signal for each in found], [each.walls for each in found])
    lengths = np.array([sum(wall.length for wall in each.walls) for each in found])
    if settings.places == "grid":
        places, spacing = _grid(image, side, settings.stride)
        rows = [Points(np.zeros(0, int), np.zeros(0), {"place": places}) for _ in found]
    else:
        spacing = settings.spacing or max(SPACING, float(lengths.sum()) / MOST)
        rows = [wall_columns.points_of(each.walls, spacing) for each in found]
    parts = list(_columns(image, found, rows, side, unit, settings, courses))
    columns = _joined(parts)
    attrs: dict[str, Any] = {
        "spacing": spacing,
        "window": side,
        "finder": settings.finder,
        "walls": int(sum(len(each.walls) for each in found)),
        "wall_length_px": float(lengths.sum()),
        "measured_px": int(sum(each.signal.measured.sum() for each in found)),
        "wall_frames": int((lengths > 0).sum()),
        "noise": [float(each.signal.noise) for each in found],
        "topography": [float(each.signal.leaked) for each in found],
        "directed": settings.places != "grid",
        "regular": settings.places == "grid",
        "windows": settings.places == "grid",
    }
    sites = tabulate(image, columns, attrs)
    sites = sites.assign(wall_curves.variables([each.walls for each in found]))
    if frames > 1:
        sites = _with_drift(sites, courses)
    return wall_truth.score(sites, image, [each.pieces for each in found])


def _of_frame(
    image: xr.Dataset, frame: int, settings: Walls, detector: WallDetector | None
) -> Found:
    from vaescope.walls.finding import find

    signal = signal_of(image, frame)
    # A picture without noise, or one that was rounded, is not exact: the model of a wall is none.
    values = signal.in_phase[signal.measured]
    least = EXACT * float(values.std()) if values.size else 0.0
    signal = replace(signal, noise=max(signal.noise, least))
    curves = find(signal, settings, detector)
    return Found(signal, curves, pieces_of(curves))


def _side(image: xr.Dataset, pieces: list[Pieces]) -> float:
    """Choose the side of windows: a share of the image, less where walls lie close together, so
    that a window shows one wall and its surroundings."""
    shorter = min(image.sizes["y"], image.sizes["x"])
    side = SHARE * shorter
    apart = np.concatenate([_apart(each) for each in pieces])
    if np.isfinite(apart).any():
        side = min(side, GAPS * float(np.nanmedian(apart)))
    return float(min(np.clip(round(side), SMALLEST, LARGEST), shorter))


def _apart(pieces: Pieces) -> np.ndarray:
    """Distances (place,) px of some places of the walls of a frame to the nearest other wall."""
    some = np.arange(0, len(pieces), 16)
    given = pieces.place[some], pieces.wall[some], pieces.at[some]
    return nearest_other(pieces, *given)[0]


def _grid(image: xr.Dataset, side: float, stride: float | None) -> tuple[np.ndarray, float]:
    """Middles (window, 2) of windows that lie in the image, and the distance between them."""
    from vaescope.sites.windows import grid

    room = np.array([image.sizes["y"], image.sizes["x"]]) - side
    if (room < 0).any():
        raise UserError(
            "no window fits into the image",
            found=f"windows of {side:g} px in an image of {image.sizes['y']} × {image.sizes['x']}"
            " px",
            expected="windows smaller than the image",
            remedy="Set a smaller `sites: window` in the recipe",
        )
    fewest = np.sqrt(image.sizes["time"] * np.prod(room + 1) / MOST)
    apart = stride or max(round(side / OVERLAP), int(np.ceil(fewest)), 1)
    return grid(room, apart, side), float(apart)


def _columns(
    image: xr.Dataset,
    found: list[Found],
    rows: list[Points],
    side: float,
    unit: Unit,
    settings: Walls,
    courses: Courses,
) -> Iterator[dict[str, Column]]:
    """The columns of the sites of each frame in turn; two frames are in memory at once."""
    signal = _unit_of_response(image)
    domains = found[0].domains()
    for frame, (each, points) in enumerate(zip(found, rows, strict=True)):
        place = points.place
        number = np.full(len(place), frame)
        columns: dict[str, Column] = {"frame": (number, attributes("frame", "1"))}
        if settings.places == "grid":
            columns["y"] = (place[:, 0], attributes("row of the middle", "px"))
            columns["x"] = (place[:, 1], attributes("column of the middle", "px"))
        else:
            columns |= wall_columns.of_points(points, each.walls, unit, signal)
            columns |= courses.columns(frame, points, each.walls)
            columns |= wall_columns.of_nearest(points, each.pieces, unit)
            columns |= wall_sides.columns(image, frame, each.signal, each.walls, points)
        columns |= wall_columns.of_windows(each.pieces, domains.areas, place, side, unit)
        if len(found) > 1:
            then, drift, doubt = None, np.zeros((len(place), 2)), None
            uncertain = np.zeros((len(place), 2, 2))
            if frame + 1 < len(found):
                then = found[frame + 1].domains()
                drift, uncertain = courses.displaced(frame, place)
                doubt = _doubt(found, frame, domains, then, courses)
            columns |= wall_switching.columns(domains, then, place, side, drift, uncertain, doubt)
            domains = then or domains
        yield columns


def _doubt(
    found: list[Found], frame: int, now: Domains, then: Domains, courses: Courses
) -> np.ndarray:
    """Change (y, x) of each pixel to the next frame that the response leaves in doubt."""
    assert courses.registration is not None
    before, after = (levelled(found[k].signal) for k in (frame, frame + 1))
    moved = courses.registration.on_pixels(frame, now.share.shape)
    return doubtful(before, after, now.share, then.share, *moved)


def _unit_of_response(image: xr.Dataset) -> str:
    """The unit of the in-phase response; other channels may have others."""
    names = [str(name) for name in image["channel"].values]
    units = [str(unit) for unit in np.atleast_1d(image.attrs.get("channel_units", []))]
    if len(units) != len(names):
        return str(image["image"].attrs.get("units", "1"))
    return units[names.index(IN_PHASE)] or "1"


def _joined(parts: list[dict[str, Column]]) -> dict[str, Column]:
    """Columns of all frames together; without those of which nothing is known, such as distances
    to junctions where walls have none."""
    columns = {
        name: (np.concatenate([part[name][0] for part in parts]), about)
        for name, (_, about) in parts[0].items()
    }
    unknown = [
        name
        for name in ("nearest_junction", "ferroelastic")
        if name in columns and np.isnan(columns[name][0]).all()
    ]
    return {n: c for n, c in columns.items() if n.removesuffix("_error") not in unknown}


def _with_drift(sites: xr.Dataset, courses: Courses) -> xr.Dataset:
    """Sites with the drift of the specimen between frames."""
    about = attributes("drift of the specimen since the first frame", "px")
    error = attributes("standard error of the drift from the frame before", "px")
    return sites.assign(
        drift=(("time", "axis"), courses.drift, {**about, "sources": courses.source}),
        drift_error=(("time", "axis"), courses.drift_error, error),
    )
