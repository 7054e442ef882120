"""How fine the structure of spectra is, channel by channel, against their noise.

The noise of a mean spectrum has slopes as its edges have. A shift that is read from both is locked
to the noise, and its Fisher information is too large: at 30 counts by a factor of two. So canonical
spectra are as smooth as the data allow, by local quadratic fits (Fan & Gijbels, Local Polynomial
Modelling, 1996, section 3.2) of a width that is chosen channel by channel. The mean square error of
a width is its bias, of which two halves of the spectra have the same but for independent noise, so
that their product estimates its square, and the noise that it lets through.
"""

from __future__ import annotations

import numpy as np

WIDTHS = (0.0, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0)
"""Standard deviations, in channels, of the weights of the fits; 0: a channel as it is."""
REACH = 36  # channels on either side that a fit sees: three of the largest width
NEAR = 6.0  # channels over which the errors of a width are averaged
DIRECTIONS = 4  # in which spectra vary most, beside their mean
FEWEST, MOST = 16, 2048  # spectra that are looked at


def shares_of_widths(spectra: np.ndarray) -> np.ndarray:
    """The share (width, channel) that each of ``WIDTHS`` has in the canonical spectra of spectra
    (site, channel); fewer than ``FEWEST`` say nothing of it, and stay as they are."""
    from scipy.ndimage import gaussian_filter1d

    step = -(-len(spectra) // MOST)
    spectra = spectra[::step]
    count, channels = spectra.shape
    if count < FEWEST:
        return np.eye(len(WIDTHS))[0][:, None].repeat(channels, 1)
    halves = spectra[::2], spectra[1::2]
    pairs = [*_independent(*halves), *_independent(*halves[::-1])]
    noise = len(pairs) * _noise(spectra) / step  # of all spectra
    errors = np.zeros((len(WIDTHS), channels))
    for k, kernel in enumerate(kernels()):
        errors[k] = noise * (kernel**2).sum()
        for one, other, weight in pairs:
            errors[k] += weight * _lost(one, kernel) * _lost(other, kernel)
    best = gaussian_filter1d(errors, NEAR, axis=1, mode="nearest").argmin(0)
    chosen = np.eye(len(WIDTHS))[best].T
    return np.asarray(gaussian_filter1d(chosen, 0.5 * NEAR, axis=1, mode="nearest"))


def kernels() -> np.ndarray:
    """Weights (width, 2 REACH + 1) by which local quadratic fits of ``WIDTHS`` smooth."""
    apart = np.arange(-REACH, REACH + 1.0)
    found = [(apart == 0).astype(float)]
    for width in WIDTHS[1:]:
        weight = np.exp(-0.5 * (apart / width) ** 2)
        design = np.stack([np.ones_like(apart), (apart / width) ** 2], -1)
        moments = design.T @ (weight[:, None] * design)
        found.append(weight * (design @ np.linalg.inv(moments)[0]))
    return np.stack(found)


def _lost(curve: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What a smoothing takes from a curve (channel,)."""
    from scipy.ndimage import convolve1d

    return np.asarray(convolve1d(curve, kernel, mode="nearest") - curve)


def _noise(spectra: np.ndarray) -> np.ndarray:
    """Variance (channel,) of the noise of a spectrum: of what the mean and the directions of the
    largest variation leave over."""
    count, channels = spectra.shape
    left = spectra - spectra.mean(0)
    directions = np.linalg.svd(left, full_matrices=False)[2][:DIRECTIONS]
    left = left - (left @ directions.T) @ directions
    free = max(count - 1 - DIRECTIONS, 1) * max(channels - DIRECTIONS, 1) / channels
    return np.asarray((left**2).sum(0) / free)


def _independent(one: np.ndarray, other: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """The mean spectrum and the directions of the largest variation as one half of the spectra has
    them, the same of the other half with noise of its own, and the power of each.

    Scores of the other half come from all channels but the one whose value is regressed on them,
    else its own noise would be found again.
    """
    mean = one.mean(0)
    found = [(mean, other.mean(0), float(len(other)))]
    left = other - other.mean(0)
    directions = np.linalg.svd(one - mean, full_matrices=False)[2][:DIRECTIONS]
    for direction in directions:
        score = left @ direction
        own = (left**2).sum(0)
        products = score @ left - direction * own
        power = score @ score - 2 * direction * (score @ left) + direction**2 * own
        found.append((direction, products / np.maximum(power, 1e-30), float(score @ score)))
    return found
