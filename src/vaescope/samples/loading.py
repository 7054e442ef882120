"""The views of sites as arrays, with masks of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.samples import gaps

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.models.views import View

__all__ = ["load", "positive_axis", "without_signal"]

DRIFT = 0.02  # of the range of patches, by which their zeros may differ


def load(samples: xr.Dataset, view: View) -> tuple[np.ndarray, np.ndarray | None]:
    """Load a view of all sites.

    Parameters
    ----------
    samples : the Dataset of a store of samples.
    view : which one.

    Returns
    -------
    The samples (site, channel, height, width) float32, a spectrum as one signal of height 1, and
    the mask (site, height, width) of those that were measured, None where all were. What was not
    measured is filled from its surroundings.

    Raises
    ------
    UserError : the sites have no such view.
    """
    if view.name not in samples:
        there = [name for name in ("patch", "spectrum") if name in samples]
        raise UserError(
            f"the sites have no {view.name}",
            found=f"samples with {' and '.join(there) or 'neither patch nor spectrum'}",
            remedy="Choose a model for what the dataset has, or add the file with the spectra to"
            " its row in `config/datasets.tsv` (column `spectra`)",
        )
    values = np.ascontiguousarray(samples[view.name].values, dtype=np.float32)
    if values.ndim == 4:
        measured = gaps.known(samples)
        seen = np.asarray(np.isfinite(values).all(1))
        if not seen.all():
            measured = seen if measured is None else measured & seen
        return (values if measured is None else gaps.refilled(values, measured)), measured
    finite = np.isfinite(values)
    if view.measured in samples:
        finite &= np.asarray(samples[view.measured].values, bool)
    if finite.all():
        return values[:, None, None, :], None
    return _filled(values, finite)[:, None, None, :], finite[:, None, :]


def positive_axis(samples: xr.Dataset) -> np.ndarray:
    """The axis (channel,) of the spectra of a store of samples, for a power law along it.

    Raises
    ------
    UserError : there is none, or it is not above 0 everywhere.
    """
    axis = np.array(samples["energy"].values, float) if "energy" in samples.coords else None
    if axis is None or not (np.isfinite(axis).all() and axis.min() > 0):
        raise UserError(
            "a power law has no meaning along this axis",
            found="no calibrated axis"
            if axis is None
            else f"an axis from {axis.min():.4g} to {axis.max():.4g}",
            expected="energies above 0",
            remedy="Calibrate the axis or crop it (`spectra: preprocess: crop`), or set"
            " `power_law: false`, and `slope: true` where the background is not flat",
        )
    return axis


def _filled(values: np.ndarray, finite: np.ndarray) -> np.ndarray:
    """Spectra (site, channel) with what was not measured interpolated along the axis; spectra of
    which nothing was measured are the mean of the others."""
    done = values.copy()
    channel = np.arange(values.shape[1])
    mean = np.nan_to_num(np.where(finite, values, 0).sum(0) / np.maximum(finite.sum(0), 1))
    for site in np.flatnonzero(~finite.all(1)):
        seen = finite[site]
        if seen.any():
            done[site, ~seen] = np.interp(channel[~seen], channel[seen], values[site, seen])
        else:
            done[site] = mean
    return done


def without_signal(samples: xr.Dataset) -> np.ndarray:
    """The value (channel,) float32 that a normalised patch has where there is no signal.

    Raises
    ------
    UserError : patches were normalised one by one, so that each has a zero of its own, or the
        signal has no zero.
    """
    if "norm_offset" not in samples:
        return np.zeros(samples.sizes["channel"], np.float32)
    zeros = -samples["norm_offset"].values / samples["norm_scale"].values
    kind = str(samples.attrs.get("normalise", ""))
    if kind == "signed" or float(np.ptp(zeros, axis=0).max(initial=0.0)) > DRIFT:
        raise UserError(
            "patches without a common zero cannot be decoded as positive",
            found=f"positive: true with patches: normalise: {kind}"
            + ("" if kind in ("patch", "signed") else ", of frames with zeros of their own"),
            expected="`patches: normalise: image`, `unit` or `none`, and one level of all frames",
            remedy="Set `patches: normalise` so in the recipe, or `positive: false`",
        )
    return np.asarray(zeros.min(0), np.float32)
