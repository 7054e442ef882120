"""Tell bright columns from dark ones by what distinguishes a column from the hole between columns.

A lattice of bright columns is a lattice of dark holes as well, just as regular. But columns are
sharp and high, and holes wide and shallow: a Laplacian of Gaussian of the width of a column takes
large values at columns and small ones elsewhere, so that its distribution is skewed to the side of
the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from vaescope.sites.scale import Scale, without_outliers
from vaescope.sites.settings import UNSURE_SKEWNESS

Name = Literal["bright", "dark"]
_SURE_WITHOUT_ORDER = 1.0  # without a lattice, holes and spots of dirt are sharp as well
_CLIPPED = 0.5  # per cent of the values at either end are drawn in
_MOST = 3  # parts of an image that are looked at


@dataclass(frozen=True)
class Polarity:
    """Whether columns are bright or dark; ``skewness`` of the filtered image, by which it was
    chosen: positive for bright columns, NaN where the recipe says it."""

    name: Name = "bright"
    skewness: float = float("nan")

    @property
    def sign(self) -> float:
        """By which the image is multiplied so that columns are bright."""
        return 1.0 if self.name == "bright" else -1.0


def choose(parts: Sequence[np.ndarray], lengths: Scale) -> Polarity:
    """Choose the polarity of an image by some parts of it (height, width), finite.

    Where it is unsure, columns are taken as bright.
    """
    some = parts[:: -(-len(parts) // _MOST)]
    found = float(np.median([skewness(part, lengths) for part in some]))
    limit = UNSURE_SKEWNESS if lengths.periodic else _SURE_WITHOUT_ORDER
    return Polarity("dark" if found < -limit else "bright", found)


def skewness(image: np.ndarray, lengths: Scale) -> float:
    """Skewness of the negative Laplacian of Gaussian, of the width of a column, of an image
    (height, width); 0 where it is constant."""
    smooth = without_outliers(np.asarray(image, float), lengths.outlier)
    response = -ndimage.gaussian_laplace(smooth, max(lengths.width, 0.8), truncate=3.0)
    response = np.clip(response, *np.percentile(response, [_CLIPPED, 100 - _CLIPPED]))
    response -= response.mean()
    spread = float(response.std())
    return float((response**3).mean()) / spread**3 if spread > 0 else 0.0
