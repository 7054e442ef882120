"""What patches are cut of: which channels of the image, and which frames about that of a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr


def chosen(image: xr.Dataset, channels: Sequence[str] | None) -> xr.Dataset:
    """An image with some of its channels alone, in the order of their names; None: all.

    Raises
    ------
    UserError : the image lacks one of them.
    """
    if channels is None:
        return image
    names = [str(name) for name in image["channel"].values]
    missing = [name for name in channels if name not in names]
    if missing:
        raise UserError(
            "the image lacks a channel of which patches are to be cut",
            found="channels " + ", ".join(names),
            expected=", ".join(missing),
            remedy="Correct `patches: channels` in the recipe, or leave it out for all channels",
        )
    return image.isel(channel=[names.index(name) for name in channels])


@dataclass(frozen=True)
class Delayed:
    """Sites as they lie some frames later: ``sites`` with `frame`, `y`, `x` of then, of those whose
    frame exists alone, and ``rows``, their indices among all sites."""

    delay: int
    sites: xr.Dataset
    rows: np.ndarray

    def name(self, channel: str) -> str:
        """What a channel of then is called: ``in-phase t+1``."""
        return f"{channel} t" if self.delay == 0 else f"{channel} t{self.delay:+d}"


def delayed(sites: xr.Dataset, frames: int, delay: int) -> Delayed:
    """Where sites lie ``delay`` frames later: drift moves them, if the table of sites says how.

    Parameters
    ----------
    sites : Dataset with `frame`, `y`, `x` (site,) and perhaps `drift` (time, axis), the place of
        the whole frame (y, x) since the first, in px.
    frames : how many there are.
    """
    before = sites["frame"].values.astype(int)
    rows = np.flatnonzero((before + delay >= 0) & (before + delay < frames))
    moved = sites.isel(site=rows)
    frame = before[rows] + delay
    step = np.zeros((len(rows), 2))
    if delay and "drift" in sites:
        drift = np.nan_to_num(np.asarray(sites["drift"].values, float))
        step = drift[frame] - drift[before[rows]]
    moved = moved.assign(
        frame=("site", frame),
        y=("site", moved["y"].values + step[:, 0]),
        x=("site", moved["x"].values + step[:, 1]),
    )
    return Delayed(delay, moved, rows)
