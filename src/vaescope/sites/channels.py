"""Choose the channel in which sites are sought: by name or number, or by how it shows columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen
from vaescope.sites import polarity, scale

if TYPE_CHECKING:
    import xarray as xr

AUTO = "auto"
_SIDE = 512  # px of the middle of the image, by which channels are compared
_CLEARER = 1.5  # times the skewness of the first, for another to be preferred
_SHARP = 0.5  # skewness of clear columns


@dataclass(frozen=True)
class Channel:
    """The number of a channel, and the ``skewness`` of every channel (`polarity.skewness`) by which
    it was chosen, 0 where no lattice is seen; None where the recipe or the file left no choice."""

    number: int
    skewness: list[float] | None = None


def choose(image: xr.Dataset, wanted: str | int, sign: float = 1.0) -> Channel:
    """Choose the channel in which sites are sought.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x).
    wanted : name of the channel, such as a detector, or its number from 0; `auto`: the first,
        unless another shows a lattice of columns much more clearly.
    sign : 1 where columns are bright, -1 where they are dark.

    Raises
    ------
    UserError : the image has no such channel.
    """
    names = [str(name) for name in np.atleast_1d(image["channel"].values)]
    if wanted == AUTO and AUTO not in names:
        return _clearest(image, sign) if len(names) > 1 else Channel(0)
    hits = chosen.numbers(wanted, names)
    if len(hits) == 1:
        return Channel(hits[0])
    raise UserError(
        "the image has no such channel",
        found=repr(wanted),
        expected="one of " + ", ".join(f"{k}: {name}" for k, name in enumerate(names)),
        remedy="Set `sites: channel` in the recipe to one of these names or numbers",
    )


def _clearest(image: xr.Dataset, sign: float) -> Channel:
    corner = [max((image.sizes[axis] - _SIDE) // 2, 0) for axis in ("y", "x")]
    top, left = corner
    frame = image["image"][0, :, top : top + _SIDE, left : left + _SIDE]
    found = [_skewness(np.asarray(part.data, float), sign) for part in frame]
    best = int(np.argmax(found))
    # Whether columns are dark in the first is found out later; only a better one is a reason.
    if found[best] > _SHARP and found[best] > _CLEARER * found[0]:
        return Channel(best, found)
    return Channel(0, found)


def _skewness(part: np.ndarray, sign: float) -> float:
    finite = np.isfinite(part)
    if min(part.shape) < scale.SMALLEST or not finite.any():
        return 0.0
    part = np.where(finite, part, np.median(part[finite]))
    if not np.ptp(part) > 0:
        return 0.0
    lengths = scale.estimate([part])
    return sign * polarity.skewness(part, lengths) if lengths.periodic else 0.0
