"""Columns of sites: joined on `site` wherever sites go, never copied by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.quantities.cf_attributes import attributes
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

_OF_IMAGE = ("pixel_size", "pixel_unit", "calibrated", "source_sha256")
_OF_PATCHES = ("spacing", "pitch", "size", "cell")


def of(table: xr.Dataset, site: Any = None) -> dict[str, xr.Variable]:
    """The columns of a table of sites.

    Parameters
    ----------
    table : Dataset over `site`, as ``sites.zarr``.
    site : (row,) numbers of the wanted sites, in their order; None: all.

    Returns
    -------
    Every variable with one value per site, by name, in memory.

    Raises
    ------
    KeyError : the table lacks one of the sites.
    """
    names = [name for name, column in table.variables.items() if column.dims == ("site",)]
    if site is not None:
        table = table[names].sel(site=np.asarray(site))
    return {str(name): table.variables[name].load() for name in names if name != "site"}


def without_truth(table: xr.Dataset) -> dict[str, xr.Variable]:
    """The columns of a table of sites, without what is known of a truth, ``truth_NAME``."""
    return {name: one for name, one in of(table).items() if not name.startswith("truth_")}


def carried(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """The attributes that go wherever sites go: the pixel and the source of the image, traits, the
    scale of patches, and what is known of a truth: its symmetry, and what the values of each
    ``truth_NAME`` mean."""
    always = {*_OF_IMAGE, *_OF_PATCHES, "method", *traits_of(attrs).attributes()}
    kept = [str(name) for name in attrs if str(name) in always or _of_truth(str(name))]
    return {name: attrs[name] for name in kept}


def _of_truth(name: str) -> bool:
    return name == "truth_symmetry" or (name.startswith("truth_") and name.endswith("_names"))


def with_edge(sites: xr.Dataset, cut: xr.Dataset) -> xr.Dataset:
    """Sites with the column `near_edge`: those around which no patch could be cut.

    ``cut`` : Dataset over the `site` of every patch. Tables that have the column already, from
    before patches decided, stay as they are.
    """
    if "near_edge" in sites:
        return sites
    near = ~np.isin(sites["site"].values, cut["site"].values)
    about = attributes(
        "a patch around the site would leave the image or what was measured of it", "1"
    )
    return sites.assign(near_edge=("site", near, about))
