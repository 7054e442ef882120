"""Input of the classical methods: one view of the sites, as rows of features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vaescope import samples
from vaescope.baselines import subspace
from vaescope.baselines.rows import Block, Rows, blocks, explained
from vaescope.errors import UserError
from vaescope.models.disc import in_disc
from vaescope.samples import gaps

if TYPE_CHECKING:
    import xarray as xr

FEWEST = 12  # sites below which no method has anything to find
REDUCED = 50  # principal components in which distances are measured
_EMPTY = 1e-12  # variance of a pixel below which patches do not differ


@dataclass
class Pixels:
    """Sites as rows of pixels, or of the channels of a spectrum.

    ``values`` (site, pixel): of patches all channels of the pixels under the mask, one after the
    other; of spectra the recorded signal. ``rows`` : indices of the sites that a method may be
    fitted to. ``components``, ``clusters``, ``seed`` : what is asked of it. ``spectra`` : whether
    rows are spectra, then with their ``average`` (pixel,), the ``scale`` (pixel,) that makes noise
    alike, ``counts``, whether
    noise is that of counts, and how they are to be unmixed: ``corners``, ``shares`` (see
    ``baselines.settings``).
    """

    values: Block
    rows: np.ndarray
    components: int
    clusters: int
    seed: int
    spectra: bool = False
    scale: np.ndarray | float = 1.0
    average: np.ndarray | None = None
    counts: bool = False
    corners: str = "likelihood"
    shares: str = "auto"

    def __len__(self) -> int:
        return len(self.values)

    def only(self, rows: np.ndarray) -> Pixels:
        """Restrict the input to some sites, all of them fitted."""
        if self.spectra:  # those on disk are not read again
            values = self.fitted[np.searchsorted(self.rows, rows)]
        else:
            values = np.ascontiguousarray(self.values[rows])
        average = values.mean(0, dtype=np.float64) if self.spectra else None
        return replace(
            self, values=values, average=average, rows=np.arange(len(rows)), seed=self.seed + 1
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
    def fitted(self) -> np.ndarray:
        """(row, pixel) values of the sites that are fitted."""
        return np.asarray(self.values[self.rows])

    @cached_property
    def directions(self) -> subspace.Directions:
        """Principal directions of all spectra."""
        assert self.average is not None
        scale = np.broadcast_to(np.asarray(self.scale, np.float32), self.average.shape)
        count = max(REDUCED, self.components)
        return subspace.directions(self.block, len(self), scale, self.average, count, self.seed)

    @cached_property
    def mean(self) -> np.ndarray:
        """(pixel,) mean of the fitted sites."""
        return self.values[self.rows].mean(0, dtype=np.float64).astype(np.float32)

    @cached_property
    def _basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (pixel,) and principal components (component, pixel), in units of ``scale``: of the
        fitted sites, or of the spectra of all."""
        if self.spectra:
            found = self.directions
            return found.mean, found.vectors.astype(np.float32)
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
        if not self.spectra:
            return (self.block(slice(None)) - self._basis[0]) @ self.basis.T
        return np.concatenate(
            [
                (self.block(some) / self.scale - self._basis[0]) @ self.basis.T
                for some in blocks(len(self))
            ]
        )

    def block(self, some: slice) -> np.ndarray:
        """Values (site, pixel) of some sites."""
        return np.asarray(self.values[some])

    def drawn(self, places: np.ndarray) -> np.ndarray:
        """Pixels (row, pixel) of places (row, component) in the first principal components."""
        drawn = self._basis[0] + places.astype(np.float32) @ self.basis[: places.shape[1]]
        return drawn * self.scale if self.spectra else drawn

    def explained(self, reconstruction: Rows) -> float:
        """Share of the variance of all sites' pixels that a reconstruction holds."""
        return explained(len(self), self.block, reconstruction, self.average)


def mask(height: int, width: int, disc: bool) -> np.ndarray:
    """(height, width) bool: the pixels that models see, which turn patches inside a circle."""
    if not (disc and height == width):
        return np.ones((height, width), bool)
    return in_disc(height)


def look_at_patches(
    patches: xr.Dataset, *, disc: bool, components: int, clusters: int, seed: int, most: int
) -> Pixels:
    """Rows of pixels of all patches, of which at most ``most`` by chance are fitted.

    Raises
    ------
    UserError : too few patches, or patches that do not differ.
    """
    pictures = samples.pixels(patches)
    if (measured := gaps.known(patches)) is not None:
        pictures = gaps.refilled(pictures, measured)
    inside = mask(pictures.shape[2], pictures.shape[3], disc)
    values = np.ascontiguousarray(pictures[:, :, inside]).reshape(len(pictures), -1)
    if gaps.whole(patches).sum() < FEWEST:
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
    rows = np.flatnonzero(gaps.whole(patches))
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    return Pixels(values, rows, components, clusters, seed)
