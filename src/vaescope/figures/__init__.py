"""Figures: one function per figure, a house style, files that are never overwritten.

``draw`` makes all figures of a dataset from its stores. Every figure states its title in words,
its units, the number of sites, the dataset and the version of the result it shows.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vaescope.figures.settings import Look

if TYPE_CHECKING:
    from vaescope.figures.catalogue import figures
    from vaescope.figures.drawing import draw
    from vaescope.figures.scene import Scene, load
    from vaescope.figures.sheet import FinishedFigure
    from vaescope.figures.style import house
    from vaescope.results import ModelResults

__all__ = ["FinishedFigure", "Look", "ModelResults", "Scene", "draw", "figures", "house", "load"]

_FROM = {
    "draw": "figures.drawing",
    "figures": "figures.catalogue",
    "FinishedFigure": "figures.sheet",
    "house": "figures.style",
    "ModelResults": "results",
    "Scene": "figures.scene",
    "load": "figures.scene",
}


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what draws only when it is asked for: a plan of a run needs the settings alone."""
        if name in _FROM:
            return getattr(import_module(f"vaescope.{_FROM[name]}"), name)
        raise AttributeError(f"module `vaescope.figures` has no `{name}`")
