"""What one model is made of: the parts of the family that are switched on, and their sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vaescope.errors import UserError

Schedule = float | list[list[float]]
"""A number, or its course in training time: [[share of training, value], …], straight between."""


@dataclass(frozen=True)
class ModelSettings:
    """Settings of one model of the family (see ``models.family``).

    Lengths inside a model are in units of half the patch side, angles in radians.
    """

    variant: str = "rvae"
    # Which parts are switched on
    rotation: bool = True
    offsets: bool = True
    scale: bool = False
    shear: bool = False  # one shear, in the frame of the structure
    strain: bool = False  # the whole symmetric strain (xx, yy, xy); takes the place of the two
    latent: int = 2
    stochastic: bool = True  # False: latents are numbers, not distributions (an autoencoder)
    classes: int = 0  # 0: none; 2 and more: summed over exactly
    labels: str | None = None  # variable with the known classes; NaN or negative: not known
    labels_per_class: int = 0  # so many of the known labels are told, by chance; 0: all
    condition: list[str] | None = None  # variables that encoder and decoder are told
    target: str | None = None  # variable with the pictures to make; None: the patches themselves
    held_out: str | None = None  # variable that is true for patches kept from training
    # Priors
    turns: int = 12  # grid of the posterior over the circle; 1: a normal posterior
    symmetry: int = 1  # n: angles that differ by 360/n degrees are the same
    angle_prior: Literal["learned", "uniform", "normal"] = "learned"
    angle_sd: float = 1.0  # s_gamma of the normal prior
    offset_sd: float = 0.1  # s_dr
    scale_sd: float = 0.1  # of the logarithm
    shear_sd: float = 0.1
    strain_sd: float = 0.1
    smoothness: float = 0.0  # weight of likeness between neighbouring sites: of content,
    smoothness_class: float = 0.0  # and of classes
    physics_loss: str | None = None  # FILE.py:FUNCTION of the user's own term
    # The objective
    likelihood: Literal["gaussian", "bernoulli", "continuous-bernoulli", "poisson"] = "gaussian"
    sigma: float = 0.0  # noise of the Gaussian likelihood; 0: learned
    beta: Schedule = 1.0  # beta_c
    content_weight: Schedule = 1.0  # of content's divergence beside the pose's
    beta_class: Schedule = 1.0  # beta_d
    capacity: Schedule = 0.0  # C_z
    capacity_class: Schedule = 0.0  # C_alpha
    # Sizes
    encoder: Literal["dense", "convolutional"] = "dense"
    decoder: Literal["canonical", "coordinate", "convolutional", "dense"] = "canonical"
    interpolation: Literal["bilinear", "spline"] = "bilinear"  # of the canonical picture
    skip: bool = False  # latents enter every layer of the decoder
    fourier: int = 0  # octaves of Fourier features of the coordinate decoder
    depth: int = 2  # hidden layers of the coordinate decoder
    hidden: int = 256
    # Mapping
    refine: int = 0  # Gauss-Newton steps on each site, from the encoder's guess
    # Fitting
    steps: int = 800
    batch: int = 64
    learning_rate: float = 2e-3
    prototypes: int = 0  # from which poses start (see ``train.prototypes``); 0: from nothing
    prototype_strain: float = 0.2  # strain within which patches show one structure
    class_core: float = 0.85  # share of the sites, in the densest places, that classes start from
    keep_turns: int = 3  # turns followed once the exact sum has served its purpose
    max_sites: int = 16384  # training draws at most so many sites; all are encoded

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if not _suits(value, hint):
                choice = get_origin(hint) is Literal
                raise UserError(
                    f"model setting `{name}` is " + ("not known" if choice else "of another kind"),
                    found=repr(value),
                    expected=" or ".join(get_args(hint)) if choice else _in_words(hint),
                )
        for name, (low, high) in LIMITS.items():
            for value in _values(name, getattr(self, name)):
                if not low <= value <= high:
                    raise UserError(
                        f"model setting `{name}` is out of range",
                        found=value,
                        expected=f"a value from {low} to {high}",
                    )
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        if self.classes == 1:
            raise UserError(
                "one class is no class", found="classes: 1", expected="0, or 2 and more"
            )
        if self.labels and not self.classes:
            raise UserError(
                "labels need classes", found="classes: 0", expected="`classes`: how many there are"
            )
        if self.refine and self.classes:
            raise UserError(
                "sites are not refined in models with classes, which take content to be the "
                "encoder's",
                found=f"refine: {self.refine} with classes: {self.classes}",
                expected="refine: 0, or classes: 0",
            )
        if self.refine and self.likelihood != "gaussian":
            raise UserError(
                "sites are refined by least squares, which suit normal noise alone",
                found=f"refine: {self.refine} with likelihood: {self.likelihood}",
                expected="refine: 0, or likelihood: gaussian",
            )
        if self.prototypes and not self.rotation:
            raise UserError(
                "prototypes tell how patches are turned, and this model follows no rotation",
                found=f"prototypes: {self.prototypes} with rotation: false",
                expected="prototypes: 0, or rotation: true",
            )
        if 0 < self.prototypes < self.classes:
            raise UserError(
                "too few prototypes for the classes",
                found=f"prototypes: {self.prototypes} with classes: {self.classes}",
                expected="several prototypes for each class, or prototypes: 0",
            )
        if self.decoder == "dense" and self.pose_parts:
            raise UserError(
                "a dense decoder knows no pose",
                found="decoder: dense with " + ", ".join(self.pose_parts),
                expected="decoder: canonical, coordinate or convolutional",
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
        for _, height, width in (patch, target):
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

    @property
    def pose_parts(self) -> list[str]:
        """The parts of the pose that are switched on."""
        names = ("rotation", "offsets", "scale", "shear", "strain")
        return [name for name in names if getattr(self, name)]

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name, for the header of a weights file."""
        return asdict(self)

    @classmethod
    def from_recipe(cls, given: dict[str, Any]) -> ModelSettings:
        """Settings of a recipe's model: the variant's defaults, then what the recipe says.

        Raises
        ------
        UserError : an unknown variant or key, or a value out of range.
        """
        from vaescope.models.zoo import NEEDS, VARIANTS

        variant = given.get("variant", "rvae")
        if variant not in VARIANTS:
            raise UserError(
                "unknown model variant",
                found=repr(variant),
                expected="one of " + ", ".join(sorted(VARIANTS)),
            )
        known = {field.name: field for field in fields(cls)}
        for key in given:
            if key not in known:
                close = get_close_matches(str(key), known, n=1)
                raise UserError(
                    f"unknown model setting `{key}`",
                    expected="one of " + ", ".join(sorted(known)),
                    remedy=f"Did you mean `{close[0]}`" if close else None,
                )
        settings = cls(**{**VARIANTS[variant], **given, "variant": variant})
        for key in NEEDS.get(variant, ()):
            if not getattr(settings, key):
                raise UserError(
                    f"`{variant}` needs {key}",
                    found=f"{key}: {getattr(settings, key)}",
                    expected=WANTED[key],
                )
        return settings


