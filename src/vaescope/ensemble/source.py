"""The patches of a dataset as one model sees them, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope.models.settings import ModelSettings
from vaescope.train.data import Codec, Data, gather

if TYPE_CHECKING:
    import xarray as xr

BLOCK_BYTES = 8e6  # of patches and targets held at once


@dataclass
class PatchSource:
    """Patches of ``samples.zarr`` for a model with these settings; a codec makes its conditions."""

    patches: xr.Dataset
    settings: ModelSettings
    codec: Codec

    def __len__(self) -> int:
        return int(self.patches.sizes["site"])

    def data(self, rows: np.ndarray | slice) -> Data:
        """Some of the sites.

        Raises
        ------
        UserError : as ``train.data.gather``.
        """
        return gather(self.patches.isel(site=rows), self.settings, self.codec)

    def some(self, count: int) -> np.ndarray:
        """Indices of at most ``count`` sites, evenly spread over all."""
        return np.unique(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """What the encoder sees of some sites: (row, channel, height, width)."""
        own = self.patches[self.settings.view].isel(site=rows)
        values = np.asarray(own.values, np.float32)
        return values if values.ndim == 4 else values[:, None, None, :]

    def blocks(self) -> Iterator[tuple[slice, Data]]:
        """All sites in order, with where they stand."""
        for start in range(0, len(self), self.block):
            rows = slice(start, min(start + self.block, len(self)))
            yield rows, self.data(rows)

    @cached_property
    def block(self) -> int:
        """Sites of a block."""
        each = self.patches[self.settings.view].nbytes / max(len(self), 1)
        return int(np.clip(BLOCK_BYTES / max(each, 1), 256, 16384))
