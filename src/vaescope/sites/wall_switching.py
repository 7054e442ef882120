"""How much of windows switches from one frame to the next, and how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.quantities import attributes
from vaescope.sites.wall_columns import with_error
from vaescope.walls.descriptors import in_windows
from vaescope.walls.domain_map import Areas
from vaescope.walls.pieces import Pieces

if TYPE_CHECKING:
    from vaescope.sites.table import Column

_LEAST = 0.5  # of a window, that was measured in both frames
_WHOLE = 0.999
_ROUNDED = 0.5  # px, by which the rim of what was measured is rounded where drift moves it
_SURE = 1e-4  # of a window: no change is better known than this


@dataclass(frozen=True)
class Domains:
    """A frame in which domains are known: ``share`` (y, x) of each pixel in the positive one,
    ``measured`` (y, x), and its walls in pieces."""

    share: np.ndarray
    measured: np.ndarray
    pieces: Pieces

    @property
    def areas(self) -> Areas:
        """Of the positive domain."""
        return Areas.of(self.share, self.measured)


def columns(
    now: Domains,
    then: Domains | None,
    centre: np.ndarray,
    side: float,
    drift: np.ndarray,
    covariance: np.ndarray,
    doubt: np.ndarray | None = None,
) -> dict[str, Column]:
    """Columns of windows about centres (site, 2) px of a frame: the change of their switching
    degree to the next frame, at the same place of the sample, and its significance.

    Only pixels count that were measured in both frames. Errors are those of the walls of both
    frames and of the drift, which moves all walls of a window together.

    Parameters
    ----------
    then : the next frame; None after the last.
    drift, covariance : (site, 2) px and (site, 2, 2) px², by which the specimen at each window
        moves to the next frame.
    doubt : (y, x), change of each pixel that the response leaves in doubt (``walls.doubtful``): an
        error of the window in which it lies.
    """
    change, error = np.full((2, len(centre)), np.nan)
    if then is not None and len(centre):
        moved = centre + drift
        usual = np.median(drift, axis=0)
        here = now.measured & _shifted(then.measured, -usual)
        there = then.measured & _shifted(now.measured, usual)
        before, seen = Areas.of(now.share, here).mean(centre, side)
        after, again = Areas.of(then.share, there).mean(moved, side)
        area = np.hypot(
            in_windows(now.pieces, centre, side).area_error,
            in_windows(then.pieces, moved, side).area_error,
        )
        rounded = np.where(np.minimum(seen, again) < _WHOLE, _ROUNDED / side, 0.0)
        moving = _drifted(then.pieces, moved, side, covariance)
        known = np.minimum(seen, again) >= _LEAST
        variance = (area / side**2) ** 2 + moving**2 + rounded**2 + _SURE**2
        if doubt is not None:
            variance += np.nan_to_num(Areas.of(doubt, here).mean(centre, side)[0]) ** 2
        change = np.where(known, after - before, np.nan)
        error = np.where(known, np.sqrt(variance), np.nan)
    words = "change of switching degree"
    about = attributes("switching significance (σ)", "1", "sequential")
    return {
        **with_error("switching_change", words, change, error, "1", "diverging"),
        "switching_significance": (np.abs(change) / error, about),
    }


def _shifted(mask: np.ndarray, step: np.ndarray) -> np.ndarray:
    """A mask (y, x) moved by (y, x) px, rounded to whole ones; False where nothing comes from."""
    whole = np.rint(step).astype(int)
    return ndimage.shift(mask, whole, order=0, cval=False).astype(bool)


def _drifted(pieces: Pieces, centre: np.ndarray, side: float, covariance: np.ndarray) -> np.ndarray:
    """Standard error (site,) of the share of the positive domain in windows, by a drift of
    ``covariance`` (site, 2, 2) px²."""
    found = np.zeros(len(centre))
    if not len(pieces):
        return found
    facing = pieces.normal * pieces.length[:, None]
    rows = cKDTree(pieces.place).query_ball_point(centre, side / 2, p=np.inf)
    for window, own in enumerate(rows):
        if own:
            whole = facing[own].sum(0)
            found[window] = np.sqrt(max(whole @ covariance[window] @ whole, 0.0)) / side**2
    return found
