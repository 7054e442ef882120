"""The named variants: each is a row of settings of the one family, none is a class of its own."""

from __future__ import annotations

from typing import Any

_STILL = {"rotation": False, "offsets": False}
_RECORDED = {"shift": True, "gain": True, "background": True}

VARIANTS: dict[str, dict[str, Any]] = {
    "ae": {**_STILL, "stochastic": False, "beta": 0.0},
    "dae": {**_STILL, "stochastic": False, "beta": 0.0, "latent": 16},
    "restore": {**_STILL, "stochastic": False, "beta": 0.0, "latent": 16},
    "vae": {**_STILL},
    "cvae": {**_STILL},
    "ssvae": {**_STILL},
    "jvae": {**_STILL, "classes": "auto"},
    "tvae": {"rotation": False, "offsets": True},
    "svae": {**_STILL, "scale": True},
    "rvae": {"rotation": True, "offsets": True},
    "rvae-fixed-centre": {"rotation": True, "offsets": False},
    "rtvae": {"rotation": True, "offsets": True},
    "crvae": {"rotation": True, "offsets": True},
    "ssrvae": {"rotation": True, "offsets": True},
    "jrvae": {"rotation": True, "offsets": True, "classes": "auto"},
    "jrtvae": {"rotation": True, "offsets": True, "classes": "auto"},
    "skip-rvae": {"rotation": True, "offsets": True, "skip": True, "decoder": "coordinate"},
    "multichannel-rvae": {"rotation": True, "offsets": True},
    "im2spec": {
        "rotation": True,
        "offsets": False,
        "target": "spectrum",
        "decoder": "basis",
        "latent": 8,
    },
    "spec2im": {"rotation": True, "offsets": True, "spectrum": "encoded"},
    "dualvae": {"rotation": True, "offsets": True, "spectrum": "joint"},
    "spectrum-vae": {
        **_STILL,
        **_RECORDED,
        "view": "spectrum",
        "decoder": "linear",
        "steps": 1200,
        "refine": 20,
    },
}
"""name -> the settings in which it differs from the defaults of ``ModelSettings``.

Structures in micrographs are never quite centred, so the ``r`` variants follow offsets as well;
``rtvae`` and ``jrtvae`` are their names in the literature for that. ``offsets: false`` takes them
out. Every variant takes patches of any number of channels; ``multichannel-rvae`` is the name under
which one looks for it.
"""

OF_SPECTRA = ("im2spec", "spec2im", "dualvae", "spectrum-vae")
"""Variants that need the spectrum of every site."""

NEEDS: dict[str, tuple[str, ...]] = {
    "dae": ("target",),
    "restore": ("target",),
    "cvae": ("condition",),
    "crvae": ("condition",),
    "ssvae": ("classes", "labels"),
    "ssrvae": ("classes", "labels"),
    "jvae": ("classes",),
    "jrvae": ("classes",),
    "jrtvae": ("classes",),
}
"""name -> settings without which the variant is not what its name says."""

LABELS = {
    "ae": "autoencoder",
    "dae": "denoising autoencoder",
    "restore": "restoring autoencoder",
    "vae": "variational autoencoder",
    "cvae": "conditional VAE",
    "ssvae": "semi-supervised VAE",
    "jvae": "VAE with discrete classes",
    "tvae": "VAE invariant to shifts",
    "svae": "VAE invariant to scale",
    "rvae": "VAE invariant to rotation and shifts",
    "rvae-fixed-centre": "VAE invariant to rotation",
    "rtvae": "VAE invariant to rotation and shifts",
    "crvae": "conditional VAE, invariant to rotation and shifts",
    "ssrvae": "semi-supervised VAE, invariant to rotation and shifts",
    "jrvae": "VAE with discrete classes, invariant to rotation and shifts",
    "jrtvae": "VAE with discrete classes, invariant to rotation and shifts",
    "skip-rvae": "VAE with skip connections, invariant to rotation and shifts",
    "multichannel-rvae": "VAE of several channels, invariant to rotation and shifts",
    "im2spec": "encoder–decoder from patch to spectrum",
    "spec2im": "encoder–decoder from spectrum to patch, invariant to rotation and shifts",
    "dualvae": "dual VAE of patch and spectrum, invariant to rotation and shifts",
    "spectrum-vae": "VAE of spectra, invariant to shift, gain and background",
}
"""name -> the same in words, for figures and reports."""

POSE = {
    "rotation": "rotation",
    "offsets": "shifts",
    "scale": "scale",
    "shear": "shear",
    "strain": "strain",
}
"""Settings that switch on a part of the pose (``models.pose_parts``), and the part in words."""

PHOTOMETRIC = ("gain", "background", "slope")
"""Settings that switch on a part of the photometric pose of patches (``models.photometry``); those
of spectra have the same names."""

POSE_OF_SPECTRUM = {
    "shift": "shift",
    "gain": "gain",
    "background": "background",
    "power_law": "exponent of the background",
    "slope": "slope of the background",
}
"""The same of the pose of a spectrum."""


def label(settings: dict[str, Any]) -> str:
    """A model in words: its kind, and what it is invariant to as it was set."""
    variant = str(settings["variant"])
    kind = LABELS.get(variant, variant).partition(" invariant to ")[0].rstrip(",")
    possible = POSE | POSE_OF_SPECTRUM
    parts = [word for name, word in possible.items() if settings.get(name)]
    if not parts:
        return kind
    together = ", ".join(parts[:-1]) + (" and " if parts[:-1] else "") + parts[-1]
    comma = "," if " " in kind and kind != "variational autoencoder" else ""
    return f"{kind}{comma} invariant to {together}"
