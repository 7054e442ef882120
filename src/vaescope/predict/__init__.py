"""Spectra predicted from images, on places held out of training, with bands and baselines."""

from vaescope.predict.prediction import ImagedSpectra, spectra
from vaescope.predict.predictors import BASELINES, WORDS, Outside
from vaescope.predict.settings import PredictSettings

__all__ = ["BASELINES", "WORDS", "ImagedSpectra", "Outside", "PredictSettings", "spectra"]
