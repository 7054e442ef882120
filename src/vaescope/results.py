"""What the figures show: the stores of one dataset, read once, small enough to draw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns, store
from vaescope.figures.style import Look
from vaescope.text import plain
from vaescope.traits import Traits, traits_of

if TYPE_CHECKING:
    import xarray as xr

DRAWN_PIXELS = 1600  # per side; finer detail than this cannot be seen at the size of a figure


@dataclass
class ModelResults:
    """What one model says about the sites."""

    name: str
    latents: xr.Dataset
    history: Path
    frame: int | None  # the drawn one; None: each frame is a site of its own, all are drawn
    movie: xr.Dataset | None = None  # what became of the atoms, where they were followed

    @property
    def label(self) -> str:
        """The model in words, with its name in the recipe."""
        label = plain(self.latents.attrs.get("label") or "", 70)
        name = plain(self.name, 30)
        return f"{name}: {label}" if label and label != name else name

    @property
    def symmetry(self) -> int:
        """Angles are known modulo 360° divided by this."""
        return max(1, int(self.latents.attrs.get("symmetry", 1)))

    @property
    def period(self) -> float:
        """The turn after which angles repeat, in degrees."""
        return 360.0 / self.symmetry

    @property
    def members(self) -> int:
        """How many ensemble members the consensus rests on."""
        kept = self.latents.attrs.get("members_kept")
        if kept is not None:
            return len(kept)
        return int(self.latents.sizes.get("member", 1))

    @property
    def classes(self) -> int:
        """Number of classes of the model; 0 if it has none."""
        return int(self.latents.sizes.get("class", 0)) if self.has("consensus_class") else 0

    def has(self, name: str) -> bool:
        """Whether the model has this part."""
        return name in self.latents.variables

    def values(self, name: str, *, everywhere: bool = False) -> np.ndarray:
        """A variable with ``site`` first: of the drawn frame, or of all frames."""
        array = self.latents[name]
        if "site" in array.dims:
            array = array.transpose("site", ...)
            if not everywhere:
                array = array.isel(site=self.on_frame)
        return np.asarray(array.values)

    @cached_property
    def on_frame(self) -> np.ndarray:
        """Indices along ``site`` of the sites on the drawn frame."""
        if self.frame is None or "frame" not in self.latents.variables:
            return np.arange(self.latents.sizes["site"])
        return np.flatnonzero(self.latents["frame"].values == self.frame)

    @cached_property
    def positions(self) -> np.ndarray:
        """(site, 2) positions (y, x) in pixels on the drawn frame."""
        return np.stack([self.values("y"), self.values("x")], axis=1).astype(float)


@dataclass
class Scene:
    """One dataset as the figures need it."""

    dataset: str
    version: str
    look: Look
    image: np.ndarray  # (height, width), perhaps coarser than the true image
    shape: tuple[int, int]  # of the true image, in pixels
    frame: int
    frames: int
    channel: str
    sites: xr.Dataset  # all frames, loaded
    patches: xr.Dataset  # lazy
    attrs: dict[str, Any]
    views: list[ModelResults] = field(default_factory=list)
    pixels: xr.DataArray | None = None  # lazy, all frames of the image
    baselines: xr.Dataset | None = None  # classical methods, where the recipe asks for them
    strain: xr.Dataset | None = None  # all frames, loaded; None where there is no lattice

    @property
    def traits(self) -> Traits:
        """What the sites are."""
        return traits_of(self.sites.attrs)

    @property
    def stack(self) -> bool:
        """Whether every frame is a patch of its own, so that there is no image to map on."""
        return not self.traits.placed

    @property
    def windows(self) -> bool:
        """Whether sites are windows that lie wherever the atoms may be."""
        return self.traits.placed and not self.traits.atoms

    @property
    def moving(self) -> bool:
        """Whether there are several frames of one place."""
        return self.frames > 1 and not self.stack and self.pixels is not None

    @cached_property
    def times(self) -> np.ndarray:
        """Time of every frame (frame,) in ``time_unit``; its number where none is known."""
        if self.pixels is None or not self.time_unit:
            return np.arange(1, self.frames + 1)
        return np.asarray(self.pixels["time"].values, dtype=float)

    @property
    def time_unit(self) -> str:
        """Unit of the times of frames; empty where only their order is known."""
        if self.pixels is None or "time" not in self.pixels.coords:
            return ""
        unit = plain(self.pixels["time"].attrs.get("units") or "", 12)
        return "" if unit in ("frame", "frames", "1", "px") else unit

    @property
    def time_label(self) -> str:
        """What an axis of ``times`` is called."""
        return f"time ({self.time_unit})" if self.time_unit else "frame"

    def when(self, frame: int) -> str:
        """A frame in words, with its time where that is known."""
        words = f"frame {frame + 1}"
        if self.time_unit:
            words += f" · {self.times[frame]:.4g}\u202f{self.time_unit}"
        return words

    def at(self, frame: int) -> Scene:
        """The same dataset with another frame drawn."""
        assert self.pixels is not None
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
        return float(self.attrs.get("spacing") or max(self.shape) / 20)

    @cached_property
    def cells(self) -> list[np.ndarray | None]:
        """Cell of every site on the drawn frame, in the order of ``on_frame``: what lies nearest to
        it; around windows on a grid, squares."""
        from vaescope.figures.voronoi import cells, squares

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
    results_dir: Path,
    dataset: str,
    models: list[str],
    look: Look,
    version: str,
    *,
    baselines: bool = False,
) -> Scene:
    """Read what the figures of a dataset need, its classical methods too if there are any.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    folder = Path(results_dir) / dataset
    image = store.open(folder / "image.zarr")
    sites = store.open(folder / "sites.zarr").load()
    patches = store.open(folder / "patches.zarr")
    if "site" not in sites.coords:
        sites = sites.assign_coords(site=np.arange(sites.sizes["site"]))
    sites = columns.with_edge(sites, patches)
    frames = np.unique(sites["frame"].values)
    frame = int(frames[0]) if frames.size else 0
    stack = not traits_of(sites.attrs).placed
    channels = [str(name) for name in np.atleast_1d(image["channel"].values)]
    views = []
    for model in models:
        latents = store.open(folder / model / "latents.zarr")
        if "site" not in latents.coords:
            latents = latents.assign_coords(site=patches["site"].values)
        small = [name for name in latents.data_vars if name not in {"reconstruction"}]
        latents = latents.assign(latents[small].load())
        history = folder / model / "history.csv"
        followed = _movie(folder / model / "movie" / "movie.zarr")
        views.append(ModelResults(model, latents, history, None if stack else frame, followed))
    return Scene(
        dataset=dataset,
        version=version,
        look=look,
        image=display_image(image["image"], frame),
        shape=(image.sizes["y"], image.sizes["x"]),
        frame=frame,
        frames=int(image.sizes.get("time", 1)),
        channel=channels[0] if len(channels) > 1 else "",
        sites=sites,
        patches=patches,
        attrs={**image.attrs, "spacing": sites.attrs.get("spacing")},
        views=views,
        pixels=image["image"],
        baselines=store.open(folder / "baselines.zarr").load() if baselines else None,
        strain=_strain(folder, sites),
    )


def _movie(folder: Path) -> xr.Dataset | None:
    """What became of the atoms of a movie; None of what is none."""
    if not folder.is_dir():
        return None
    found = store.open(folder)
    return found.load() if "track" in found.variables else None


def _strain(folder: Path, sites: xr.Dataset) -> xr.Dataset | None:
    """The map of strain, where there is one of these sites and they stand on a lattice."""
    if not (folder / "strain.zarr").is_dir():
        return None
    strain = store.open(folder / "strain.zarr").load()
    same = strain.sizes.get("site") == sites.sizes["site"]
    return strain if strain.attrs.get("ordered") and same else None


def display_image(image: xr.DataArray, frame: int) -> np.ndarray:
    """One frame of the first channel, averaged down to at most ``DRAWN_PIXELS`` per side."""
    plane = image.isel(time=frame, channel=0).transpose("y", "x")
    step = int(np.ceil(max(plane.shape) / DRAWN_PIXELS))
    if step > 1 and min(plane.shape) >= step:
        plane = plane.coarsen(y=step, x=step, boundary="trim").mean()
    return np.asarray(plane.values, dtype=np.float32)
