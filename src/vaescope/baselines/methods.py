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
    """A method in words, and the function of a module of this room that fits it."""

    words: str
    module: str
    function: str

    def fit(self, pixels: Pixels) -> MethodResult:
        """Fit the method to pixels; what it needs is imported now."""
        module = import_module(f"vaescope.baselines.{self.module}")
        result: MethodResult = getattr(module, self.function)(pixels)
        return result


METHODS: dict[str, Method] = {
    "pca": Method("PCA", "factors", "pca"),
    "nmf": Method("NMF", "factors", "nmf"),
    "unmixing": Method("linear unmixing", "factors", "endmembers"),
    "kmeans": Method("k-means", "clusters", "kmeans"),
    "gmm": Method("GMM", "clusters", "gmm"),
    "dbscan": Method("DBSCAN", "clusters", "dbscan"),
    "hdbscan": Method("HDBSCAN", "clusters", "hdbscan"),
    "som": Method("self-organising map", "clusters", "som"),
    "isomap": Method("Isomap", "embeddings", "isomap"),
    "umap": Method("UMAP", "embeddings", "umap"),
    "tsne": Method("t-SNE", "embeddings", "tsne"),
}
"""Every method by its name in a recipe."""
