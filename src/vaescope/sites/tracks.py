"""Link the sites of successive frames that are one atom: tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.quantities import FIT, attributes
from vaescope.sites.settings import GAP, STEP

if TYPE_CHECKING:
    import xarray as xr

MOST_SITES = 10_000  # of a frame: the costs of linking two frames are a matrix of sites by sites
_ALONE = 1.05  # of the largest squared step: cost of an end or a beginning
_ROUNDS = 4  # of taking the median displacement out and pairing again
_BETTER = 1.05  # times as many pairs as without it must speak for a drift by correlation


def _impossible(why: str) -> UserError:
    return UserError(
        "nothing can be followed from frame to frame",
        found=why,
        expected="atoms in several frames",
        remedy="Set `sites: track: null` in the recipe: atoms are followed where they can be",
    )


def wanted(image: xr.Dataset, sites: xr.Dataset, track: bool | None) -> bool:
    """Decide whether sites are linked to tracks: by the recipe's ``track``, or else by the image.

    Raises
    ------
    UserError : tracks are requested for one frame, or of more sites than can be linked.
    """
    frames = image.sizes["time"]
    most = int(np.bincount(sites["frame"].values).max(initial=0))
    possible = frames > 1 and most <= MOST_SITES
    if track is None:
        return possible
    if track and frames == 1:
        raise _impossible("one picture")
    if track and most > MOST_SITES:
        raise _impossible(f"up to {most} sites in a frame, more than {MOST_SITES}")
    return bool(track)


def add_tracks(
    sites: xr.Dataset, image: xr.Dataset, step: float = STEP, gap: int = GAP, channel: int = 0
) -> xr.Dataset:
    """Add tracks to sites.

    Parameters
    ----------
    sites : Dataset over `site` with `frame`, `y`, `x` (px) and the attribute `spacing` (px).
    image : Dataset with `image` (time, channel, y, x), from which large drifts are read.
    step : largest step of an atom from one frame to the next, in spacings, drift taken out.
    gap : frames in which an atom may be missed and is known again afterwards.
    channel : number of the channel that is looked at.

    Returns
    -------
    The sites with `track` (site,), numbered from 0 in the order in which tracks begin;
    `track_length` (site,), the number of sites of the track; and `drift` (time, axis), the place
    of what was at 0 in the first frame (px).
    """
    frame = sites["frame"].values.astype(int)
    place = np.stack([sites["y"].values, sites["x"].values], axis=1).astype(float)
    largest = step * float(sites.attrs.get("nearest", sites.attrs["spacing"]))
    count = image.sizes["time"]
    moved = drift(frame, place, largest, correlated(image, channel), count)
    track = link(frame, place - moved[frame], largest, gap)
    found = sites.copy()
    length = np.bincount(track)[track]
    about = attributes("track: the same atom in several frames", "1")
    found["track"] = ("site", track, about)
    about = attributes("sites of the track", "1", "sequential", group=FIT)
    found["track_length"] = ("site", length, about)
    about = attributes("drift of the whole frame since the first", "px")
    found["drift"] = (("time", "axis"), moved, about)
    found = found.assign_coords(axis=["y", "x"], time=image["time"])
    found.attrs |= {
        "track_step": largest,
        "track_gap": gap,
        "tracks": int(track.max(initial=-1)) + 1,
    }
    return found


def correlated(image: xr.Dataset, channel: int = 0) -> np.ndarray:
    """(frame - 1, 2) whole-frame motion in px from each frame to the next, by
    cross-correlation; of a constant frame it means nothing."""
    import dask.array as da

    from vaescope.read import align

    return -np.nan_to_num(align.steps(da.asarray(image["image"].data[:, channel])))


def drift(
    frame: np.ndarray, place: np.ndarray, largest: float, guess: np.ndarray, frames: int
) -> np.ndarray:
    """Measure the drift of every frame since the first, (frames, 2) px.

    From frame to frame it is the median displacement of sites that are each other's nearest, once
    the guess (frames - 1, 2) is taken out. The guess counts only if it brings more sites together
    than no guess does: on a perfect lattice a correlation cannot tell a drift from one that
    differs by a lattice vector, and the smaller is then the likelier.
    """
    steps = np.zeros((frames, 2))
    here = [place[frame == k] for k in range(frames)]
    for k in range(1, frames):
        still, pairs = _median_step(here[k - 1], here[k], np.zeros(2), largest)
        drifted, more = _median_step(here[k - 1], here[k], guess[k - 1], largest)
        steps[k] = drifted if more > _BETTER * pairs else still
    return np.cumsum(steps, axis=0)


def _median_step(
    before: np.ndarray, after: np.ndarray, start: np.ndarray, largest: float
) -> tuple[np.ndarray, int]:
    """Motion (2,) px common to two frames, near a start, and the number of pairs it makes."""
    step, pairs = np.array(start, float), 0
    if not len(before) or not len(after):
        return step, pairs
    tree = cKDTree(after)
    for _ in range(_ROUNDS):
        distance, nearest = tree.query(before + step)
        _, back = cKDTree(before + step).query(after)
        both = (back[nearest] == np.arange(len(before))) & (distance < largest)
        pairs = int(both.sum())
        if not pairs:
            break
        step = np.median(after[nearest[both]] - before[both], axis=0)
    return step, pairs


def link(frame: np.ndarray, place: np.ndarray, largest: float, gap: int = GAP) -> np.ndarray:
    """Assign a track to every site, (site,), from places (site, 2) px in which nothing drifts.

    Sites of two frames are linked so that the sum of squared steps is least, where ending or
    beginning a track has its own cost; then ends are linked to later beginnings in the same way.
    The tracks do not depend on the order of the sites.

    Source: K. Jaqaman et al., Nature Methods 5 (2008) 695.
    """
    from laptrack import LapTrack

    frames = int(frame.max(initial=-1)) + 1
    order = np.lexsort((place[:, 1], place[:, 0], frame))
    first = np.searchsorted(frame[order], np.arange(frames))  # of each frame, within the order
    coordinates = np.split(place[order], first[1:])
    # Whatever lies within the largest step is linked, unless another partner suits better.
    costs: dict[str, Any] = dict.fromkeys(
        ("track_start_cost", "track_end_cost", "segment_start_cost", "segment_end_cost"),
        _ALONE * largest**2,
    )
    linker = LapTrack(
        cutoff=largest**2,
        gap_closing_cutoff=largest**2 if gap else False,
        gap_closing_max_frame_count=gap + 1,  # counted from the last frame to the next
        **costs,
    )
    links = linker.predict(coordinates).edges() if len(frame) else []
    track = np.arange(len(frame))
    # A track takes the number of its first site: links go forwards, and come in order here.
    ends = sorted((int(first[b[0]] + b[1]), int(first[a[0]] + a[1])) for a, b in links)
    for later, earlier in ends:
        track[later] = track[earlier]
    result = np.empty(len(frame), int)
    result[order] = np.unique(track, return_inverse=True)[1]
    return result
