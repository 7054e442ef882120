"""The named variants: each is a row of settings of the one family, none is a class of its own."""

from __future__ import annotations

from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "vae": {"rotation": False, "offsets": False, "strain": False},
    "tvae": {"rotation": False, "offsets": True},
    "rvae": {"rotation": True, "offsets": True},
    "rvae-fixed-centre": {"rotation": True, "offsets": False},
    "jvae": {"rotation": False, "offsets": False, "classes": 4},
    "jrvae": {"rotation": True, "offsets": True, "classes": 4},
}
"""name -> the settings in which it differs from the defaults of ``Settings``."""

LABELS = {
    "vae": "variational autoencoder",
    "tvae": "VAE invariant to shifts",
    "rvae": "VAE invariant to rotation and shifts",
    "rvae-fixed-centre": "VAE invariant to rotation",
    "jvae": "VAE with discrete classes",
    "jrvae": "VAE with discrete classes, invariant to rotation and shifts",
}
"""name -> the same in words, for figures and reports."""
