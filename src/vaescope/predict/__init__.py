"""Spectra predicted from images, on places held out of training, with bands and baselines."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vaescope.predict.settings import PredictSettings

if TYPE_CHECKING:
    from vaescope.predict.of_samples import beside, from_samples
    from vaescope.predict.prediction import ImagedSpectra, spectra
    from vaescope.predict.predictors import BASELINES, WORDS, Outside

__all__ = [
    "BASELINES",
    "WORDS",
    "ImagedSpectra",
    "Outside",
    "PredictSettings",
    "beside",
    "from_samples",
    "spectra",
]

_FROM = {
    "ImagedSpectra": "prediction",
    "spectra": "prediction",
    "BASELINES": "predictors",
    "WORDS": "predictors",
    "Outside": "predictors",
    "beside": "of_samples",
    "from_samples": "of_samples",
}

if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what computes only when it is needed: a plan of a run needs the settings alone."""
        if name in _FROM:
            return getattr(import_module(f"vaescope.predict.{_FROM[name]}"), name)
        raise AttributeError(f"module `vaescope.predict` has no `{name}`")
