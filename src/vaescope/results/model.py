"""The results of one model, opened."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope.text import plain

if TYPE_CHECKING:
    import xarray as xr


@dataclass
class ModelResults:
    """The results of one model at the sites of one frame, or of all frames.

    ``latents`` : Dataset of ``latents.zarr``; ``history`` : file with the course of the training;
    ``frame`` : the frame whose sites are asked for, ``None`` for all; ``movie`` : Dataset of
    ``movie.zarr``, where atoms were tracked.
    """

    name: str
    latents: xr.Dataset
    history: Path
    frame: int | None
    movie: xr.Dataset | None = None

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
        """Number of ensemble members on which the consensus rests."""
        kept = self.latents.attrs.get("members_kept")
        if kept is not None:
            return len(kept)
        return int(self.latents.sizes.get("member", 1))

    @property
    def classes(self) -> int:
        """Number of classes of the model; 0 if it has none."""
        return int(self.latents.sizes.get("class", 0)) if self.has("consensus_class") else 0

    def has(self, name: str) -> bool:
        """Whether the model has a variable."""
        return name in self.latents.variables

    def values(self, name: str, *, everywhere: bool = False) -> np.ndarray:
        """Give a variable with ``site`` first: of the chosen frame, or of all frames."""
        array = self.latents[name]
        if "site" in array.dims:
            array = array.transpose("site", ...)
            if not everywhere:
                array = array.isel(site=self.on_frame)
        return np.asarray(array.values)

    @cached_property
    def on_frame(self) -> np.ndarray:
        """Indices along ``site`` of the sites on the chosen frame."""
        if self.frame is None or "frame" not in self.latents.variables:
            return np.arange(self.latents.sizes["site"])
        return np.flatnonzero(self.latents["frame"].values == self.frame)

    @cached_property
    def positions(self) -> np.ndarray:
        """(site, 2) positions (y, x) in pixels on the chosen frame."""
        return np.stack([self.values("y"), self.values("x")], axis=1).astype(float)