LIMITS: dict[str, tuple[float, float]] = {
    "latent": (1, 256),
    "classes": (0, 64),
    "labels_per_class": (0, 10**6),
    "turns": (1, 128),
    "symmetry": (1, 24),
    "angle_sd": (1e-3, 100.0),
    "offset_sd": (1e-4, 1.0),
    "scale_sd": (1e-4, 2.0),
    "shear_sd": (1e-4, 1.0),
    "strain_sd": (1e-4, 1.0),
    "smoothness": (0.0, 1e4),
    "smoothness_class": (0.0, 1e4),
    "sigma": (0.0, 1e6),
    "beta": (0.0, 1e4),
    "content_weight": (0.0, 1e4),
    "beta_class": (0.0, 1e4),
    "capacity": (0.0, 1e4),
    "capacity_class": (0.0, 1e4),
    "fourier": (0, 8),
    "depth": (2, 16),
    "hidden": (4, 4096),
    "refine": (0, 100),
    "steps": (1, 10**7),
    "batch": (2, 65536),
    "learning_rate": (1e-7, 1.0),
    "prototypes": (0, 256),
    "prototype_strain": (0.0, 0.5),
    "class_core": (0.05, 1.0),
    "keep_turns": (1, 128),
    "max_sites": (16, 10**7),
}

COURSES = ("beta", "content_weight", "beta_class", "capacity", "capacity_class")

WANTED = {
    "classes": "2 or more",
    "condition": "a list of the variables that the model is told",
    "labels": "the variable with the known classes",
    "target": "the variable with the pictures to make",
}


def _suits(value: Any, hint: Any) -> bool:
    """Whether a setting is of the type that is declared; whole numbers are numbers."""
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return value in inner
    if isinstance(hint, UnionType):
        return any(_suits(value, one) for one in inner)
    if get_origin(hint) is list:
        return isinstance(value, list) and all(_suits(one, inner[0]) for one in value)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _in_words(hint: Any) -> str:
    if isinstance(hint, UnionType):
        return " or ".join(_in_words(one) for one in get_args(hint) if one is not type(None))
    if get_origin(hint) is list:
        return "a list, each of it " + _in_words(get_args(hint)[0])
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}[hint]


def _values(name: str, value: Any) -> list[float]:
    """The numbers of a setting; those of a course are also checked for their order."""
    if not isinstance(value, list):
        return [value]
    times = [point[0] for point in value if len(point) == 2]
    if len(times) != len(value) or not times or times != sorted(times) or times[0] < 0:
        raise UserError(
            f"model setting `{name}` is no course",
            found=repr(value),
            expected="a number, or [[share of training, value], …] in the order of time",
        )
    return [point[1] for point in value]


def at(course: Schedule, progress: float) -> float:
    """The value of a course at a share of training from 0 to 1."""
    if not isinstance(course, list):
        return float(course)
    import numpy as np

    times, values = zip(*course, strict=True)
    return float(np.interp(progress, times, values))
