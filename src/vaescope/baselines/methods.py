"""The classical methods: a row for each, with its words and the function that fits it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaescope.baselines.outcome import MethodResult
    from vaescope.baselines.pixels import Pixels


@dataclass(frozen=True)
class Method:
    """A method in words, and the function of a module of this room that fits it.

    ``own_labels``: it sorts sites into groups by itself; otherwise k-means sorts its coordinates.
    ``pictures`` says what the pictures are that stand for it; ``signed``: they have both signs.
    ``on_grid``: its embedding are units of a square map, its pictures these units, row by row.
    """

    words: str
    module: str
    function: str
    own_labels: bool = False
    pictures: str = "mean patches of its labels"
    signed: bool = False
    on_grid: bool = False

    def fit(self, pixels: Pixels) -> MethodResult:
        """Fit the method to pixels; what it needs is imported now."""
        module = import_module(f"vaescope.baselines.{self.module}")
        result: MethodResult = getattr(module, self.function)(pixels)
        return result


METHODS: dict[str, Method] = {
    "pca": Method("PCA", "factors", "pca", pictures="components", signed=True),
    "nmf": Method("NMF", "factors", "nmf", own_labels=True, pictures="components"),
    "unmixing": Method(
        "linear unmixing", "factors", "endmembers", own_labels=True, pictures="end members"
    ),
    "kmeans": Method("k-means", "clusters", "kmeans", own_labels=True, pictures="centres"),
    "gmm": Method("GMM", "clusters", "gmm", own_labels=True, pictures="means"),
    "dbscan": Method("DBSCAN", "clusters", "dbscan", own_labels=True),
    "hdbscan": Method("HDBSCAN", "clusters", "hdbscan", own_labels=True),
    "som": Method(
        "self-organising map", "clusters", "som", own_labels=True, pictures="units", on_grid=True
    ),
    "isomap": Method("Isomap", "embeddings", "isomap"),
    "umap": Method("UMAP", "embeddings", "umap"),
    "tsne": Method("t-SNE", "embeddings", "tsne"),
}
"""Every method by its name in a recipe."""
TRAITS = ("own_labels", "signed", "on_grid")
"""Traits of each method in ``baselines.zarr``."""
