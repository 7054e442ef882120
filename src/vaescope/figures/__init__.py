"""Figures: one function per figure, a house style, files that are never overwritten.

``draw`` makes all figures of a dataset from its stores. Every figure states its title in words,
its units, the number of sites, the dataset and the version of the result it shows.
"""

from vaescope.figures.catalogue import draw, figures
from vaescope.figures.scene import Scene, load
from vaescope.figures.sheet import FinishedFigure
from vaescope.figures.style import Look, house
from vaescope.results import ModelResults

__all__ = ["FinishedFigure", "Look", "ModelResults", "Scene", "draw", "figures", "house", "load"]
