"""Refine positions to a fraction of a pixel: 2-D Gaussians fitted to all sites at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from vaescope.sites import overlap
from vaescope.sites.gaussians import PixelWindows, render

_ROUNDS = 14  # of: subtract the neighbours as now known, one step for every site
# Wider Gaussians, in spacings, would fill the gap between neighbours and trade with the background.
_WIDEST = 0.3
_TAIL = 3.0  # standard deviations that the signal of a column reaches


@dataclass
class Fit:
    """Gaussians fitted to sites; arrays (site,) unless said otherwise. NaN where a fit failed."""

    position: np.ndarray  # (site, 2) of (y, x) in px; the start where the fit failed
    error: np.ndarray  # (site, 2) standard errors of the position in px
    amplitude: np.ndarray
    width: np.ndarray  # px
    background: np.ndarray
    quality: np.ndarray  # 1 - residual variance / variance within the window

    def where(self, keep: np.ndarray) -> Fit:
        """Select sites by a mask."""
        return Fit(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def refine(
    image: np.ndarray,
    start: np.ndarray,
    width: float,
    spacing: float,
    measured: np.ndarray | None = None,
) -> Fit:
    """Fit a round 2-D Gaussian on a constant background to every site, neighbours accounted for.

    Every round subtracts the Gaussians of all other sites from a site's window and takes one
    Levenberg–Marquardt step for its (y, x, amplitude, width, background). Pixels are weighted by
    the inverse of their variance, a + b × signal, with a and b estimated from the residuals, so
    that counts and camera noise are both treated as they should.

    Parameters
    ----------
    image : (height, width) float, in which the sites are bright.
    start : (site, 2) float, first guess of (y, x) in pixels.
    width : first guess of the standard deviation of a site in pixels.
    spacing : distance of nearest sites in pixels.
    measured : (height, width) bool, the pixels that count; None: all.

    Returns
    -------
    Fit; a fit that strays, loses its amplitude or has no proper error keeps its start and gets NaN.

    Source: A. J. den Dekker et al., Ultramicroscopy 104 (2005) 83.
    """
    count = len(start)
    if count == 0:
        none = np.zeros(0)
        return Fit(np.zeros((0, 2)), np.zeros((0, 2)), none, none, none, none)
    radius = float(np.clip(0.7 * spacing, 2.5, 3.5 * width + 1))
    windows = PixelWindows(image, start, radius, measured)
    reach = int(np.ceil(_TAIL * width))
    inside = None if measured is None else _far_inside(measured, width)
    theta = windows.first_guess(width)
    # (y, x) stay near the start and the width within reason; a runaway is a failed fit.
    stray = 0.5 * spacing
    narrow, wide = 0.3 * width, max(_WIDEST * spacing, 1.6 * width)
    damping = np.full(count, 1e-2)
    variance = np.array([1.0, 0.0, 1.0]) * (0.2 * windows.data[windows.inside].var())
    typical = width
    for round_ in range(_ROUNDS):
        model = render(image.shape, theta, 4.0)
        if round_ in (3, 6, 9):
            rest = image - model
            if inside is None:
                windows.tilt(rest, theta, spacing, reach)
            else:
                windows.tilt(rest[inside], theta, spacing, 0)
            variance = windows.noise(theta, model)
            typical = float(np.median(theta[:, 3]))
        theta, damping = windows.step(theta, model, variance, typical, damping)
        theta[:, :2] = np.clip(theta[:, :2], start - stray, start + stray)
        theta[:, 3] = np.clip(theta[:, 3], narrow, wide)
    model = render(image.shape, theta, 4.0)
    error, quality, weights, normal = windows.judge(theta, model, variance, typical)
    error *= np.sqrt(overlap.inflation(windows, theta, weights, normal))
    failed = ~np.isfinite(error).all(axis=1) | (theta[:, 2] <= 0)
    failed |= (np.abs(theta[:, :2] - start) > 0.98 * stray).any(axis=1)
    failed |= theta[:, 3] < 1.02 * narrow  # a hot pixel; at its upper bound a width is only fixed
    failed |= (error > 0.5 * spacing).any(axis=1)
    theta[failed, :2] = start[failed]
    theta[failed, 2:] = np.nan
    error[failed] = np.nan
    quality[failed] = np.nan
    return Fit(theta[:, :2], error, theta[:, 2], theta[:, 3], theta[:, 4], quality)


def _far_inside(measured: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray] | None:
    """For every pixel (height, width) the row and column of the next measured one that no column
    reaches from beyond the border or from within a gap, if the gap is wide enough to hide one;
    None where there is no gap.

    The tails of columns that lie beyond, which no site explains, would pass for a slope of the
    background and push the sites beside them away.
    """
    from scipy.ndimage import distance_transform_edt

    if measured.all() or not measured.any():
        return None
    reach, margin = np.ceil(_TAIL * width), int(width) + 2
    beyond = np.pad(~measured, margin, constant_values=True)
    deep = distance_transform_edt(beyond) > width
    far = distance_transform_edt(~deep) > reach + width
    inside = measured & far[margin:-margin, margin:-margin]
    if not inside.any():
        inside = measured
    rows, columns = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    return rows, columns
