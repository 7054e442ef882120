"""A trained detector: its files, and detection of sites in a frame, tile by tile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import dask.array as da
import numpy as np
import torch

from vaescope import simulate
from vaescope.learned import network
from vaescope.learned.calibration import calibrated
from vaescope.learned.network import UNet
from vaescope.learned.settings import DetectorSettings
from vaescope.numerics import one_thread
from vaescope.progress import track
from vaescope.sites.learned import maxima, picture
from vaescope.sites.scale import Scale, without_outliers

TILE = 512  # px of the picture, side of the area that one task keeps
# px, spacings tried where the image tells none. At finer ones single electrons look like atoms.
_LADDER = (6.0, 68.0)
_RUNGS = 7  # a factor of 1.5 apart
_MUCH_WEAKER = 0.3  # of the usual height of an atom
_ROUNDS = 10
_FAR_MORE = 1.5
_SURE = 0.8  # probability above which a site speaks for a scale
_FEWEST_ACROSS = 6  # spacings across an image
_STEP = 2**network.HALVINGS
_MARGIN = -(-(picture.REACH + network.REACH + maxima.REACH) // _STEP) * _STEP


@dataclass
class Detector:
    """An ensemble of networks, the calibration of its scores, and its accuracy in simulation."""

    members: list[UNet]
    settings: DetectorSettings
    facts: dict[str, Any]

    @property
    def species(self) -> int:
        """Number of species of sites that the detector distinguishes."""
        return int(self.facts["species"])

    @property
    def ordered(self) -> bool:
        """Whether it was trained on crystals, whose spacing follows from an image."""
        systems = [simulate.parse(name)[0] for name in self.settings.simulate]
        return any(simulate.SYSTEMS[system].symmetry > 1 for system in systems)

    def probability(self, score: np.ndarray) -> np.ndarray:
        """Compute the probability that a maximum is a site from its score, by simulations."""
        slope, offset = self.facts["calibration"]
        return calibrated(score, (slope, offset))


@dataclass
class Maxima:
    """Maxima of a detector's map of one frame; arrays over maxima, sorted by row and column."""

    position: np.ndarray  # (maximum, 2) px of the frame
    score: np.ndarray  # probability of a site, mean over the members
    spread: np.ndarray  # its standard deviation over the members
    species: np.ndarray  # (maximum, species) probability
    height: np.ndarray  # over its surroundings, in units of the frame


