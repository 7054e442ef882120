"""Crystals as systems: an image, or the frames of a movie, with the truth of every column."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.quantities import TRUTH, attributes
from vaescope.simulate import arguments
from vaescope.simulate.arguments import Parameters, recorded
from vaescope.simulate.lattice import Columns
from vaescope.simulate.microscope import microscope

if TYPE_CHECKING:
    import xarray as xr

Truths = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class System:
    """A crystal that can be simulated.

    ``build`` : its columns, of an image or of every frame of a movie. ``parameters`` : with their
    defaults. ``symmetry`` : turns by 360/symmetry degrees leave its lattice the same. ``names`` :
    what the values of a truth stand for. ``truths`` : attributes of what else is true of its
    columns (``Columns.more``). ``movie`` : whether it has several frames.
    """

    build: Callable[[Any, np.random.Generator], Columns | list[Columns]]
    parameters: Parameters
    symmetry: int
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    truths: Truths = field(default_factory=dict)
    movie: bool = False

    def make(self, name: str, parameters: Parameters, seed: int) -> xr.Dataset:
        """Simulate the image or movie that a name with parameters stands for, with its truth.

        Raises
        ------
        UserError : far too many columns.
        """
        import xarray as xr

        arguments.refuse_crowd(parameters, parameters.size, getattr(parameters, "frames", 1))
        rng = np.random.default_rng(seed)
        built = self.build(parameters, rng)
        frames = built if isinstance(built, list) else [built]
        scope = microscope(parameters, np.random.default_rng([seed, 1]))
        size = parameters.size
        counts = np.empty((len(frames), 1, size, size), np.float32)
        truths = []
        for index, columns in enumerate(frames):
            columns = scope.scan(columns)
            columns = columns.where(_within(columns.y, columns.x, size, scope.margin))
            expected = scope.expose(columns)
            counts[index, 0] = rng.poisson(expected)
            order = np.flatnonzero(_within(columns.y, columns.x, size, -0.5))
            order = order[np.lexsort((columns.x[order], columns.y[order]))]
            bound = scope.bound(columns, expected, order)
            seen = columns.where(order)
            truth = {"y": seen.y, "x": seen.x, "bound": bound, **seen.more}
            truth |= {"angle": seen.angle, "phase": seen.phase, "species": seen.species}
            if (gain := scope.gain_of(seen)) is not None:
                truth["gain"] = gain
            if self.movie:
                truth["frame"] = np.full(len(seen), index)
            truths.append(truth)
        about = {**_common(self.symmetry), **self.truths}
        known = {
            f"truth_{key}": (
                "truth_site",
                np.concatenate([each[key] for each in truths]),
                about[key],
            )
            for key in truths[0]
        }
        signal = {"long_name": "detected electrons", "units": "1"}
        pixel = parameters.pixel_size
        axis = np.arange(size) * pixel
        image = xr.Dataset(
            {"image": (("time", "channel", "y", "x"), counts, signal), **known},
            coords={
                "time": np.arange(len(frames)),
                "channel": ["simulated"],
                "y": ("y", axis, {"long_name": "y", "units": "nm"}),
                "x": ("x", axis, {"long_name": "x", "units": "nm"}),
            },
            attrs={
                "pixel_size": pixel,
                "pixel_unit": "nm",
                "calibrated": True,
                **recorded(name, parameters, seed),
                "truth_symmetry": self.symmetry,
                "dose": parameters.dose,
                **{f"truth_{key}_names": list(names) for key, names in self.names.items()},
            },
        )
        return image.chunk({"time": 1, "channel": 1, "y": min(size, 1024), "x": min(size, 1024)})


def truth(
    words: str, units: str, scale: Any = None, *, period: float | None = None
) -> dict[str, Any]:
    """Attributes of something true of every column."""
    return attributes(words, units, scale, period=period, group=TRUTH)


def _common(symmetry: int) -> Truths:
    """What is known of the columns of every crystal."""
    turn = 2 * np.pi / symmetry
    return {
        "y": truth("true row of the column", "px"),
        "x": truth("true column of the column", "px"),
        "angle": truth("true rotation of the lattice", "rad", "cyclic", period=turn),
        "phase": truth("true phase", "1", "categorical"),
        "species": truth("true sublattice", "1", "categorical"),
        "bound": truth("Cramér–Rao bound of the position per coordinate", "px"),
        "gain": truth("true gain", "1", "sequential"),
        "frame": truth("frame in which the column is seen", "1"),
    }


def _within(y: np.ndarray, x: np.ndarray, size: int, margin: float) -> np.ndarray:
    """Whether points lie inside the image enlarged by a margin on each side (px)."""
    low, high = -margin, size - 1 + margin
    return (y >= low) & (y <= high) & (x >= low) & (x <= high)
