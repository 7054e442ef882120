"""Domain walls of ferroelectrics: found in the piezoresponse, described, followed between frames.

Arrays in, arrays and data classes out; nothing here knows stores or sites.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vaescope.walls.settings import WallFinding

if TYPE_CHECKING:
    from vaescope.walls.finding import find
    from vaescope.walls.signal import Signal, signal_of
    from vaescope.walls.wall import Wall

__all__ = ["Signal", "Wall", "WallFinding", "find", "signal_of"]

_FROM = {"find": "finding", "Signal": "signal", "signal_of": "signal", "Wall": "wall"}


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what computes only when it is used: a plan of a run needs the settings alone."""
        if name in _FROM:
            return getattr(import_module(f"vaescope.walls.{_FROM[name]}"), name)
        raise AttributeError(f"module `vaescope.walls` has no `{name}`")
