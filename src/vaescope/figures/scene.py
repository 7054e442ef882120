"""One dataset as it is drawn: its results, a look, and an image no finer than a page shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.figures.settings import Look
from vaescope.results import ModelResults, Results, layout
from vaescope.results.coverage import with_gaps
from vaescope.text import plain
from vaescope.traits import Traits, traits_of

if TYPE_CHECKING:
    import xarray as xr

_STRETCH = 0.6  # width of a stretch of a curve, in distances between sites
_THINNEST = 1 / 90  # of the longer side of an image: still seen
DRAWN_PIXELS = 1600  # per side; finer detail than this cannot be seen at the size of a figure


@dataclass
class Scene:
    """The results of one dataset with a frame chosen and a look.

    ``image`` : (height, width) of the drawn frame, perhaps coarser than the true one, NaN where
    nothing was measured; ``views`` : the models to draw; ``baselines`` : classical methods, where
    the recipe has them.
    """

    results: Results
    look: Look
    version: str
    image: np.ndarray
    frame: int = 0
    views: list[ModelResults] = field(default_factory=list)
    baselines: xr.Dataset | None = None

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.results.dataset

    @property
    def sites(self) -> xr.Dataset:
        """The sites of all frames."""
        return self.results.sites

    @property
    def patches(self) -> xr.Dataset:
        """The patches around sites, not loaded."""
        return self.results.patches

    @property
    def strain(self) -> xr.Dataset | None:
        """The map of strain of all frames; None where there is no lattice."""
        return self.results.strain

    @property
    def pixels(self) -> xr.DataArray:
        """All frames of the image, NaN where nothing was measured, not loaded."""
        return with_gaps(self.results.image)

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the image."""
        return self.results.image.attrs

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the true image, in pixels."""
        sizes = self.results.image.sizes
        return sizes["y"], sizes["x"]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.results.image.sizes.get("time", 1))

    @property
    def channel(self) -> str:
        """Name of the drawn channel, empty where there is only one."""
        names = [str(name) for name in np.atleast_1d(self.results.image["channel"].values)]
        return names[0] if len(names) > 1 else ""

    @property
    def traits(self) -> Traits:
        """Traits of the sites."""
        return traits_of(self.sites.attrs)

    @property
    def stack(self) -> bool:
        """Whether every frame is a patch of its own, so that there is no image to map on."""
        return self.results.stack

    @property
    def noun(self) -> tuple[str, str]:
        """What a sample is called, one and many: ``site`` where it has a place, else what it is."""
        if not self.stack:
            return "site", "sites"
        return ("patch", "patches") if "patch" in self.patches else ("spectrum", "spectra")

    @property
    def windows(self) -> bool:
        """Whether sites are windows that lie wherever atoms or walls may be."""
        return self.traits.placed and self.traits.windows

    @property
    def pixelwise(self) -> bool:
        """Whether sites are the pixels of a spectrum image, or blocks of them."""
        return self.traits.placed and self.traits.regular and not self.traits.windows

    @property
    def curved(self) -> bool:
        """Whether sites lie on curves, such as domain walls, and have the direction of these."""
        return self.traits.placed and self.traits.directed and "direction" in self.sites.variables

    @property
    def cell_kind(self) -> str:
        """What the cells of sites are: ``windows``, ``pixels``, ``curves``, or else ``cells``."""
        kinds = {"windows": self.windows, "pixels": self.pixelwise, "curves": self.curved}
        return next((kind for kind, so in kinds.items() if so), "cells")

    @property
    def moving(self) -> bool:
        """Whether there are several frames of one place."""
        return self.frames > 1 and not self.stack

    @cached_property
    def times(self) -> np.ndarray:
        """Time of every frame (frame,) in ``time_unit``; its number where none is known."""
        if not self.time_unit:
            return np.arange(1, self.frames + 1)
        return np.asarray(self.pixels["time"].values, dtype=float)

    @property
    def time_unit(self) -> str:
        """Unit of the times of frames; empty where only their order is known."""
        if "time" not in self.pixels.coords:
            return ""
        unit = plain(self.pixels["time"].attrs.get("units") or "", 12)
        return "" if unit in ("frame", "frames", "1", "px") else unit

    @property
    def time_label(self) -> str:
        """Label of an axis of ``times``."""
        return f"time ({self.time_unit})" if self.time_unit else "frame"

    def when(self, frame: int) -> str:
        """A frame in words, with its time where that is known."""
        words = f"frame {frame + 1}"
        if self.time_unit:
            words += f" · {self.times[frame]:.4g}\u202f{self.time_unit}"
        return words

    def at(self, frame: int) -> Scene:
        """The same dataset with another frame drawn."""
        views = [replace(view, frame=frame) for view in self.views]
        image = display_image(self.pixels, frame)
        return replace(self, frame=frame, image=image, views=views)

    @property
    def calibrated(self) -> bool:
        """Whether the image has a physical pixel size."""
        return bool(self.attrs.get("calibrated")) and self.pixel_size > 0

    @property
    def pixel_size(self) -> float:
        """Side of a pixel in ``unit``."""
        return float(self.attrs.get("pixel_size") or 1.0)

    @property
    def unit(self) -> str:
        """Unit of ``pixel_size``; px where nothing is known."""
        return plain(self.attrs.get("pixel_unit") or "px", 12)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the drawn image, in pixels of the true one."""
        height, width = self.shape
        return (-0.5, width - 0.5, height - 0.5, -0.5)

    @cached_property
    def on_frame(self) -> np.ndarray:
        """Indices of the sites on the drawn frame."""
        return np.flatnonzero(self.sites["frame"].values == self.frame)

    @cached_property
    def positions(self) -> np.ndarray:
        """(site, 2) positions (y, x) in pixels of all sites on the drawn frame."""
        found = self.sites.isel(site=self.on_frame)
        return np.stack([found["y"].values, found["x"].values], axis=1).astype(float)

    @cached_property
    def spacing(self) -> float:
        """Typical distance between neighbouring sites in pixels."""
        from vaescope.figures.voronoi import neighbour_distance

        measured = neighbour_distance(self.positions)
        if np.isfinite(measured) and measured > 0:
            return measured
        return float(self.sites.attrs.get("spacing") or max(self.shape) / 20)

    @cached_property
    def cells(self) -> list[np.ndarray | None]:
        """Cell of every site on the drawn frame, in the order of ``on_frame``: what lies nearest to
        it; around windows on a grid, squares; on curves, stretches of these."""
        from vaescope.figures.voronoi import cells, squares, stretches

        if self.curved:
            direction = self.sites["direction"].values[self.on_frame]
            apart = float(self.sites.attrs.get("spacing") or self.spacing)
            width = max(_STRETCH * apart, _THINNEST * max(self.shape))
            return stretches(self.positions, direction, apart, width)

        if self.traits.regular:
            return squares(self.positions, float(self.sites.attrs["spacing"]))
        # Up to 1.25 spacings: beyond the corners of square and hexagonal cells, short of gaps.
        return cells(self.positions, *self.shape, largest_radius=1.25 * self.spacing)

    def cells_of(self, view: ModelResults) -> list[np.ndarray | None]:
        """Voronoi cells of the sites of a model; sites without a patch still bound them."""
        place = {int(site): k for k, site in enumerate(self.sites["site"].values[self.on_frame])}
        wanted = view.latents["site"].values[view.on_frame]
        return [self.cells[place[int(s)]] if int(s) in place else None for s in wanted]

    @property
    def frame_words(self) -> str:
        """Which frame and channel is drawn, empty where there is only one."""
        words = []
        if self.frames > 1:
            words.append(f"frame {self.frame + 1} of {self.frames}")
        if self.channel:
            words.append(f"channel {plain(self.channel, 30)}")
        return " · ".join(words)


def load(
    results: Results, models: list[str], look: Look, version: str, *, baselines: bool = False
) -> Scene:
    """Read what is drawn of a dataset, its classical methods too if requested.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    # With a delay, the first frame has sites and no patches.
    cut = results.has(layout.SAMPLES) and "frame" in results.patches
    shown = results.patches if cut else results.sites
    frames = np.unique(shown["frame"].values)
    frame = int(frames[0]) if frames.size else 0
    chosen = None if results.stack else frame
    return Scene(
        results,
        look,
        version,
        display_image(with_gaps(results.image), frame),
        frame,
        [results.model(name, chosen) for name in models],
        results.baselines if baselines else None,
    )


def display_image(image: xr.DataArray, frame: int) -> np.ndarray:
    """One frame of the first channel, averaged down to at most ``DRAWN_PIXELS`` per side; NaN is
    left out of the means."""
    plane = image.isel(time=frame, channel=0).transpose("y", "x")
    step = int(np.ceil(max(plane.shape) / DRAWN_PIXELS))
    if step > 1 and min(plane.shape) >= step:
        plane = plane.coarsen(y=step, x=step, boundary="trim").mean()
    return np.asarray(plane.values, dtype=np.float32)
