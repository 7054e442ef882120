"""What was believed after so many spectra, on disk as soon as it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vaescope.explore.checkpoints import arrays_of, keep_arrays


class Beliefs:
    """Beliefs of one search, one file for each number of spectra after which they are kept.

    Parameters
    ----------
    folder : where the files lie. kept : (k,) the numbers of spectra.
    """

    def __init__(self, folder: Path, kept: np.ndarray) -> None:
        self.folder, self.kept = folder, [int(count) for count in kept]

    def _file(self, count: int) -> Path:
        return self.folder / f"belief-{count}.npz"

    def has(self, count: int) -> bool:
        """Whether the belief after so many spectra is there and can be read."""
        return arrays_of(self._file(count)) is not None

    def keep(self, count: int, mean: np.ndarray, sd: np.ndarray, factor: float) -> None:
        """Write a belief: mean and sd (site,), and the factor that is in sd."""
        keep_arrays(self._file(count), mean=mean, sd=sd, factor=factor)

    def _there(self) -> list[int]:
        return [count for count in self.kept if self.has(count)]

    def _read(self, count: int, name: str) -> np.ndarray:
        with np.load(self._file(count), allow_pickle=False) as found:
            return found[name]

    def all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of spectra (kept,), and mean and sd (kept, site)."""
        there = self._there()
        mean, sd = (np.stack([self._read(k, name) for k in there]) for name in ("mean", "sd"))
        return np.array(there), mean, sd

    def factors(self) -> np.ndarray:
        """(kept,) factors."""
        return np.array([float(self._read(count, "factor")) for count in self._there()])
