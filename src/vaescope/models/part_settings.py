"""Settings that say of which parts a model is made: its views, its pose, its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from vaescope.models.zoo import PHOTOMETRIC, POSE, POSE_OF_SPECTRUM, VARIANTS
from vaescope.settings import Settings, setting

MOST_CLASSES = 10
"""Classes at most where a recipe says ``classes: auto``; beyond, there are "at least"
so many."""


@dataclass(frozen=True)
class PartSettings(Settings):
    """The parts of the family that are switched on."""

    PART: ClassVar[str] = "models"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"keep_turns": "top_turns"})

    variant: str = setting(
        "rvae",
        known=VARIANTS,
        default_words="the name of the model",
        help="which model of the family it is; the table below says what each variant is",
    )
    rotation: bool = setting(
        True,
        default_words="by variant",
        help="make the model invariant to rotation: the angle is part of the pose (square patches"
        " only, not curves)",
    )
    offsets: bool = setting(
        True,
        default_words="by variant",
        help="make the model invariant to shifts: the offset from the patch centre is part of the"
        " pose",
    )
    scale: bool = setting(
        False, default_words="by variant", help="make the model invariant to uniform scale"
    )
    shear: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to one shear, in the frame of the structure (square patches"
        " only)",
    )
    strain: bool = setting(
        False,
        default_words="by variant",
        help="let the pose contain the whole symmetric strain (xx, yy, xy), which takes the place"
        " of `scale` and `shear` (square patches only)",
    )
    view: Literal["patch", "spectrum"] = setting(
        "patch",
        default_words="by variant",
        help="what the encoder is given of a site: its `patch`, or its `spectrum`",
    )
    shift: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to shifts of the spectrum along its axis (chemical shift,"
        " drift of the zero loss, resonance frequency)",
    )
    gain: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to the gain of the spectrum, or of the patch: its contrast",
    )
    background: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to a background of the spectrum: a constant, or with"
        " `power_law` a power law; or of the patch: its mean brightness. Gain, background and slope"
        " of a patch are integrated out in closed form, with priors whose widths are learned (only"
        " with the Gaussian likelihood and without `target`)",
    )
    power_law: bool = setting(
        False,
        default_words="by variant",
        help="let the background of the spectrum be a power law A E^-r, as before the edges of"
        " electron energy loss, whose amplitude A and exponent r belong to each site; needs an axis"
        " above 0",
    )
    slope: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to a linear background of the spectrum, or of the patch:"
        " shading",
    )
    spectrum: Literal["none", "encoded", "joint"] = setting(
        "none",
        default_words="by variant",
        help="what a model of patches does with the spectrum of a site: `encoded`: the content"
        " comes from the spectrum, the pose from the patch; `joint`: both views are encoded"
        " together, and both are decoded",
    )
    private_patch: int = setting(
        1,
        limits=(0, 64),
        help="with `spectrum: joint`, number of latent variables of the patch alone, beside the"
        " shared ones",
    )
    private_spectrum: int = setting(
        1,
        limits=(0, 64),
        help="with `spectrum: joint`, number of latent variables of the spectrum alone",
    )
    agreement: float = setting(
        1.0,
        limits=(0, 1e3),
        help="weight of the KL divergence from the posterior of both views to those of each view"
        " alone: large values leave to the shared latent variables only what both views show",
    )
    latent: int = setting(
        2,
        limits=(1, 256),
        default_words="2; 16 for `dae`, `restore`",
        help="number of continuous latent variables",
    )
    stochastic: bool = setting(
        True,
        default_words="true; false for `ae`, `dae`, `restore`",
        help="encode each patch as a distribution; false: as a point, as an autoencoder does",
    )
    classes: int | Literal["auto"] = setting(
        0,
        limits=(0, 64),
        default_words="0; `auto` for `jvae`, `jrvae`, `jrtvae`",
        help="number of discrete classes, 0 for none. `auto`: as many as there are gaps for in the"
        " latents, found again by most members, rare ones included, up to 10. A number is the"
        " largest possible: unless labels name them, classes that the members do not reproduce"
        " (mean Jaccard similarity up to 0.5) are removed and their sites reassigned",
    )
    labels: str | None = setting(
        None,
        help="variable that holds the known classes; NaN or a negative number where the class is"
        " unknown",
    )
    labels_per_class: int = setting(
        0,
        limits=(0, 10**6),
        help="use at most this many labels per class, chosen at random; 0: use all",
    )
    condition: list[str] | None = setting(
        None,
        help="variables on which encoder and decoder are conditioned; whole numbers are treated as"
        " classes, all others as numbers",
    )
    target: str | None = setting(
        None,
        help="variable that holds the picture (or curve) to predict instead of the patch;"
        " `spectrum` and `patch` are the views of a site",
    )
    held_out: str | None = setting(
        None,
        help="variable that is non-zero for patches held out of training; they are mapped all the"
        " same. `blocks` or `random`: as the part `prediction` has it, for models that predict one"
        " view of a sample from the other",
    )

    @property
    def counts_classes(self) -> bool:
        """Whether the number of classes follows from the data."""
        return self.classes == "auto"

    @property
    def most_classes(self) -> int:
        """Largest number of classes, 0 for none."""
        return MOST_CLASSES if self.classes == "auto" else self.classes

    @property
    def decoded(self) -> Literal["patch", "spectrum"]:
        """The view whose pose and likelihood the model has."""
        if self.target is None:
            return self.view
        return "spectrum" if self.target == "spectrum" else "patch"

    @property
    def photometric_parts(self) -> list[str]:
        """The settings that switch on a part of the photometric pose of patches."""
        if self.decoded == "spectrum":
            return []
        return [name for name in PHOTOMETRIC if getattr(self, name)]

    @property
    def content_size(self) -> int:
        """How many latent variables are encoded: the shared ones first, then those of the patch
        alone, then those of the spectrum alone."""
        own = self.private_patch + self.private_spectrum
        return self.latent + (own if self.spectrum == "joint" else 0)

    @property
    def predicts(self) -> bool:
        """Whether it says one view of a sample from the other."""
        return self.decoded != self.view or self.spectrum != "none"

    @property
    def learns_spectra(self) -> bool:
        """Whether it is trained on spectra, alone or beside patches."""
        return "spectrum" in (self.view, self.decoded) or self.spectrum != "none"

    @property
    def pooled(self) -> bool:
        """Whether the encoder sees rotated copies of the patch, and says one thing of all of them:
        what it predicts has no angle."""
        return self.rotation and self.view == "patch" and self.decoded == "spectrum"

    @property
    def pose_parts(self) -> list[str]:
        """The settings that switch on a part of the pose of what is decoded."""
        possible = POSE_OF_SPECTRUM if self.decoded == "spectrum" else POSE
        return [name for name in possible if getattr(self, name)]
