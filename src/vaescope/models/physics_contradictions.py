"""What physics does not go together with the other settings of a model."""

from __future__ import annotations

from vaescope.errors import UserError
from vaescope.models.fit_settings import FitSettings


def refuse_physics(settings: FitSettings) -> None:
    """Refuse positivity and smoothness where they cannot hold.

    Raises
    ------
    UserError : they contradict other settings.
    """
    if settings.positive:
        _refuse_positive(settings)
    if settings.smoothness and not settings.stochastic:
        raise UserError(
            "how far neighbours are averaged follows from the errors of their contents",
            found=f"smoothness: {settings.smoothness} with stochastic: false",
            expected="smoothness: 0, or stochastic: true",
        )


def _refuse_positive(settings: FitSettings) -> None:
    """Refuse pictures without negative values where zero is nowhere."""
    if settings.decoded == "spectrum" or settings.likelihood != "gaussian":
        of_spectra = settings.decoded == "spectrum"
        given = "a model of spectra" if of_spectra else f"likelihood: {settings.likelihood}"
        raise UserError(
            "only pictures with Gaussian noise can be made positive",
            found=f"positive: true with {given}",
            expected="likelihood: gaussian in a model of pictures, or positive: false",
            remedy="Set `positive: false`; other likelihoods are positive as they are, and of"
            " spectra `likelihood: poisson` or `decoder: basis`",
        )
    parts = settings.photometric_parts
    if parts:
        off = "`, `".join(f"{name}: false" for name in parts)
        raise UserError(
            "a picture whose brightness belongs to the pose has no zero",
            found="positive: true with " + ", ".join(f"{name}: true" for name in parts),
            expected="neither gain, background nor slope",
            remedy=f"Set `{off}`, or `positive: false`",
        )
    if settings.target is not None:
        raise UserError(
            "the zero of a target is not known",
            found=f"positive: true with target: {settings.target}",
            expected="positive: false, or no target",
        )
