"""Measure how much of a map depends on the scan line alone, or on the place along it alone.

A scanned probe is pushed about while it moves. What happens from line to line (hum, drift, a jump)
shifts all that lies on a line alike; what happens at one place of every line (the flyback, a lag of
the coils) shifts whole columns of the image. A crystal knows nothing of lines: a part of a map that
depends on the line alone is suspect. Layers that lie along the lines look the same, though, and
only a second image with the scan turned tells them from distortion.

The share of such a part is a component of variance: the covariance of sites on one line that lie
far apart along it, over the variance (the intraclass correlation: R. A. Fisher, Statistical Methods
for Research Workers, 1925, ch. 7). Sites near each other, which share neighbours or pixels, say
nothing. It is about 0 for noise, and below 0 where the map varies along the line instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import quantities
from vaescope.judge.profiles import period, profile, rough, stepped, unbroken
from vaescope.quantities import Quantity

if TYPE_CHECKING:
    import xarray as xr

_APART = 4.0  # spacings along the line from which sites share neither neighbours nor patches
_BAND = 0.2  # spacings: sites whose heights differ by less are on one line
_LATER = (2.5, 3.5)  # spacings between lines on which only what varies slowly is still alike
# Directions in degrees from that of the lines, along which nothing is scanned.
_ELSEWHERE = (30, 40, 50, 60, 120, 130, 140, 150)
_OUTERMOST = 1.0  # per cent of the values at either end that are drawn in: a few bad sites
_START = 1 / 7  # share of each line after the flyback that is looked at by itself
_AT_ONCE = 1500  # sites of a frame that are compared with each other
_FRAMES = 6  # frames of a movie that are looked at
_FEWEST = 60  # sites without which nothing is said
# Below these a share means nothing: 0.2 and more come about by chance, or where a map varies along
# another direction of the image as well.
_NOTABLE = 0.3
_TIMES = 2.0
# Of simulated noise of the scan up to 0.27 was left, of a film on a substrate 0.45 and more.
_LITTLE = 0.35

_NARROW = 12  # rows or columns of sites: of fewer, hardly any pattern is seen to repeat

ROW, COLUMN = "row", "column"


@dataclass(frozen=True)
class Shares:
    """Shares of the variance of a map: of what depends on the ``row`` of the image (the scan line)
    alone, on its ``column`` alone, and of that the parts that vary slowly, over more than three
    spacings. ``elsewhere``: the greatest share of a function of any other direction; ``start``: of
    the variance, the part that goes when the first seventh of each line is left out.
    ``row_period``, ``column_period``: after how many rows or columns of sites the map repeats, 0
    where it does not; ``row_step``, ``column_step``: 1 where it has few levels with steps between
    them, as domains with boundaries along the rows or columns have, and 0 elsewhere;
    ``row_extent``, ``column_extent``: across how many rows or columns of sites the map extends, 0
    where that is not known."""

    row: float
    row_slow: float
    column: float
    column_slow: float
    elsewhere: float
    start: float
    row_period: float = 0.0
    column_period: float = 0.0
    row_step: float = 0.0
    column_step: float = 0.0
    row_extent: float = 0.0
    column_extent: float = 0.0

    def notable(self, axis: str) -> bool:
        """Whether a share clearly exceeds that of other directions of the image."""
        return bool(getattr(self, axis) > max(_NOTABLE, _TIMES * self.elsewhere))

    def narrow(self, axis: str) -> bool:
        """Whether there are too few rows or columns of sites to see a pattern repeat."""
        return bool(0 < getattr(self, f"{axis}_extent") < _NARROW)

    def abrupt(self, axis: str) -> bool:
        """Whether little of it is left between lines that lie three spacings apart."""
        return bool(getattr(self, f"{axis}_slow") < _LITTLE * getattr(self, axis))


def shares(
    position: np.ndarray, values: np.ndarray, spacing: float, frame: np.ndarray | None = None
) -> Shares | None:
    """Compute the shares of a map's variance that rows and columns of the image explain alone.

    Parameters
    ----------
    position : (site, 2) px as (x, y).
    values : (site,) or (site, part); of an angle, its cosine and sine. NaN where not known.
    spacing : px, of the sites.
    frame : (site,) frame of each site; None: all are of one.

    Returns
    -------
    Shares; None where too few sites are known, or the map does not vary.
    """
    values = np.asarray(values, float).reshape(len(position), -1)
    frame = np.zeros(len(position), int) if frame is None else np.asarray(frame)
    known = np.isfinite(values).all(1) & np.isfinite(position).all(1)
    if known.sum() < _FEWEST or not np.isfinite(spacing) or spacing <= 0:
        return None
    low, high = np.percentile(values[known], [_OUTERMOST, 100 - _OUTERMOST], axis=0)
    drawn_in = np.clip(values, low, high)
    variance = drawn_in[known].var(0).sum()
    if variance <= 1e-12 * max(float((drawn_in[known] ** 2).mean()), 1e-300):
        return None
    directions = (0, 90, *_ELSEWHERE)
    near, later = (np.zeros((len(directions), 2)) for _ in range(2))  # sums of products, of weights
    rng = np.random.default_rng(0)
    for number in _some(np.unique(frame[known]), _FRAMES):
        rows = np.flatnonzero(known & (frame == number))
        if len(rows) > _AT_ONCE:
            rows = np.sort(rng.choice(rows, _AT_ONCE, replace=False))
        place, own = position[rows] / spacing, drawn_in[rows]
        own = own - own.mean(0)
        product = own @ own.T
        for k, angle in enumerate(np.radians(directions)):
            along = _apart(place @ [np.cos(angle), np.sin(angle)])
            across = _apart(place @ [-np.sin(angle), np.cos(angle)])
            far = along > _APART
            line = np.exp(-0.5 * (across / _BAND) ** 2) * far
            near[k] += (line * product).sum(), line.sum()
            after = far & (across > _LATER[0]) & (across < _LATER[1])
            later[k] += product[after].sum(), after.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        whole, slow = (sums[:, 0] / sums[:, 1] / variance for sums in (near, later))
    if not np.isfinite(whole[:2]).all():
        return None
    slow = np.nan_to_num(slow)
    other = float(np.nanmax(whole[2:])) if np.isfinite(whole[2:]).any() else 0.0
    x = position[known, 0]
    later_on = x > x.min() + _START * np.ptp(x)
    rest = float(drawn_in[known][later_on].var(0).sum()) if later_on.any() else variance
    first = known & (frame == frame[known][0])
    profiles = [profile(position[first, axis] / spacing, drawn_in[first]) for axis in (1, 0)]
    lines = [means for _, means in profiles]
    # A ripple with a period of three spacings is alike after three, and not slow for all that.
    slow[:2] = [0.0 if rough(each) else value for each, value in zip(lines, slow, strict=False)]
    numbers = [whole[0], slow[0], whole[1], slow[1], max(other, 0.0), max(1 - rest / variance, 0.0)]
    numbers += [period(unbroken(*each)) for each in profiles]
    numbers += [stepped(each) for each in lines]
    numbers += [np.ptp(position[first, axis]) / spacing + 1 for axis in (1, 0)]
    return Shares(*(float(v) for v in numbers))


def of_strain(strain: xr.Dataset) -> dict[str, dict[str, Shares]]:
    """Shares of strain and rotation, for each method (``strain.zarr``).

    Beside them stand the two slants of the lattice: ``x along y``, by how much rows lie off each
    other sideways, and ``y along x``, by how much columns lie off each other up and down (small
    strains). Shifted scan lines make the first alone, whereas a turned crystal has both. Every
    grain counts from its own zero, so that a boundary between grains is no step.
    """
    if not strain.attrs.get("ordered"):
        return {}
    position = np.stack([strain["x"].values, strain["y"].values], 1).astype(float)
    frame = strain["frame"].values.astype(int)
    vectors = np.asarray(strain.attrs["lattice_vectors"], float)
    spacing = float(np.hypot(*vectors.T).mean())
    found = {}
    for k, method in enumerate(str(name) for name in strain["method"].values):
        xx, yy, xy = np.moveaxis(strain["strain"].values[k].astype(float), -1, 0)
        turn = strain["rotation"].values[k].astype(float)
        maps = {
            "strain xx": xx,
            "strain yy": yy,
            "strain xy": xy,
            "rotation": turn,
            "x along y": xy + turn,
            "y along x": xy - turn,
        }
        found[method] = _all(maps, position, spacing, frame)
    return found


def of_latents(latents: xr.Dataset) -> dict[str, Shares]:
    """Shares of every quantity that is mapped on the sites of a model (``latents.zarr``), by label.

    Empty where sites are no places of an image.
    """
    if not {"x", "y", "frame"} <= set(map(str, latents.variables)):
        return {}
    position = np.stack([latents["x"].values, latents["y"].values], 1).astype(float)
    spacing = float(latents.attrs.get("spacing", np.nan))
    maps = {q.label: _parts(q) for q in quantities.of(latents) if q.mapped}
    return _all(maps, position, spacing, latents["frame"].values.astype(int))


def _parts(quantity: Quantity) -> np.ndarray:
    """A quantity as numbers whose variance counts: of what repeats, cosine and sine; of categories,
    whether it is each of them."""
    if quantity.scale == "cyclic":
        assert quantity.period is not None
        phase = 2 * np.pi / quantity.period * quantity.values
        return np.stack([np.cos(phase), np.sin(phase)], 1)
    if quantity.scale == "categorical":
        return (quantity.values[:, None] == np.array(quantity.levels)).astype(float)
    return quantity.values


def as_attribute(found: Mapping[str, Shares]) -> dict[str, dict[str, float]]:
    """Write shares as numbers that a store can hold."""
    return {name: {k: round(v, 4) for k, v in asdict(each).items()} for name, each in found.items()}


def from_attribute(stored: Mapping[str, Mapping[str, float]]) -> dict[str, Shares]:
    """Read the shares that ``as_attribute`` wrote."""
    return {name: Shares(**each) for name, each in stored.items()}


def _all(
    maps: Mapping[str, np.ndarray], position: np.ndarray, spacing: float, frame: np.ndarray
) -> dict[str, Shares]:
    found: dict[str, Any] = {
        name: shares(position, values, spacing, frame) for name, values in maps.items()
    }
    return {name: each for name, each in found.items() if each is not None}


def _apart(along: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(along[:, None] - along[None]))


def _some(numbers: np.ndarray, most: int) -> np.ndarray:
    """At most so many of sorted numbers, evenly spread."""
    if len(numbers) <= most:
        return numbers
    return numbers[np.linspace(0, len(numbers) - 1, most).round().astype(int)]
