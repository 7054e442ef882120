"""Helpers for the tests of reading spectra: a cube, and a file read as the workflow reads it."""

import numpy as np

from vaescope import read

READ = {"read": True}


def cube(height=17, width=20, channels=64, seed=0, counts=False):
    """(height, width, channels): a peak whose place and height vary from place to place."""
    rng = np.random.default_rng(seed)
    y, x, e = np.mgrid[:height, :width, :channels]
    place = channels * (0.3 + 0.4 * y / height) + 0.2 * x
    made = 20 + 100 * np.exp(-(((e - place) / 3) ** 2)) * (1 + x / width)
    return rng.poisson(made).astype("f4") if counts else made + rng.normal(0, 1, made.shape)


def load(path, settings=None, **options):
    settings = READ | (settings or {})
    image = read.load(path, spectra=settings, **options)
    return image, read.load_spectra(path, settings, **options)


def hspy(path, *signals):
    from rsciio import hspy as writer

    writer.file_writer(str(path), signals[0])
    return path
