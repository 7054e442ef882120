"""The power law A E^-r on which the edges of a spectrum stand.

Source: R. F. Egerton, Electron Energy-Loss Spectroscopy in the Electron Microscope, 3rd ed. 2011,
section 4.4.1.
"""

from __future__ import annotations

import numpy as np

STEEPEST, EXPONENTS = 8.0, 161  # exponents tried from 0 on
SMOOTH = 1.5  # channels over which the noise of a mean spectrum is smoothed
LOWEST = 0.02  # share of the channels that may lie below
TOUCHES, LEAST = 2.0, 0.003  # of the noise of a mean, and of the signal: so near is on the law


def log_of_axis(axis: np.ndarray) -> np.ndarray:
    """Logarithm of an axis (channel,) above 0, less its mean: there amplitude and exponent of a
    power law do not depend on each other."""
    log_axis = np.log(axis)
    return np.asarray(log_axis - log_axis.mean())


def power_law_below(mean: np.ndarray, log_axis: np.ndarray) -> tuple[float, float]:
    """Amplitude where ``log_axis`` is 0, and exponent, of the power law on which a mean spectrum
    (channel,) lies in most channels and below which in hardly any, wherever its edges are; (0, 0)
    of a spectrum that falls to 0."""
    from scipy.ndimage import gaussian_filter1d

    smooth = gaussian_filter1d(mean, SMOOTH, mode="nearest")
    near = TOUCHES * float(np.median(np.abs(mean - smooth)))
    near = max(near + LEAST * float(np.median(smooth)), 1e-12)
    best = 0.0, 0.0, 0.0
    for exponent in np.linspace(0, STEEPEST, EXPONENTS):
        law = np.exp(-exponent * log_axis)
        amplitude = float(np.quantile(smooth / law, LOWEST))
        apart = (smooth - amplitude * law) / near
        # A sum of bells rather than a count: no step from one exponent to the next.
        touching = float(np.exp(-0.5 * apart**2).sum())
        if amplitude > 0:
            best = max(best, (touching, amplitude, float(exponent)))
    return best[1], best[2]
