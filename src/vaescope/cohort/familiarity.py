"""Whether an image looks like those that the models of its group were trained on.

Two things make a site strange: its content lies where hardly any site of another image of the group
lies, or the models explain it worse than nearly all sites of these. What share of strange sites is
still usual follows from the images of the group, each held against the others.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope.columns import IMAGE

if TYPE_CHECKING:
    import xarray as xr

NEAREST = 5  # sites of other images, by whose distance it counts how usual a content is
USUAL = 0.99  # share of the sites of the group that are less strange than a strange one
LEVEL = 0.95  # of images like those of the group have fewer strange sites than the limit
LEAST, UNKNOWN = 0.06, 0.15  # of the limit, and the limit where too few images settle it
ENOUGH = 3  # images that settle it
_LOOKED_AT = 400  # patches from which the noise of an image is estimated
# Of an image's second differences, which a smooth picture has not (J. Immerkær, Comput. Vis. Image
# Underst. 64 (1996) 300).
_SECOND = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])


@dataclass(frozen=True)
class Familiarity:
    """The ``share`` of strange sites of an image, of them ``by_content`` and ``by_residual``; what
    is ``usual`` in the images of the group, and the ``limit`` above which an image does not
    belong; ``images`` from which it follows."""

    share: float
    by_content: float
    by_residual: float
    usual: float
    limit: float
    images: int

    def attributes(self) -> dict[str, Any]:
        """As attributes of ``latents.zarr``."""
        return {f"unfamiliar_{name}": value for name, value in asdict(self).items()}


def familiarity(latents: xr.Dataset, samples: xr.Dataset, frame: np.ndarray) -> Familiarity:
    """How familiar the sites of an image are.

    Parameters
    ----------
    latents : of a model, of the samples of the group and behind them those of one image.
    samples : the same sites, as ``joined.behind`` gives them.
    frame : which of them (site,) bool are those of the group.
    """
    image = samples[IMAGE].values
    content = latents["consensus_content"].values
    content = content / (content[frame].std(0) + 1e-12)
    residual = np.log(np.maximum(latents["residual"].values, 1e-12))
    residual = residual - 2 * np.log(_noise(samples, image))
    far = _distances(content, image, frame)
    strange = [
        far > np.quantile(far[frame], USUAL),
        residual > np.quantile(residual[frame], USUAL),
    ]
    either = strange[0] | strange[1]
    numbers = np.unique(image[frame])
    of_group = np.array([either[frame & (image == number)].mean() for number in numbers])
    own = ~frame
    return Familiarity(
        share=float(either[own].mean()) if own.any() else 0.0,
        by_content=float(strange[0][own].mean()) if own.any() else 0.0,
        by_residual=float(strange[1][own].mean()) if own.any() else 0.0,
        usual=float(of_group.mean()),
        limit=_limit(of_group),
        images=len(numbers),
    )


def _distances(content: np.ndarray, image: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Distance (site,) of each content from the nearest sites of the group that are of another
    image; of the same, where there is no other."""
    far = np.empty(len(content))
    numbers = np.unique(image)
    alone = len(np.unique(image[frame])) == 1
    for number in numbers:
        own = image == number
        others = frame if alone else frame & ~own
        skipped = 1 if alone and (own & frame).any() else 0  # a site is no neighbour of its own
        count = min(NEAREST + skipped, int(others.sum()))
        near = cKDTree(content[others]).query(content[own], count)[0].reshape(own.sum(), -1)
        far[own] = near[:, -1]
    return far


def _noise(samples: xr.Dataset, image: np.ndarray) -> np.ndarray:
    """Noise (site,) of the patches of the image of each site, in their own units."""
    noise = np.ones(len(image))
    for number in np.unique(image):
        rows = np.flatnonzero(image == number)
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _LOOKED_AT)).astype(int)]
        patches = np.asarray(samples["patch"].isel(site=rows).values, float)
        second = ndimage.convolve(np.nan_to_num(patches), _SECOND[None, None])[..., 1:-1, 1:-1]
        found = float(np.median(np.abs(second).mean((1, 2, 3)))) * (np.pi / 2) ** 0.5 / 6
        noise[image == number] = max(found, 1e-6)
    return noise


def _limit(share: np.ndarray) -> float:
    """Share of strange sites up to which an image is one like those of the group, of which these
    (image,) are the shares: the end of the prediction interval of their logarithms of odds."""
    if len(share) < ENOUGH:
        return UNKNOWN
    from scipy import stats

    odds = np.log((share + 0.002) / (1 - share + 0.002))
    reach = float(stats.t.ppf(LEVEL, len(share) - 1) * odds.std(ddof=1))
    end = odds.mean() + reach * (1 + 1 / len(share)) ** 0.5
    return float(max(1 / (1 + np.exp(-end)), LEAST))
