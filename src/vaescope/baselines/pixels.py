"""Input of the classical methods: the pixels of the models, of a bounded number of sites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope import samples
from vaescope.errors import UserError
from vaescope.models.disc import in_disc

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 12  # sites below which no method has anything to find
REDUCED = 50  # principal components in which distances are measured
BLOCK = 4096  # sites worked on at once where each of them needs room
_EMPTY = 1e-12  # variance of a pixel below which patches do not differ
Rows = Callable[[slice], np.ndarray]
"""What gives pixels (site, pixel) of some sites, so that those of all need not be held at once."""


@dataclass
class Pixels:
    """Sites as rows of pixels.

    ``values`` (site, pixel): all channels of the pixels under the mask, one after the other.
    ``rows`` : indices of the sites that a method may be fitted to. ``components``, ``clusters``,
    ``seed`` : what is asked of it.
    """

    values: np.ndarray
    rows: np.ndarray
    components: int
    clusters: int
    seed: int

    def __len__(self) -> int:
        return len(self.values)

    def only(self, rows: np.ndarray) -> Pixels:
        """Restrict the input to some sites, all of them fitted."""
        return Pixels(
            np.ascontiguousarray(self.values[rows]),
            np.arange(len(rows)),
            self.components,
            self.clusters,
            self.seed + 1,
        )

    def at_most(self, count: int) -> Pixels:
        """Restrict the fit to fewer sites; the principal components stay."""
        if count >= len(self.rows):
            return self
        rng = np.random.default_rng(self.seed)
        fewer = replace(self, rows=np.sort(rng.choice(self.rows, count, replace=False)))
        fewer.__dict__["_basis"] = self._basis
        fewer.__dict__["reduced"] = self.reduced
        return fewer

    @cached_property
    def mean(self) -> np.ndarray:
        """(pixel,) mean of the fitted sites."""
        return self.values[self.rows].mean(0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (pixel,) and principal components (component, pixel) of the fitted sites."""
        from sklearn.decomposition import PCA

        fitted = self.values[self.rows]
        count = min(max(REDUCED, self.components), len(fitted) - 1, fitted.shape[1])
        # Exact where that is quick; else by a random projection, which is much quicker.
        solver = "full" if min(fitted.shape) <= 500 else "randomized"
        model = PCA(count, svd_solver=solver, random_state=self.seed).fit(fitted)
        return model.mean_.astype(np.float32), model.components_.astype(np.float32)

    @property
    def basis(self) -> np.ndarray:
        """(component, pixel) orthonormal principal components, strongest first."""
        return self._basis[1]

    @cached_property
    def reduced(self) -> np.ndarray:
        """(site, component) scores of all sites on ``basis``."""
        return (self.values - self._basis[0]) @ self.basis.T

    def drawn(self, places: np.ndarray) -> np.ndarray:
        """Pixels (row, pixel) of places (row, component) in the first principal components."""
        return self._basis[0] + places.astype(np.float32) @ self.basis[: places.shape[1]]

    def explained(self, reconstruction: Rows) -> float:
        """Share of the variance of all sites' pixels that a reconstruction holds."""
        return explained(len(self), lambda some: self.values[some], reconstruction)


def explained(count: int, values: Rows, reconstruction: Rows) -> float:
    """1 − |values − reconstruction|² / |values − mean|² over the pixels of so many sites."""
    blocks = [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]
    mean = np.sum([values(some).sum(0, dtype=np.float64) for some in blocks], axis=0) / count
    total = left = 0.0
    for some in blocks:
        seen = values(some)
        total += float(((seen - mean) ** 2).sum())
        left += float(((seen - reconstruction(some)) ** 2).sum(dtype=np.float64))
    return 1 - left / total if total > 0 else 0.0


def in_blocks(work: Callable[[np.ndarray], np.ndarray], points: np.ndarray) -> np.ndarray:
    """What ``work`` makes of the rows of some points, a bounded number of them at a time."""
    starts = range(0, len(points), BLOCK)
    return np.concatenate([work(points[start : start + BLOCK]) for start in starts])


def mask(height: int, width: int, disc: bool) -> np.ndarray:
    """(height, width) bool: the pixels that models see, which turn patches inside a circle."""
    if not (disc and height == width):
        return np.ones((height, width), bool)
    return in_disc(height)


def look(
    patches: xr.Dataset, *, disc: bool, components: int, clusters: int, seed: int, most: int
) -> Pixels:
    """Rows of pixels of all patches, of which at most ``most`` by chance are fitted.

    Raises
    ------
    UserError : too few patches, or patches that do not differ.
    """
    pictures = samples.pixels(patches)
    inside = mask(pictures.shape[2], pictures.shape[3], disc)
    values = np.ascontiguousarray(pictures[:, :, inside]).reshape(len(pictures), -1)
    if len(values) < FEWEST:
        raise UserError(
            "there are too few patches for any method",
            found=f"{len(values)}",
            expected=f"{FEWEST} or more",
        )
    if not np.isfinite(values).all():
        raise UserError("some patches hold pixels that are not numbers")
    if values.var(0).max() < _EMPTY:
        raise UserError("the patches do not differ from each other")
    rng = np.random.default_rng(seed)
    rows = np.arange(len(values))
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    return Pixels(values, rows, components, clusters, seed)
