"""Stacks of pictures as systems: every frame is a patch of which all is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.simulate import cards, pairs
from vaescope.simulate.arguments import recorded

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class StackSystem:
    """A stack that can be simulated.

    ``deal`` : its pictures ``images`` (frame, y, x), and (frame, …) what is known of each.
    ``parameters`` : with their defaults. ``classes`` : what the values of ``label`` stand for.
    """

    deal: Callable[[Any, np.random.Generator], dict[str, np.ndarray]]
    parameters: Any
    classes: tuple[str, ...] = ()

    def make(self, name: str, parameters: Any, seed: int) -> xr.Dataset:
        """Simulate the stack that a name with parameters stands for, with its truth."""
        import dask.array as da
        import xarray as xr

        from vaescope.read import ground_truth

        made = self.deal(parameters, np.random.default_rng(seed))
        images = made.pop("images")
        truth = ground_truth.per_frame({key: da.from_array(value) for key, value in made.items()})
        about = {"long_name": "signal", "units": "1"}
        axis = np.arange(images.shape[1], dtype=float)
        dataset = xr.Dataset(
            {"image": (("time", "channel", "y", "x"), images[:, None], about), **truth},
            coords={
                "time": np.arange(len(images)),
                "channel": ["simulated"],
                "y": ("y", axis, {"long_name": "y", "units": "px"}),
                "x": ("x", axis, {"long_name": "x", "units": "px"}),
            },
            attrs={
                "pixel_size": 1.0,
                "pixel_unit": "px",
                "calibrated": False,
                **recorded(name, parameters, seed),
                **({"truth_classes": list(self.classes)} if self.classes else {}),
            },
        )
        return dataset.chunk({"time": 256})


STACKS: dict[str, StackSystem] = {
    **{
        name: StackSystem(cards.deal, cards.CardParameters(**preset), cards.SUITS)
        for name, preset in cards.SETS.items()
    },
    "stem-pairs": StackSystem(pairs.stem, pairs.StemParameters()),
    "colour-cards": StackSystem(pairs.colour, pairs.ColourParameters(), cards.SUITS),
}
