"""Domain walls of ferroelectrics: found in the piezoresponse, described, followed between frames.

Arrays in, arrays and data classes out; nothing here knows stores or sites.
"""

from __future__ import annotations

from vaescope.walls.find import find
from vaescope.walls.settings import WallFinding
from vaescope.walls.signal import Signal, signal_of
from vaescope.walls.wall import Wall

__all__ = ["Signal", "Wall", "WallFinding", "find", "signal_of"]