def look(
    detector: Detector,
    frame: da.Array,
    lengths: Scale,
    *,
    spread: float,
    threads: int = 1,
    tile: int = TILE,
) -> Maxima:
    """Find everything in a frame that may be a site.

    Parameters
    ----------
    frame : (height, width) Dask array, bright sites.
    lengths : spacing of the sites, to which the frame is rescaled, and limit of outliers.
    spread : standard deviation of the frame's pixels.
    threads : tiles worked on at once on a CPU; the result does not depend on it.
    tile : side of a tile, px of the rescaled frame, a multiple of 8; the result does not depend on
        it but for rounding.
    """
    factor = lengths.spacing / picture.SPACING
    shape = [max(round(side / factor), 1) for side in frame.shape]
    padded = [-(-side // _STEP) * _STEP for side in shape]
    device = network.best_device()
    layout = torch.channels_last
    models = [member.to(device).to(memory_format=layout) for member in detector.members]  # type: ignore[call-overload]

    def work(corner: tuple[int, int]) -> Maxima:
        if device.type == "cpu":
            one_thread()
        start = [max(at - _MARGIN, 0) for at in corner]
        stop = [min(at + tile + _MARGIN, side) for at, side in zip(corner, padded, strict=True)]
        seen = _rescaled(frame, factor, start, stop, lengths.outlier)
        heats, kinds = _heat(models, picture.normalised(seen, spread), device)
        heights = picture.heights(seen)
        place, _ = maxima.peaks(heats.mean(axis=0))
        last = np.minimum(np.array(corner) + tile, shape)
        keep = ((place + start >= np.array(corner) - 0.5) & (place + start < last - 0.5)).all(
            axis=1
        )
        place = place[keep]
        return _judged(detector, place, np.array(start), heats, kinds, heights, factor)

    corners = [(y, x) for y in range(0, padded[0], tile) for x in range(0, padded[1], tile)]
    with ThreadPoolExecutor(threads if device.type == "cpu" else 1) as pool:
        parts = list(track("asking the detector", pool.map(work, corners), len(corners)))
    names = [field.name for field in fields(Maxima)]
    merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    merged["position"] = np.clip(merged["position"], 0, np.array(frame.shape) - 1)
    order = np.lexsort((merged["position"][:, 1], merged["position"][:, 0]))
    return Maxima(**{name: values[order] for name, values in merged.items()})


def rescale(detector: Detector, part: np.ndarray, guess: Scale) -> Scale:
    """Choose the scale at which a detector finds most sites in a part of an image.

    A ladder of scales is tried, and the sites counted of which the detector is sure. For atoms
    without order nothing but their width tells the scale, and noise hides that. The spacing of a
    crystal stays as guessed unless far more is seen at another: contamination may belie it.

    Parameters
    ----------
    part : (height, width) float.
    guess : what is known from the autocorrelation; its limit of outliers is kept.
    """

    def gain(tried: Scale) -> float:
        score = look(detector, da.from_array(part), tried, spread=float(part.std())).score
        return float((2 * score[score > _SURE] - 1).sum())

    best, most = guess, 0.0
    if guess.periodic and detector.ordered:
        most = _FAR_MORE * gain(guess)
    largest = min(_LADDER[1], min(part.shape) / _FEWEST_ACROSS)
    for spacing in np.geomspace(_LADDER[0], _LADDER[1], _RUNGS):
        if spacing > largest:
            break
        tried = Scale(float(spacing), float(spacing) / 4, detector.ordered, guess.outlier)
        if (now := gain(tried)) > most:
            best, most = tried, now
    return best


def _rescaled(
    frame: da.Array, factor: float, start: list[int], stop: list[int], outlier: float
) -> np.ndarray:
    """Pixels ``start`` to ``stop`` of the picture, from no more of the frame than they need."""
    margin = int(np.ceil(2 * max(factor, 1))) + 3
    low = [max(int(first * factor) - margin, 0) for first in start]
    high = [
        min(int(np.ceil(last * factor)) + margin, side)
        for last, side in zip(stop, frame.shape, strict=True)
    ]
    # The picture is padded by up to 7 px beyond the frame, which mirrors: those need pixels too.
    low = [
        min(first, max(side - int(9 * factor) - margin, 0))
        for first, side in zip(low, frame.shape, strict=True)
    ]
    block = np.asarray(frame[low[0] : high[0], low[1] : high[1]].compute(), float)
    block = without_outliers(block, outlier)
    shape = (stop[0] - start[0], stop[1] - start[1])
    return picture.rescaled(block, factor, (start[0], start[1]), shape, corner=(low[0], low[1]))


@torch.no_grad()
def _heat(
    models: list[UNet], seen: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Heat by every member (member, y, x), and the mean probability of species (species, y, x)."""
    batch = torch.from_numpy(seen.astype(np.float32))[None, None].to(device)
    heats, kinds = [], []
    for model in models:
        logits = model(batch.contiguous(memory_format=torch.channels_last))[0]
        heats.append(logits[0].sigmoid().cpu().numpy())
        kinds.append(logits[1:].softmax(dim=0).cpu().numpy())
    return np.stack(heats), np.mean(kinds, axis=0)


def _judged(
    detector: Detector,
    place: np.ndarray,
    start: np.ndarray,
    heats: np.ndarray,
    kinds: np.ndarray,
    heights: np.ndarray,
    factor: float,
) -> Maxima:
    """Maxima of one tile, seen by every member at the same pixels."""
    y, x = np.rint(place).astype(int).T
    y, x = np.clip(y, 0, heats.shape[1] - 1), np.clip(x, 0, heats.shape[2] - 1)
    each = np.stack([detector.probability(maxima.matched(heat)[y, x]) for heat in heats])
    species = kinds[:, y, x].T if len(kinds) else np.ones((len(y), 1))
    position = (place + start + 0.5) * factor - 0.5
    return Maxima(position, each.mean(axis=0), each.std(axis=0), species, heights[y, x])


def alike(height: np.ndarray) -> np.ndarray:
    """Select the sites that are not much weaker than the others: a mask (site,).

    Where atoms are few, most of what a detector sees around a place is its support, the speckle of
    which may look like atoms; but atoms of one element are about equally strong.

    Parameters
    ----------
    height : (site,) over its surroundings.
    """
    keep = height > 0
    for _ in range(_ROUNDS):
        strong = height[keep]
        if not len(strong):
            break
        # A mean that the strong dominate: few atoms stand out even among more specks.
        keep = height > _MUCH_WEAKER * (strong**2).sum() / strong.sum()
    return keep
