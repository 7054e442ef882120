"""Figures: one function per figure, a house style, files that are never overwritten.

``draw`` makes all figures of a dataset from its stores. Every figure states its title in words,
its units, the number of sites, the dataset and the version of the result it shows.
"""

from vaescope.figures.catalogue import draw, figures
from vaescope.figures.sheet import Drawn
from vaescope.figures.style import Look, house
from vaescope.results import Scene, View, load

__all__ = ["Drawn", "Look", "Scene", "View", "draw", "figures", "house", "load"]
