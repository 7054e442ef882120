"""The views of a sample, taken together: sites that lack one of them are no samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope import columns
from vaescope.errors import UserError
from vaescope.quantities import FIT
from vaescope.quantities.cf_attributes import attributes
from vaescope.samples import moments
from vaescope.samples.frames import extract_frames
from vaescope.samples.held_out import HELD_OUT, HeldOut
from vaescope.samples.patches import around
from vaescope.samples.settings import COMPLETE
from vaescope.samples.spectra import spectrum_view
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.samples.settings import Patches


def views(
    image: xr.Dataset,
    sites: xr.Dataset,
    wanted: Patches,
    threads: int,
    spectra: xr.Dataset | None,
    held_out: HeldOut | None,
) -> xr.Dataset:
    """Take patch and spectrum of every site; parameters, result and errors as of
    ``samples.extract``."""
    if spectra is not None and wanted.cut and wanted.complete < COMPLETE:
        raise UserError(
            "patches beside spectra have to be complete",
            found=f"complete: {wanted.complete:g}",
            expected=f"complete: {COMPLETE:g} or more, in a recipe with spectra",
        )
    patches = _patches(image, sites, wanted, threads) if wanted.cut else None
    if spectra is None:
        if patches is None:
            raise UserError(
                "a sample has no view",
                found="`patches: cut: false` without spectra",
                remedy="Set `patches: cut: true`, or `spectra: read: true`, in the recipe",
            )
        return patches
    view = spectrum_view(spectra, sites)
    if patches is None:
        kept = {**columns.carried(sites.attrs), **view.attrs}
        return view.assign(columns.of(sites, view["site"].values)).assign_attrs(kept)
    both = patches["site"].values[np.isin(patches["site"].values, view["site"].values)]
    if not len(both):
        raise UserError(
            "no site has both a patch and a spectrum",
            found=f"{patches.sizes['site']} patches and {view.sizes['site']} spectra",
            remedy="Set a smaller `patches: size` in the recipe",
        )
    view = view.sel(site=both)
    samples = patches.sel(site=both).assign(view.variables).assign_attrs(view.attrs)
    if held_out is not None:
        about = attributes(
            "use of the site",
            "1",
            "categorical",
            meanings=["trained", "held out", "gap"],
            group=FIT,
        )
        used = held_out.column(samples)
        samples[HELD_OUT] = ("site", used, {**about, "how": held_out.way(samples)})
    return samples


def _patches(image: xr.Dataset, sites: xr.Dataset, wanted: Patches, threads: int) -> xr.Dataset:
    image = moments.chosen(image, wanted.channels)
    if traits_of(sites.attrs).placed:
        return around(image, sites, wanted, threads)
    if wanted.delay is not None:
        raise UserError(
            "frames that are patches have no place at which another frame could be cut",
            found=f"delay: {wanted.delay}",
            remedy="Take `patches: delay` out of the recipe",
        )
    return extract_frames(image, sites, wanted)
