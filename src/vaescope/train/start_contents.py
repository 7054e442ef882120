"""Contents from which a training starts: the sites laid out along the cloud that they form.

From random weights a model folds a curved cloud of curves onto itself, and gradients do not undo a
fold: where two sheets lie on each other, neither is decoded. Isomap (J. B. Tenenbaum et al.,
Science 290 (2000) 2319) lays the cloud out by distances along it. At first the encoder learns
nothing but this layout, and the decoder what lies where in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vaescope.models.input_scaling import principal_axes
from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.train.data import Data

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SHARE = 0.3  # of the training, after which the model is left to itself
ERROR = 0.03  # by which the encoder may differ, in units of the spread of the contents
LANDMARKS = 300  # sites to which the others know their distance
NEAR = 10  # neighbours to which a path may lead


class StartContents:
    """``content`` (member, site, latent) that the encoder learns until the step ``last``."""

    first = 0

    def __init__(self, content: Tensor, last: int) -> None:
        self.content, self.last = content, last

    @classmethod
    def of(
        cls, data: Data, settings: ModelSettings, seeds: Sequence[int], device: torch.device
    ) -> StartContents | None:
        """Those of a training, for each member its own; None where the settings have none."""
        if settings.start_content != "isomap":
            return None
        rows = data.patches.reshape(len(data.patches), -1)
        found = np.stack([lay_out(rows, settings.latent, seed) for seed in seeds])
        content = torch.from_numpy(found).float().to(device)
        return cls(content, int(SHARE * settings.steps))

    def tell(self, side: Side, chosen: Tensor) -> None:
        """Add to ``side`` the contents of the chosen sites (member, site)."""
        mean = torch.stack([own[rows] for own, rows in zip(self.content, chosen, strict=True)])
        side.content = mean, ERROR


def lay_out(rows: np.ndarray, dimensions: int, seed: int = 0) -> np.ndarray:
    """Lay rows (site, number) out along their cloud: (site, dimensions), with unit mean variance of
    the cloud.

    Distances are between the components of ``models.input_scaling.principal_axes``. Outliers of the
    cloud would bend the layout, and are put beside it, outwards.
    """
    from scipy.spatial import cKDTree
    from sklearn.neighbors import kneighbors_graph

    rng = np.random.default_rng(seed)
    mean, principal = principal_axes(rows)
    points = (rows - mean) @ principal
    near = min(NEAR, len(points) - 1)
    graph = kneighbors_graph(points, near, mode="distance")
    cloud = _cloud(graph)
    place = np.zeros((len(points), dimensions))
    place[cloud] = _along(graph.maximum(graph.T)[cloud][:, cloud], dimensions, rng)
    size = max(float(np.sqrt((place[cloud] ** 2).mean())), 1e-12)
    beside = np.setdiff1d(np.arange(len(points)), cloud)
    if len(beside):
        far, nearest = cKDTree(points[cloud]).query(points[beside])
        start = place[cloud][nearest]
        length = np.maximum(np.linalg.norm(start, axis=1, keepdims=True), 1e-12)
        place[beside] = start + start / length * far[:, None]
    return place / size


def _cloud(graph: csr_matrix) -> np.ndarray:
    """The sites of the largest part of a graph of nearest neighbours in which sites are joined that
    are neighbours of each other; all sites, where it holds less than half of them.

    Outliers have neighbours in the cloud, but are none of theirs (M. R. Brito et al., Stat. Probab.
    Lett. 35 (1997) 33).
    """
    from scipy.sparse.csgraph import connected_components

    _, part = connected_components(graph.minimum(graph.T), directed=False)
    cloud = np.flatnonzero(part == np.bincount(part).argmax())
    return cloud if 2 * len(cloud) >= len(part) else np.arange(len(part))


def _along(graph: csr_matrix, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    """Places (site, dimensions) of the sites of a graph with distances for edges. Paths lead over
    all sites; distances to some of them give the layout (V. de Silva & J. B. Tenenbaum, Adv. Neural
    Inf. Process. Syst. 15 (2003) 721)."""
    from scipy.sparse.csgraph import dijkstra

    landmarks = rng.permutation(graph.shape[0])[:LANDMARKS]
    far = dijkstra(graph, directed=False, indices=landmarks)
    reached = np.isfinite(far)
    far[~reached] = far[reached].max()  # parts of the cloud that nothing joins
    squares = far**2
    between = squares[:, landmarks]
    centred = between - between.mean(0) - between.mean(1, keepdims=True) + between.mean()
    sizes, axes = np.linalg.eigh(-0.5 * centred)
    used = slice(-1, -dimensions - 1, -1)
    axes = axes[:, used] / np.sqrt(np.maximum(sizes[used], 1e-12))
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(dimensions)])  # else left to rounding
    place = -0.5 * (squares - between.mean(1, keepdims=True)).T @ axes
    return np.asarray(place - place.mean(0))
