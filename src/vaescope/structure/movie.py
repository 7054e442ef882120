"""Follow the atoms of a movie: populations of categories, transitions between them, dwell times.

Categories are a model's classes, or the modes of its latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope.structure import categories
from vaescope.structure.settings import MovieSettings

REPLICATES = 400  # of the bootstrap: its standard errors are then known to some 4 %
_AT_ONCE = 50  # replicates drawn together: bounds memory for many tracks
NOTHING = "nothing_to_follow"
"""Attribute of the movie store of a dataset without a movie: why the store is empty."""


def follow(
    latents: xr.Dataset,
    sites: xr.Dataset,
    settings: Mapping[str, Any] | MovieSettings | None = None,
    *,
    seed: int = 0,
) -> xr.Dataset:
    """Follow the categories, latents and angles of the atoms of a movie over time, by one model.

    Parameters
    ----------
    latents : Dataset of ``latents.zarr``, with `frame` and `track` where there are tracks.
    sites : Dataset of ``sites.zarr``, with the coordinate `time` where there are tracks.
    settings : the part `movie` of a recipe (see ``structure.settings``).
    seed : of the bootstrap, which draws whole tracks, since the sites of one are not independent.

    Returns
    -------
    Dataset over `time`, `class`, `next_class` and `track`, with what the model allows:
    `class_name`, the name of each category; over `site` its category `kind`; `class_count`,
    `population` (share of the sites of a frame), its standard error `population_error` and the
    spread of the members `population_spread`; `change_count`, `transition` (probability per
    frame that a site of a class is of the next class in the following frame) and
    `transition_error`; `dwell` and `dwell_error` (frames that a site stays in its class on
    average); per track its first and last frame, its length, how often its class changes, and
    means and standard deviations of its latents; and over `site` the `followed_angle` (rad),
    continuous along each track. Without a movie: no variables, and the attribute
    ``nothing_to_follow``.
    """
    if "track" not in latents.variables:
        frames = len(np.unique(sites["frame"].values))
        why = "one frame" if frames == 1 else "sites without tracks"
        return xr.Dataset(attrs={NOTHING: why})
    frame, track = (latents[name].values.astype(int) for name in ("frame", "track"))
    frames = sites.sizes["time"]
    pairs = successive(track, frame)
    counted = categories.of(latents, settings)
    found = _of_tracks(latents, frame, track, pairs, None if counted is None else counted.label)
    if counted is not None:
        label, classes = counted.label, len(counted.names)
        found["kind"] = (("site",), label, _about(f"{counted.what} of the site, by number"))
        rng = np.random.default_rng(seed)
        of_frame = populations(label, frame, track, frames, classes, rng)
        found["class_count"] = (("time", "class"), of_frame.count, _about("sites of the class"))
        found["population"] = (("time", "class"), of_frame.share, _about("share of the sites"))
        about = _about("standard error of the share")
        found["population_error"] = (("time", "class"), of_frame.error, about)
        spread = _between_members(counted.of_members, classes, frame, frames)
        about = _about("spread of the share between members")
        found["population_spread"] = (("time", "class"), spread, about)
        change = transitions(label, track, pairs, classes, rng)
        both = ("class", "next_class")
        found["change_count"] = (both, change.count, _about("sites followed to the next frame"))
        found["transition"] = (both, change.probability, _about("probability per frame"))
        found["transition_error"] = (both, change.error, _about("standard error of it"))
        about = {"long_name": "mean stay in a class", "units": "frames"}
        found["dwell"] = (("class",), change.dwell, about)
        found["dwell_error"] = (("class",), change.dwell_error, about)
    if "consensus_angle" in latents:
        n = int(latents.attrs.get("symmetry", 1))
        angle = unwrapped(latents["consensus_angle"].values, track, frame, n)
        about = {"long_name": "angle along the track", "units": "rad"}
        found["followed_angle"] = (("site",), angle, about)
    result = xr.Dataset(found, coords={"time": sites["time"], "track": np.unique(track)})
    count = latents.sizes["latent"]
    numbers = latents["latent"].values if "latent" in latents.coords else np.arange(1, count + 1)
    result = result.assign_coords(site=latents["site"].values, latent=numbers)
    if counted is not None:
        result = result.assign_coords({"class_name": ("class", counted.names)})
    result.attrs = {
        "model": latents.attrs.get("model", ""),
        "frames": frames,
        "tracks": int(result.sizes["track"]),
        "links": len(pairs),
        "replicates": REPLICATES,
        "kinds": "" if counted is None else counted.what,
    }
    return result


def successive(track: np.ndarray, frame: np.ndarray, *, adjacent: bool = True) -> np.ndarray:
    """Pair the sites of one atom in successive frames: indices (pair, 2), from each frame to the
    next one (or, if not ``adjacent``, to the next in which the atom was found)."""
    order = np.lexsort((frame, track))
    pairs = np.stack([order[:-1], order[1:]], axis=1)
    keep = track[pairs[:, 0]] == track[pairs[:, 1]]
    if adjacent:
        keep &= frame[pairs[:, 1]] == frame[pairs[:, 0]] + 1
    return pairs[keep]


@dataclass
class Populations:
    """``count``, ``share`` and its standard ``error``, all (time, class); NaN without sites."""

    count: np.ndarray
    share: np.ndarray
    error: np.ndarray


def populations(
    label: np.ndarray,
    frame: np.ndarray,
    track: np.ndarray,
    frames: int,
    classes: int,
    rng: np.random.Generator,
) -> Populations:
    """Count the categories of every frame, from label, frame and track of each site (site,)."""
    shape = (frames, classes)
    count = np.bincount(frame * classes + label, minlength=frames * classes).reshape(shape)
    share = _shares(count.astype(float))
    spread = _bootstrap(frame * classes + label, track, shape, _shares, rng)
    return Populations(count, share, spread)


@dataclass
class Transitions:
    """``count``, ``probability`` and its standard ``error``, (class, next class); ``dwell`` and
    ``dwell_error`` (class,) in frames. NaN for a class that is never followed to another
    frame."""

    count: np.ndarray
    probability: np.ndarray
    error: np.ndarray
    dwell: np.ndarray
    dwell_error: np.ndarray


def transitions(
    label: np.ndarray,
    track: np.ndarray,
    pairs: np.ndarray,
    classes: int,
    rng: np.random.Generator,
) -> Transitions:
    """Estimate the transitions between classes from a frame to the next.

    Errors are those of a bootstrap over tracks, but never below those of a Dirichlet posterior
    under Jeffreys' prior: a change that was not observed in n chances may still have a
    probability of the order of 1/n.

    Parameters
    ----------
    label, track : (site,).
    pairs : (pair, 2) indices of sites, as ``successive`` gives them.
    classes : how many there are.
    rng : of the bootstrap.
    """
    shape = (classes, classes)
    cell = label[pairs[:, 0]] * classes + label[pairs[:, 1]]
    count = np.bincount(cell, minlength=classes**2).reshape(shape)
    probability = _shares(count.astype(float))
    of_track = track[pairs[:, 0]]
    error = _bootstrap(cell, of_track, shape, _shares, rng)
    error = np.fmax(error, _posterior_deviation(count))
    error[count.sum(1) == 0] = np.nan
    dwell = _stay(probability)
    with np.errstate(invalid="ignore", divide="ignore"):
        # A stay of 1 / (1 - p) frames; to first order its error is that of p, times its square.
        dwell_error = np.diag(error) * dwell**2
    return Transitions(count, probability, error, dwell, dwell_error)


def _stay(probability: np.ndarray) -> np.ndarray:
    """Compute the mean dwell time (class,) in frames; infinite for a class that no site left."""
    with np.errstate(divide="ignore"):
        return 1 / (1 - np.diag(probability))


def _posterior_deviation(count: np.ndarray) -> np.ndarray:
    """Standard deviation of the rows of a transition matrix given counts, with half a count more
    for each cell (H. Jeffreys, Proc. R. Soc. A 186 (1946) 453)."""
    alpha = count + 0.5
    total = alpha.sum(1, keepdims=True)
    mean = alpha / total
    return np.sqrt(mean * (1 - mean) / (total + 1))


def _shares(count: np.ndarray) -> np.ndarray:
    """Counts (…, row, class) as shares of their rows; NaN in an empty row."""
    total = count.sum(-1, keepdims=True)
    return np.divide(count, total, out=np.full_like(count, np.nan), where=total > 0)


def _bootstrap(
    cell: np.ndarray, track: np.ndarray, shape: tuple[int, int], of: Any, rng: np.random.Generator
) -> np.ndarray:
    """Standard deviation, in ``shape``, of a function of weighted counts of cells, when whole
    tracks are drawn anew; every track counts a Poisson number of times, which for many tracks is
    the same as drawing with replacement (J. A. Hanley and B. MacGibbon, Comput. Methods Programs
    Biomed. 83 (2006) 57).
    """
    from scipy.sparse import coo_array

    _, column = np.unique(track, return_inverse=True)
    tracks = int(column.max(initial=-1)) + 1
    size = shape[0] * shape[1]
    table = coo_array((np.ones(len(cell)), (cell, column)), shape=(size, max(tracks, 1))).tocsr()
    total, square, defined = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    middle = of(np.asarray(table.sum(1)).reshape(shape))
    for _ in range(REPLICATES // _AT_ONCE):
        weight = rng.poisson(1.0, (max(tracks, 1), _AT_ONCE)).astype(float)
        difference = of((table @ weight).T.reshape(_AT_ONCE, *shape)) - middle
        finite = np.isfinite(difference)
        total += np.where(finite, difference, 0).sum(0)
        square += np.where(finite, difference**2, 0).sum(0)
        defined += finite.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.maximum(square / defined - (total / defined) ** 2, 0))


def _between_members(
    labels: list[np.ndarray], classes: int, frame: np.ndarray, frames: int
) -> np.ndarray:
    """Standard deviation of the shares (time, class) between the labels (site,) of members."""
    shares = []
    for label in labels:
        count = np.bincount(frame * classes + label, minlength=frames * classes)
        shares.append(_shares(count.reshape(frames, classes).astype(float)))
    return np.std(shares, axis=0) if shares else np.zeros((frames, classes))


def unwrapped(angle: np.ndarray, track: np.ndarray, frame: np.ndarray, n: int) -> np.ndarray:
    """Angles (site,) in rad, known modulo 2 pi/n, made continuous along every track."""
    period = 2 * np.pi / n
    order = np.lexsort((frame, track))
    out = np.array(angle, dtype=float)
    turns = np.diff(out[order])
    jump = -period * np.round(turns / period)
    jump[np.diff(track[order]) != 0] = 0
    total = np.concatenate([[0.0], np.cumsum(jump)]) if len(out) else np.zeros(0)
    # What was added up before a track began is not its own.
    begin = np.concatenate([[True], np.diff(track[order]) != 0]) if len(out) else np.zeros(0, bool)
    before = np.maximum.accumulate(np.where(begin, np.arange(len(out)), 0))
    out[order] += total - total[before]
    return out


def _of_tracks(
    latents: xr.Dataset,
    frame: np.ndarray,
    track: np.ndarray,
    pairs: np.ndarray,
    label: np.ndarray | None,
) -> dict[str, Any]:
    """Summarise every track: first and last frame, length, changes of class, latents."""
    _, row = np.unique(track, return_inverse=True)
    tracks = int(row.max(initial=-1)) + 1
    first, last = np.full(tracks, frame.max(initial=0)), np.zeros(tracks, int)
    np.minimum.at(first, row, frame)
    np.maximum.at(last, row, frame)
    length = np.bincount(row, minlength=tracks)
    out: dict[str, Any] = {
        "first_frame": (("track",), first, _about("first frame with a patch")),
        "last_frame": (("track",), last, _about("last frame with a patch")),
        "length": (("track",), length, _about("sites of the track with a patch")),
    }
    if label is not None:
        changed = pairs[label[pairs[:, 0]] != label[pairs[:, 1]], 0]
        count = np.bincount(row[changed], minlength=tracks)
        out["class_changes"] = (("track",), count, _about("changes of class between frames"))
    content = latents["consensus_content"].values.astype(float)
    mean = np.stack([np.bincount(row, c, tracks) for c in content.T], 1) / length[:, None]
    apart = (content - mean[row]) ** 2
    spread = np.stack([np.bincount(row, c, tracks) for c in apart.T], 1) / length[:, None]
    both = ("track", "latent")
    out["content_mean"] = (both, mean, _about("mean latent of the track"))
    out["content_sd"] = (both, np.sqrt(spread), _about("standard deviation of it over time"))
    return out


def _about(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}
