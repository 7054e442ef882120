"""Lay windows on a grid, or at random, wherever the atoms are.

For images in which atoms cannot be told apart, and for structures that are larger than an atom and
its neighbours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope.errors import UserError
from vaescope.quantities import TRUTH, attributes
from vaescope.sites import scale
from vaescope.sites.table import tabulate
from vaescope.sites.unit_cell import unit_cell

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.settings import Windows

CELLS = 2.2  # side of a window of a lattice, in units of the longer vector of its cell
SPACINGS = 3.2  # the same in spacings, where the image is periodic but shows no cell
SHARE = 1 / 12  # of the image's shorter side, where it is not
SMALLEST = 16  # px
OVERLAP = 4  # windows over one place along each axis
MOST = 10_000  # windows chosen without being asked for more
SEED = 0  # of the random places: the same windows for every model and every run


def everywhere(image: xr.Dataset, settings: Windows) -> xr.Dataset:
    """Lay windows over every frame of an image.

    Parameters
    ----------
    image : Dataset with `image` (time, channel, y, x), as in an image store.
    settings : `window` (px, side of a window), `stride` (px between windows) or `count` (windows at
        random places of each frame).

    Returns
    -------
    Dataset over `site`, in the form of a sites store; a site is the middle of a window, the
    attribute `window` its side in px and, where the image shows a lattice, `cell` its two vectors
    as y, x, y, x in px. Where the image brings its truth, each window has that of the
    column nearest to its middle.

    Raises
    ------
    UserError : no window fits into the image.
    """

    frames = image.sizes["time"]
    height, width = image.sizes["y"], image.sizes["x"]
    cell = _cell(image)
    side = float(settings.window or _side(image["image"][0, 0].data, height, width, cell))
    room = np.array([height, width]) - side
    if (room < 0).any():
        raise UserError(
            "no window fits into the image",
            found=f"windows of {side:g} px in an image of {height} × {width} px",
            expected="windows smaller than the image",
            remedy="Set a smaller `sites: window` in the recipe",
        )
    random = np.random.default_rng(SEED)
    stride = float(settings.stride or _stride(side, room, frames))
    places = []
    for _ in range(frames):
        if settings.count:
            here = (side - 1) / 2 + random.uniform(0, 1, (settings.count, 2)) * room
        else:
            here = grid(room, stride, side)
        places.append(here)
    frame_of = np.repeat(np.arange(frames), [len(here) for here in places])
    y, x = np.concatenate(places).T
    if settings.count:
        stride = _apart(places, stride)
    columns = {
        "frame": (frame_of, attributes("frame", "1")),
        "y": (y, attributes("row of the middle", "px")),
        "x": (x, attributes("column of the middle", "px")),
    }
    attrs: dict[str, Any] = {
        "spacing": stride,
        "window": side,
        "spacing_estimated": settings.stride is None,
        "regular": not settings.count,
    }
    if cell is not None:
        attrs["cell"] = cell.ravel().tolist()
    return _with_truth(tabulate(image, columns, attrs), image)


def _cell(image: xr.Dataset) -> np.ndarray | None:
    """The unit cell of the lattice that the first frame shows."""
    frame = image["image"][0, 0].data
    places = scale.crops(image.sizes["y"], image.sizes["x"])
    return unit_cell([np.asarray(frame[part], float) for part in places])


def _side(frame: Any, height: int, width: int, cell: np.ndarray | None) -> int:
    """Choose the side of windows: a few unit cells of a lattice, a few spacings of another periodic
    image, a fixed share of any other."""

    if cell is not None:
        side = CELLS * float(np.hypot(*cell.T).max())
        return int(np.clip(round(side), min(SMALLEST, height, width), min(height, width)))
    parts = [np.asarray(frame[part], float) for part in scale.crops(height, width)]
    side = SHARE * min(height, width)
    if all(np.ptp(part) > 0 for part in parts):
        lengths = scale.estimate(parts)
        if lengths.periodic:
            side = SPACINGS * lengths.spacing
    return int(np.clip(round(side), min(SMALLEST, height, width), min(height, width)))


def _stride(side: float, room: np.ndarray, frames: int) -> int:
    """Windows overlap as long as that does not make too many of them."""
    fewest = np.sqrt(frames * np.prod(room + 1) / MOST)
    return max(round(side / OVERLAP), int(np.ceil(fewest)), 1)


def grid(room: np.ndarray, stride: float, side: float) -> np.ndarray:
    """Middles (window, 2) of a grid of windows that leaves equal margins on both sides."""
    axes = []
    for free in room:
        steps = int(free // stride)
        axes.append((side - 1) / 2 + (free - steps * stride) / 2 + stride * np.arange(steps + 1))
    y, x = np.meshgrid(*axes, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def _apart(places: list[np.ndarray], alone: float) -> float:
    """Median distance from a window to the nearest one; ``alone`` where there is no other."""
    found = [cKDTree(p).query(p, k=2)[0][:, 1] for p in places if len(p) > 1]
    return float(np.median(np.concatenate(found))) if found else alone


def _with_truth(sites: xr.Dataset, image: xr.Dataset) -> xr.Dataset:
    """Give each window the truth of the column nearest to its centre."""
    if "truth_y" not in image or image.sizes["time"] > 1 or not image.sizes["truth_site"]:
        return sites
    truth = np.stack([image["truth_y"].values, image["truth_x"].values], axis=1)
    nearest = cKDTree(truth).query(np.stack([sites["y"].values, sites["x"].values], axis=1))[1]
    for name in ("truth_angle", "truth_phase"):
        if name in image:
            sites[name] = ("site", image[name].values[nearest], dict(image[name].attrs))
    if "truth_phase" in image and "truth_species" in image:
        _with_true_lattice(sites, image, nearest)
    return sites


def _with_true_lattice(sites: xr.Dataset, image: xr.Dataset, nearest: np.ndarray) -> None:
    """Add where the nearest column of the first sublattice lies from the middle of each window, and
    which sublattice that is: the first in the phase of the column ``nearest`` (site,)."""
    phase, species = image["truth_phase"].values, image["truth_species"].values
    place = np.stack([image["truth_y"].values, image["truth_x"].values], axis=1)
    middle = np.stack([sites["y"].values, sites["x"].values], axis=1)
    apart, first = np.zeros((len(nearest), 2)), np.zeros(len(nearest), int)
    for one in np.unique(phase[nearest]):
        here = phase[nearest] == one
        first[here] = species[phase == one].min()
    for one in np.unique(first):
        here, lattice = first == one, place[species == one]
        apart[here] = lattice[cKDTree(lattice).query(middle[here])[1]] - middle[here]
    about = attributes("first sublattice of the phase", "1", "categorical", group=TRUTH)
    sites["truth_lattice"] = ("site", first, about)
    for axis, values in zip("yx", apart.T, strict=True):
        words = f"true offset of the lattice along {axis}"
        about = attributes(words, "px", "diverging", group=TRUTH)
        sites[f"truth_lattice_offset_{axis}"] = ("site", values, about)
