"""The linked latent explorer: image, latent plane and patches of a dataset, inside its report."""

from vaescope.explorer.page import ExplorerPage, build

__all__ = ["ExplorerPage", "build"]
