"""The views of a site: its patch, its spectrum.

A model sees one view and decodes one, the same or another; all arrays of views have the axes
(site, channel, height, width), a spectrum being a picture of one signal and height 1.
"""

from __future__ import annotations

from dataclasses import dataclass

PATCH, SPECTRUM = "patch", "spectrum"


@dataclass(frozen=True)
class View:
    """One view of a site.

    Parameters
    ----------
    name : of its variable in a store of samples.
    dims : of that variable.
    drawn : dimensions of what a model draws of it, beside the site.
    measured : variable that says which samples were measured, if not all were.
    """

    name: str
    dims: tuple[str, ...]
    drawn: tuple[str, str, str]
    measured: str


VIEWS = {
    PATCH: View(PATCH, ("site", "channel", "py", "px"), ("channel", "py", "px"), "measured"),
    SPECTRUM: View(SPECTRUM, ("site", "energy"), ("signal", "line", "energy"), "spectrum_measured"),
}
"""Name -> view."""
