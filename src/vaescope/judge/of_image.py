"""Findings about the image itself: how much of it was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaescope.results.coverage import Coverage, coverage
from vaescope.results.facts import Finding
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

_LEAST = 0.001  # of the pixels: a few dead ones concern no one
_MUCH = 0.2  # of the pixels: what is left may not stand for the whole
_MEANS = (
    "These places are hatched in the figures and in the explorer. Sites lie on measured pixels and"
    " are fitted to them alone, patches that reach far into a gap are left out, and percentiles and"
    " grey scales are those of the rest: maps, shares and counts hold for the measured part."
)
_MEANS_OF_STACK = (
    "In every frame these pixels are filled in from the others and count for nothing in the"
    " training; a frame of which much is missing says little."
)
_AREAS = (
    "If these areas or lines are data (a vacuum, a saturated detector), set"
    " `ingest: unmeasured: nan` in the recipe."
)
_NANS = "Nothing, if the rest suffices; otherwise a complete image."


def of_image(image: xr.Dataset, sites: xr.Dataset) -> list[Finding]:
    """Say how much of the image was not measured; nothing where (nearly) all of it was.

    image, sites : the Datasets of ``image.zarr`` and ``sites.zarr``. The rim that drift moved into
    frames is no fault of the data, and is reported only where it is large.
    """
    found = coverage(image)
    lost = found.missing - found.moved
    if lost < _LEAST and found.missing < _MUCH:
        return []
    placed = traits_of(sites.attrs).placed
    return [
        Finding(
            "not measured",
            "care" if found.missing >= _MUCH else "note",
            "sites",
            says(found),
            _MEANS if placed else _MEANS_OF_STACK,
            _remedy(found, lost),
        )
    ]


def says(found: Coverage) -> str:
    """The share that is missing, and how and where, in a sentence."""
    share = 100 * found.missing
    amount = f"{share:.0f}" if share >= 9.95 else f"{share:.2g}"
    words = f" ({found.words})" if found.words else ""
    return f"{amount} % of the image was not measured{words}."


def _remedy(found: Coverage, lost: float) -> str:
    if lost < _LEAST:
        return "Leave out the frames that drifted furthest, or set `align_frames: false`."
    return _AREAS if found.areas else _NANS
