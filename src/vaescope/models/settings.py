"""What one model is made of: the parts of the family that are switched on, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from vaescope.errors import UserError
from vaescope.models.zoo import NEEDS, POSE, POSE_OF_SPECTRUM, VARIANTS
from vaescope.settings import Schedule, Settings, setting

OF_CLASSES = frozenset(
    ("variant", "steps", "start_from", "classes", "class_core", "beta_class", "capacity_class")
)
"""Settings that say nothing of a training before its classes are active."""

MOST_CLASSES = 10
"""Classes that are told apart where a recipe says ``classes: auto``; beyond, there are "at least"
so many."""


@dataclass(frozen=True)
class ModelSettings(Settings):
    """Settings of one model of the family (see ``models.family``).

    Lengths inside a model are in units of half the patch side, angles in radians.
    """

    PART: ClassVar[str] = "models"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"keep_turns": "top_turns"})

    variant: str = setting(
        "rvae",
        known=VARIANTS,
        default_words="the name of the model",
        help="which model of the family it is; the table below says what each variant is",
    )
    # Which parts are switched on
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
        help="make the model invariant to the gain of the spectrum",
    )
    background: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to a constant background of the spectrum",
    )
    slope: bool = setting(
        False,
        default_words="by variant",
        help="make the model invariant to a linear background of the spectrum",
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
    # Priors
    turns: int = setting(
        12,
        limits=(1, 128),
        help="number of angles, evenly spaced around the circle, over which the posterior of the"
        " angle is summed; 1: a normal posterior instead",
    )
    symmetry: int = setting(
        1,
        limits=(1, 24),
        help="rotational symmetry n of the structures: angles that differ by 360/n degrees are"
        " equivalent",
    )
    angle_prior: Literal["learned", "uniform", "normal"] = setting(
        "learned",
        help="prior of the angle: `learned` on the grid of angles, `uniform`, or `normal` around 0",
    )
    angle_sd: float = setting(
        1.0, limits=(1e-3, 100), unit="rad", help="standard deviation of the normal angle prior"
    )
    offset_sd: float = setting(
        0.1,
        limits=(1e-4, 1),
        unit="half patch sides",
        help="prior standard deviation of each offset",
    )
    scale_sd: float = setting(
        0.1, limits=(1e-4, 2), help="prior standard deviation of the logarithm of the scale"
    )
    shear_sd: float = setting(0.1, limits=(1e-4, 1), help="prior standard deviation of the shear")
    strain_sd: float = setting(
        0.1, limits=(1e-4, 1), help="prior standard deviation of each logarithmic strain"
    )
    shift_sd: float = setting(
        3.0,
        limits=(1e-3, 1e4),
        unit="channels",
        help="prior standard deviation of the shift of a spectrum along its axis",
    )
    gain_sd: float = setting(
        0.3,
        limits=(1e-4, 10),
        help="prior standard deviation of the logarithm of the gain of a spectrum",
    )
    background_sd: float = setting(
        0.3,
        limits=(1e-6, 1e9),
        help="prior standard deviation of the constant background of a spectrum, in units of the"
        " normalised signal",
    )
    slope_sd: float = setting(
        0.3,
        limits=(1e-6, 1e9),
        help="prior standard deviation of the linear background of a spectrum at the last channel,"
        " in units of the normalised signal",
    )
    smoothness: float = setting(
        0.0,
        limits=(0, 1e4),
        help="weight of the penalty on differences in content between neighbours",
    )
    smoothness_class: float = setting(
        0.0,
        limits=(0, 1e4),
        help="weight of the penalty on differences in class between neighbours",
    )
    physics_loss: str | None = setting(
        None,
        path=True,
        help="a loss term of your own, as `FILE.py:FUNCTION` relative to the recipe; see"
        " [docs/api.md](../docs/api.md). The file is executed",
    )
    # The objective
    likelihood: Literal["gaussian", "bernoulli", "continuous-bernoulli", "poisson"] = setting(
        "gaussian",
        help="distribution of a pixel about the decoded picture: `gaussian`; `bernoulli` or"
        " `continuous-bernoulli` (values from 0 to 1); `poisson` (counts, so the recipe must say"
        " `patches: {normalise: none}`)",
    )
    sigma: float = setting(
        0.0,
        limits=(0, 1e6),
        help="standard deviation of the Gaussian likelihood, in units of the normalised signal;"
        " 0: learned",
    )
    detector_gain: float = setting(
        1.0,
        limits=(1e-9, 1e9),
        help="signal per count, for the Poisson likelihood of spectra whose counts were scaled by"
        " the detector",
    )
    beta: Schedule = setting(
        1.0,
        limits=(0, 1e4),
        help="weight of the KL divergence of content and pose (β of a β-VAE): a number, or a"
        " schedule `[[share of training, value], …]`, interpolated linearly",
    )
    content_weight: Schedule = setting(
        1.0,
        limits=(0, 1e4),
        help="weight of the KL divergence of the content relative to that of the pose, a number or"
        " a schedule; values above 1 favour explaining variation by pose",
    )
    beta_class: Schedule = setting(
        1.0,
        limits=(0, 1e4),
        help="weight of the KL divergence of the class, a number or a schedule",
    )
    capacity: Schedule = setting(
        0.0,
        limits=(0, 1e4),
        unit="nats",
        help="KL divergence of the content allowed without penalty, a number or a schedule",
    )
    capacity_class: Schedule = setting(
        0.0,
        limits=(0, 1e4),
        unit="nats",
        help="KL divergence of the class allowed without penalty, a number or a schedule",
    )
    # Sizes
    encoder: Literal["dense", "convolutional"] = setting(
        "dense",
        help="type of the encoder; on a grid of angles both share their weights across rotated"
        " copies of the patch, and are equivariant",
    )
    decoder: Literal["canonical", "coordinate", "convolutional", "dense", "linear", "basis"] = (
        setting(
            "canonical",
            default_words="canonical; `linear` for `spectrum-vae`, `basis` for `im2spec`",
            help="`canonical`: a picture in one orientation, resampled under the pose;"
            " `convolutional`: the same, generated by convolutions; `coordinate`: a function of the"
            " coordinates, which is slower; `dense`: without a pose, also for curves; `linear`, of"
            " spectra: a mean spectrum and one component for each latent variable, all learned, so"
            " that the content cannot contain the shift; `basis`, of spectra: a sum of components"
            " of the data, with positive weights where the data are not negative",
        )
    )
    basis: int = setting(8, limits=(1, 256), help="number of components of `decoder: basis`")
    interpolation: Literal["bilinear", "spline"] = setting(
        "bilinear",
        help="how the canonical picture is resampled; `spline` (fifth order onto a grid twice as"
        " fine, bilinear on that) is sharper and slower, and pays off where noise is weak",
    )
    skip: bool = setting(
        False,
        default_words="false; true for `skip-rvae`",
        help="feed the latent variables into every layer of the decoder",
    )
    fourier: int = setting(
        0, limits=(0, 8), help="octaves of Fourier features of the coordinate decoder"
    )
    depth: int = setting(
        2, limits=(2, 16), help="number of hidden layers of the coordinate decoder"
    )
    hidden: int = setting(256, limits=(4, 4096), help="width of the hidden layers")
    # Mapping
    refine: int = setting(
        0,
        limits=(0, 100),
        help="Gauss–Newton steps that refine content and pose of each site after encoding; pays off"
        " where noise is weak (only without classes and with the Gaussian likelihood)",
    )
    # Fitting
    steps: int = setting(800, limits=(1, 10**7), help="number of training steps")
    batch: int = setting(64, limits=(2, 65536), help="patches per training step")
    learning_rate: float = setting(
        2e-3, limits=(1e-7, 1), help="peak learning rate of the training schedule"
    )
    prototypes: int = setting(
        0,
        limits=(0, 256),
        help="number of patches used as prototypes: before training, every patch is matched to each"
        " of them at all rotations and strains, and those that differ only by a pose become"
        " one structure. The model is then trained towards the rotations found and, within"
        " their standard errors, the shears and shifts, and its classes start from the structures."
        " Use several prototypes per expected structure, and only where few structures"
        " repeat; 0: the model finds the pose by itself",
    )
    prototype_strain: float = setting(
        0.2,
        limits=(0, 0.5),
        help="largest strain at which two patches still count as the same structure",
    )
    start_from: str | None = setting(
        None,
        help="name of a model of the same recipe without classes, from whose members the members of"
        " this one start: its pose and latent variables are then trained once for both. It counts"
        " only where the two differ in nothing but classes and steps; else, and if the recipe leaves"
        " the other model out, the model is trained from random weights",
    )
    class_core: float = setting(
        0.85,
        limits=(0.05, 1),
        help="fraction of the sites, those in the densest regions of the latent space, from which"
        " classes start; 1 to find rare classes, at the risk of a class of debris",
    )
    top_turns: int = setting(
        3,
        limits=(1, 128),
        help="number of most probable angles that are still computed after the first third of the"
        " training; with prototypes, the prototype's angle is used throughout",
    )
    max_sites: int = setting(
        16384,
        limits=(16, 10**7),
        help="largest number of sites used for training, drawn at random; all sites are mapped",
    )

    def refuse_contradictions(self) -> None:
        """Refuse parts of the family that do not go together."""
        if self.classes == 1:
            raise UserError(
                "a single class separates nothing",
                found="classes: 1",
                expected="0, auto, or 2 and more",
            )
        if self.counts_classes and (self.labels or self.prototypes):
            what = "labels name" if self.labels else "prototypes start"
            raise UserError(
                f"{what} the classes, so their number has to be stated",
                found="classes: auto",
                expected="`classes`: how many there are",
            )
        if self.labels and not self.classes:
            raise UserError(
                "labels need classes", found="classes: 0", expected="`classes`: how many there are"
            )
        if self.refine and self.classes:
            raise UserError(
                "sites cannot be refined in a model with classes, whose content is the encoder's",
                found=f"refine: {self.refine} with classes: {self.classes}",
                expected="refine: 0, or classes: 0",
            )
        if self.spectrum != "none":
            self._refuse_beside_spectrum()
        of_spectra = self.decoded == "spectrum"
        if of_spectra and self.likelihood not in ("gaussian", "poisson"):
            raise UserError(
                "spectra have Gaussian noise or are counts",
                found=f"likelihood: {self.likelihood}",
                expected="likelihood: gaussian or poisson",
            )
        if of_spectra and self.decoder == "coordinate":
            raise UserError(
                "a decoder of coordinates makes pictures, not spectra",
                found="decoder: coordinate",
                expected="decoder: canonical, convolutional or basis",
            )
        if self.decoder in ("basis", "linear") and not of_spectra:
            raise UserError(
                "a decoder of components makes spectra, not pictures",
                found=f"decoder: {self.decoder}",
                expected="decoder: canonical, coordinate or convolutional",
            )
        if self.refine and self.likelihood != "gaussian" and not of_spectra:
            raise UserError(
                "sites are refined by least squares, which require Gaussian noise",
                found=f"refine: {self.refine} with likelihood: {self.likelihood}",
                expected="refine: 0, or likelihood: gaussian",
            )
        if self.prototypes and not self.rotation:
            raise UserError(
                "prototypes give the rotation of patches, which is not part of this model",
                found=f"prototypes: {self.prototypes} with rotation: false",
                expected="prototypes: 0, or rotation: true",
            )
        if 0 < self.prototypes < self.most_classes:
            raise UserError(
                "too few prototypes for the classes",
                found=f"prototypes: {self.prototypes} with classes: {self.classes}",
                expected="several prototypes for each class, or prototypes: 0",
            )
        if self.decoder == "dense" and self.pose_parts:
            raise UserError(
                "a dense decoder has no pose",
                found="decoder: dense with " + ", ".join(self.pose_parts),
                expected="decoder: canonical, coordinate or convolutional",
            )

    def _refuse_beside_spectrum(self) -> None:
        """Refuse what a model of both views does not have."""
        wrong = {
            "classes": bool(self.classes),
            "refine": bool(self.refine),
            "smoothness": bool(self.smoothness or self.smoothness_class),
            "prototypes": bool(self.prototypes),
            "target": self.target is not None,
            "view": self.view != "patch",
            "stochastic": not self.stochastic,
        }
        found = [f"{name}: {getattr(self, name)}" for name, bad in wrong.items() if bad]
        if found:
            raise UserError(
                "a model of patch and spectrum together has none of this",
                found=", ".join(found),
                expected=f"the defaults of these settings with spectrum: {self.spectrum}",
            )

    def refuse_shapes(self, patch: tuple[int, ...], target: tuple[int, ...]) -> None:
        """Refuse a pose that means nothing for patches or targets of a shape.

        Lengths are in units of half a side, which differ along the two sides of an oblong picture:
        a turn or a shear in them is none of the picture. Shifts and scale stay what they are, for
        curves too.

        Parameters
        ----------
        patch, target : (channel, height, width).

        Raises
        ------
        UserError : rotation, shear or strain of curves or of oblong pictures, or curves from a
            posed decoder of coordinates.
        """
        turning = [name for name in self.pose_parts if name in ("rotation", "shear", "strain")]
        pictures = [s for s, v in ((patch, self.view), (target, self.decoded)) if v == "patch"]
        if self.pooled:
            turning, pictures = ["rotation"], [patch]
        for _, height, width in pictures:
            if turning and (height != width or height == 1):
                curve = 1 in (height, width)
                off = "`, `".join(f"{name}: false" for name in turning)
                raise UserError(
                    f"{' and '.join(turning)} need{'s' if len(turning) == 1 else ''} square "
                    f"patches, not {'curves' if curve else 'oblong pictures'}",
                    found=f"{height} × {width} pixels",
                    remedy=f"Set `{off}`" if curve else f"Cut them square, or set `{off}`",
                )
        if self.pose_parts and self.decoder == "coordinate" and 1 in target[1:]:
            # It sees the coordinate across a curve too, and would hide content in a shift there.
            raise UserError(
                "a decoder of coordinates makes pictures, not curves with a pose",
                found=f"{target[1]} × {target[2]} pixels with " + ", ".join(self.pose_parts),
                remedy="Set `decoder: canonical`",
            )

    def can_start_from(self, other: ModelSettings) -> bool:
        """Whether training before classes are active is the same as the training of another model
        without classes."""
        own, others = self.as_dict(), other.as_dict()
        alike = all(own[key] == others[key] for key in own if key not in OF_CLASSES)
        return alike and bool(self.classes) and not (other.classes or self.labels)

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
    def pooled(self) -> bool:
        """Whether the encoder sees rotated copies of the patch, and says one thing of all of them:
        what it predicts has no angle."""
        return self.rotation and self.view == "patch" and self.decoded == "spectrum"

    @property
    def pose_parts(self) -> list[str]:
        """The settings that switch on a part of the pose of what is decoded."""
        possible = POSE_OF_SPECTRUM if self.decoded == "spectrum" else POSE
        return [name for name in possible if getattr(self, name)]

    @classmethod
    def from_recipe(
        cls, given: Mapping[str, Any], *, part: str | None = None, file: object = None
    ) -> ModelSettings:
        """Settings of a recipe's model: the variant's defaults, then what the recipe says.

        Parameters
        ----------
        given : settings by name. part : their place in the recipe, such as `models.rvae`.
        file : the recipe.

        Raises
        ------
        UserError : an unknown variant or key, a value out of range, or a setting that the variant
            needs and lacks.
        """
        variant = str(given.get("variant", "rvae"))
        own = VARIANTS.get(variant, {})
        settings = cls.of({**own, **given, "variant": variant}, part=part, file=file)
        for key in NEEDS.get(variant, ()):
            if not getattr(settings, key):
                raise UserError(
                    f"`{variant}` needs {key}",
                    found=f"{key}: {getattr(settings, key)}",
                    expected=WANTED[key],
                ).within(file=file, part=part)
        return settings


WANTED = {
    "classes": "auto, or 2 or more",
    "condition": "a list of the variables to condition on",
    "labels": "the variable that holds the known classes",
    "target": "the variable that holds the pictures to predict",
}


def at(schedule: Schedule, progress: float) -> float:
    """The value of a schedule at a share of training from 0 to 1."""
    if not isinstance(schedule, list):
        return float(schedule)
    import numpy as np

    times, values = zip(*schedule, strict=True)
    return float(np.interp(progress, times, values))
