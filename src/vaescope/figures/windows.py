"""Windows of energy in which the spectra of sites differ, and what a site has in each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.figures.montage import even

if TYPE_CHECKING:
    import xarray as xr

MOST = 3  # windows of one dataset
_BLOCK = 4096  # spectra read at once
_LOOKED_AT = 2048  # spectra from which windows are chosen
_SMOOTHING = 200  # of the channels, one: standard deviation of the smoothing along the axis
_LEAST = 0.01  # of the first window's ratio, below which a further one says nothing
_SEEN = 1.0  # variance of the sites over that of the noise, that a window needs
_QUIET = 1e-3  # of the greatest variance: noise below it counts as so much
_WIDEST = 0.08  # of all channels, to either side of the middle of a window
_INSIDE = 0.8  # of the sites, whose maximum lies within the axis, if peaks are compared
_DIP, _RIVAL = 0.7, 0.9  # of the height of a maximum: between two, and of the other
_POSITIVE = 3.0  # standard deviations of the noise that a maximum rises above both ends


@dataclass(frozen=True)
class Window:
    """Channels from ``start`` to before ``stop``, with their range in ``words``."""

    start: int
    stop: int
    words: str
    header: str

    def of(self, spectra: xr.DataArray) -> np.ndarray:
        """Mean over the window (site,) of spectra (site, energy), which are not loaded whole."""
        part = spectra.isel(energy=slice(self.start, self.stop))
        return np.asarray(part.mean("energy").values, float)


def choose(spectra: xr.DataArray, most: int = MOST) -> list[Window]:
    """Find the windows in which spectra differ most, measured by their noise.

    The first lies about the channel whose variance between the sites, less that of the noise, is
    the greatest multiple of that of the noise; each further one where that ratio is greatest once
    the values in the windows before it are regressed out, so that no two windows show the same
    image. A window ends where the ratio is down to half.

    Parameters
    ----------
    spectra : (site, energy) with the coordinate ``energy``.
    most : windows.

    Returns
    -------
    Windows, the clearest first; none if spectra do not differ beyond their noise.
    """
    from scipy.ndimage import gaussian_filter1d

    rows = even(np.arange(spectra.sizes["site"]), _LOOKED_AT)
    values = np.asarray(spectra.isel(site=rows).values, float)
    there = np.flatnonzero(np.isfinite(values).any(0))  # channels that were measured at all
    values = _filled(values[np.isfinite(values).any(1)][:, there])
    channels = values.shape[1]
    if len(values) < 3 or channels < 5:
        return []
    width = max(channels / _SMOOTHING, 0.7)
    smooth = gaussian_filter1d(values, width, axis=1, mode="nearest")
    left = smooth - smooth.mean(0)
    floor = noise_variance(values) / (2 * np.sqrt(np.pi) * width)
    end = min(int(np.ceil(1.5 * width)), channels // 5)
    found: list[Window] = []
    first, most_of_all = 0.0, max(float((left**2).mean(0).max()), 1e-300)
    while len(found) < most:
        variance = np.maximum((left**2).mean(0) - 1.5 * floor, 0)
        seen = variance / (floor + _QUIET * most_of_all)
        seen[:end] = seen[-end:] = 0  # there the smoothing has half as many channels
        middle = int(seen.argmax())
        if not seen[middle] > max(_LEAST * first, _SEEN):
            break
        first = first or float(seen[middle])
        start, stop = _about(middle, seen)
        found.append(_window(spectra["energy"], int(there[start]), int(there[stop - 1]) + 1))
        image = left[:, start:stop].mean(1)
        left = left - np.outer(image, image @ left / max(float(image @ image), 1e-300))
    return found


def _filled(values: np.ndarray) -> np.ndarray:
    """Spectra (site, energy) with the mean of all sites where a channel was not measured."""
    known = np.isfinite(values)
    if known.all():
        return values
    mean = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, values, mean)


def in_blocks(spectra: xr.DataArray, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """``of`` (row, energy) -> (row,), of all spectra (site, energy), which are read block by block:
    a cube may not fit into memory."""
    starts = range(0, spectra.sizes["site"], _BLOCK)
    blocks = (spectra.isel(site=slice(start, start + _BLOCK)).values for start in starts)
    return np.concatenate([of(np.asarray(block, float)) for block in blocks] or [np.zeros(0)])


def noise_variance(values: np.ndarray) -> np.ndarray:
    """Variance (energy,) of the noise of spectra (site, energy), from the second differences
    along the axis of what they have beyond their mean, which hold little else; the median over
    neighbouring channels, so that a sharp line does not count as noise."""
    from scipy.ndimage import median_filter

    apart = values - values.mean(0)
    second = apart[:, 2:] - 2 * apart[:, 1:-1] + apart[:, :-2]
    size = max(values.shape[1] // 16, 3) | 1
    return median_filter(np.pad((second**2).mean(0) / 6, 1, mode="edge"), size, mode="nearest")


def _about(middle: int, variance: np.ndarray) -> tuple[int, int]:
    """First channel and that after the last of the window about a peak."""
    reach = max(round(_WIDEST * len(variance)), 1)
    start, stop = middle, middle + 1
    while start > max(middle - reach, 0) and variance[start - 1] > 0.5 * variance[middle]:
        start -= 1
    while stop < min(middle + reach + 1, len(variance)) and (
        variance[stop] > 0.5 * variance[middle]
    ):
        stop += 1
    return start, stop


def _window(energy: xr.DataArray, start: int, stop: int) -> Window:
    axis = np.asarray(energy.values, float)
    ends = axis[start], axis[stop - 1]
    unit = str(energy.attrs.get("units", "1"))
    name = "" if unit != "1" else str(energy.attrs.get("long_name", "channel")) + " "
    low, high = (f"{value:.4g}".replace("-", "\u2212") for value in ends)
    words = f"{name}{low}" + (f" to {high}" if stop - start > 1 else "")
    words += f" {unit}" if unit != "1" else ""
    moving = np.diff(axis)
    if (moving > 0).any() and (moving < 0).any():  # a loop: both branches have the same energies
        words += ", rising" if axis[stop - 1] >= axis[start] else ", falling"
    plain = "_to_".join(f"{value:.4g}".replace("-", "minus_") for value in ends)
    return Window(start, stop, words, f"mean_{plain}" + (f"_{unit}" if unit != "1" else ""))


def peaks(spectra: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Position (site,) of the highest maximum of each spectrum on the axis.

    Spectra (site, energy) are smoothed, and a parabola is laid through the three channels about
    the maximum. NaN where it lies at an end of the axis, does not stand out of the noise, or has a
    rival of nearly its height.
    """
    from scipy.ndimage import gaussian_filter1d

    width = max(energy.size / _SMOOTHING, 0.7)
    spectra = _filled(np.asarray(spectra, float))
    smooth = gaussian_filter1d(spectra, width, axis=1, mode="nearest")
    top = smooth.argmax(1)
    inner = np.clip(top, 1, energy.size - 2)
    rows = np.arange(len(smooth))
    before, at, after = (smooth[rows, inner + k] for k in (-1, 0, 1))
    bend = before - 2 * at + after
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend < 0, 0.5 * (before - after) / bend, 0.0)
    place = np.interp(inner + np.clip(shift, -1, 1), np.arange(energy.size), energy)
    foot = smooth.min(1, keepdims=True)
    share = (smooth - foot) / np.maximum(at[:, None] - foot, 1e-300)
    single = np.array([_alone(one, k) for one, k in zip(share, inner, strict=True)])
    noise = np.sqrt(noise_variance(spectra) / (2 * np.sqrt(np.pi) * width)).mean()
    stands = at > np.maximum(smooth[:, 0], smooth[:, -1]) + _POSITIVE * noise
    return np.where((top == inner) & stands & single, place, np.nan)


def _alone(share: np.ndarray, top: int) -> bool:
    """Whether a maximum is the only one of its height; another beyond a dip comes close to none.

    share : (energy,) height above the foot, in that of the maximum at ``top``.
    """
    low = np.flatnonzero(share < _DIP)
    before, after = low[low < top], low[low > top]
    left = share[: before[-1]] if before.size else share[:0]
    right = share[after[0] :] if after.size else share[:0]
    return max(left.max(initial=0), right.max(initial=0)) < _RIVAL


def has_peaks(place: np.ndarray, energy: np.ndarray) -> bool:
    """Whether most spectra have their maximum within the axis, so that its position says
    something: not for edges on a falling background, nor for loops."""
    step = np.diff(energy)
    along = bool((step > 0).all() or (step < 0).all())
    return along and float(np.isfinite(place).mean()) > _INSIDE
