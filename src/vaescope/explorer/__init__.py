"""The linked latent explorer: image, latent plane and patches of a dataset, inside its report."""

from vaescope.explorer.page import Explorer, build

__all__ = ["Explorer", "build"]
