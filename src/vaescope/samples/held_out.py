"""Which sites are held out of training, in space, and which calibrate.

Neighbouring sites share pixels of their windows and counts of the probe's tail, so a random split
tests on what was nearly seen in training. Contiguous blocks with a gap between do not.

Source: D. R. Roberts et al., Ecography 40 (2017) 913.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

HELD_OUT = "held_out"
"""Column of samples that says which of them models are not trained on."""
TRAINED, TEST, GAP = 0, 1, 2
"""Its values: trained on; held out and judged; held out, and too near to training to be judged."""
WAYS = ("blocks", "random")
"""How sites can be held out: in contiguous blocks, or at random, which flatters."""

LEAST = 8
"""Sites that training and testing need at least."""


@dataclass(frozen=True)
class Split:
    """Sites by their use: ``train`` and ``test`` (site,) bool; those of neither lie in the gap.

    ``flatters`` : test sites lie beside training sites, so errors come out too small.
    """

    train: np.ndarray
    test: np.ndarray
    flatters: bool = False


def blocks(row: np.ndarray, column: np.ndarray, share: float, gap: float, seed: int) -> Split:
    """Hold out the sites at one end of the grid; the seed chooses the end.

    Parameters
    ----------
    row, column : (site,) place of each site, in pixels of the spectrum image.
    share : of the sites, to hold out; between 0 and 1.
    gap : width between training and test sites that neither uses, in the same pixels.
    seed : chooses among the ends of the longer axis, or all four ends of a grid nearly square.

    Raises
    ------
    UserError : fewer than ``LEAST`` sites are left to train or to test on.
    """
    if len(row) < 2 * LEAST:
        raise _too_few(f"{len(row)}", f"{2 * LEAST}")
    place = np.stack([row, column], 1).astype(float)
    extent = np.ptp(place, axis=0)
    rng = np.random.default_rng(seed)
    axes = [axis for axis in (0, 1) if extent[axis] >= 0.7 * extent.max()]
    along = place[:, rng.choice(axes)] * rng.choice([-1, 1])
    test = along >= np.quantile(along, 1 - share)
    train = along < along[test].min() - gap
    _enough(train, test, f"blocks with a share of {share:g} and a gap of {gap:g} px")
    return Split(train, test)


@dataclass(frozen=True)
class HeldOut:
    """How sites are held out of training.

    ``how`` : ``blocks`` or ``random``; samples that lie in no image are held out at random.
    ``window`` : width of the gap, px of the image; None: the side of a patch. ``share``, ``seed`` :
    as of ``blocks``.
    """

    how: str = "blocks"
    share: float = 0.25
    window: float | None = None
    seed: int = 0

    def way(self, samples: xr.Dataset) -> str:
        """How sites of these samples are held out: one of ``WAYS``."""
        return self.how if samples.attrs.get("placed", True) else "random"

    def column(self, samples: xr.Dataset) -> np.ndarray:
        """The column ``held_out`` (site,) of a Dataset of samples: ``TRAINED``, ``TEST``, ``GAP``.

        Raises
        ------
        UserError : too few sites.
        """
        if self.way(samples) == "random":
            split = random(samples.sizes["site"], self.share, self.seed)
        else:
            pitch = [float(samples.attrs.get(f"spectra_pitch_{axis}", 1.0)) for axis in "yx"]
            row, column = (samples[a].values / p for a, p in zip("yx", pitch, strict=True))
            window = self.window or float(samples.attrs["size"])
            gap = window / float(np.sqrt(pitch[0] * pitch[1]))
            split = blocks(row, column, self.share, gap, self.seed)
        return np.select([split.train, split.test], [TRAINED, TEST], GAP).astype(np.int8)


def split_of(samples: xr.Dataset) -> Split | None:
    """The split that the column ``held_out`` of samples says; None without the column."""
    if HELD_OUT not in samples:
        return None
    value = samples[HELD_OUT].values
    flatters = samples[HELD_OUT].attrs.get("how") == "random"
    return Split(value == TRAINED, value == TEST, flatters)


def random(count: int, share: float, seed: int) -> Split:
    """Hold out sites at random: right for particles each measured alone, flattering on a grid.

    Raises
    ------
    UserError : fewer than ``LEAST`` sites are left to train or to test on.
    """
    order = np.random.default_rng(seed).permutation(count)
    test = np.zeros(count, bool)
    test[order[: round(share * count)]] = True
    _enough(~test, test, f"a random share of {share:g}")
    return Split(~test, test, flatters=True)


def folds(row: np.ndarray, column: np.ndarray, count: int, gap: float) -> list[Split]:
    """Cut sites into ``count`` contiguous blocks and hold out each, with a gap around it.

    The sites are halved across the longer side again and again. A gap that would leave fewer than
    half of the other sites to train on is narrowed until it does not.

    Parameters
    ----------
    row, column : (site,) place of each site. count : of blocks, at least 2. gap : as in ``blocks``.
    """
    place = np.stack([row, column], 1).astype(float)
    parts = [np.arange(len(place))]
    while len(parts) < count:
        largest = max(range(len(parts)), key=lambda k: len(parts[k]))
        parts.extend(_halves(place, parts.pop(largest)))
    return [_apart(place, part, gap) for part in parts]


def tiles(place: np.ndarray, side: float) -> list[np.ndarray]:
    """Cut sites at places (site, 2) into tiles no wider than a quarter more than ``side``, by
    halves: the rows of the sites of each."""
    done, parts = [], [np.arange(len(place))]
    while parts:
        part = parts.pop()
        if len(part) < 2 * LEAST or np.ptp(place[part], axis=0).max() + 1 <= 1.25 * side:
            done.append(part)
        else:
            parts.extend(_halves(place, part))
    return done


def random_folds(count: int, number: int, seed: int) -> list[Split]:
    """Cut sites without neighbours into ``number`` parts at random and hold out each."""
    part = np.random.default_rng(seed).permutation(count) % number
    return [Split(part != k, part == k, flatters=True) for k in range(number)]


def _halves(place: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axis = int(np.argmax(np.ptp(place[part], axis=0)))
    order = part[np.argsort(place[part, axis], kind="stable")]
    return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])


def _apart(place: np.ndarray, part: np.ndarray, gap: float) -> Split:
    from scipy.spatial import cKDTree

    test = np.zeros(len(place), bool)
    test[part] = True
    away = cKDTree(place[part]).query(place, p=np.inf)[0]
    others = np.sort(away[~test])
    reach = min(gap, others[len(others) // 2] - 1e-9) if len(others) else gap
    return Split(~test & (away > reach), test)


def _enough(train: np.ndarray, test: np.ndarray, how: str) -> None:
    if min(train.sum(), test.sum()) < LEAST:
        found = f"{train.sum()} to train and {test.sum()} to test on, with {how}"
        raise _too_few(found, f"{LEAST} of each")


def _too_few(found: str, expected: str) -> UserError:
    return UserError(
        "too few spectra to hold some out",
        found=found,
        expected=f"at least {expected}",
        remedy="Hold out another share, make the window smaller, or measure more spectra",
    )
