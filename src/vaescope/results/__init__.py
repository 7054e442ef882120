"""The results of one dataset: what lies in its folder, and how it is opened."""

from vaescope.results.dataset import Results
from vaescope.results.model import ModelResults

__all__ = ["ModelResults", "Results"]
