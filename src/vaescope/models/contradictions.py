"""What settings of a model do not go together, with each other or with the shape of the data."""

from __future__ import annotations

from vaescope.errors import UserError
from vaescope.models.fit_settings import FitSettings
from vaescope.models.physics_contradictions import refuse_physics

MOST_LAID_OUT = 10
"""Latent variables at most of a model that starts from a layout of the sites."""


def refuse_contradictions(settings: FitSettings) -> None:
    """Refuse parts of the family that do not go together.

    Raises
    ------
    UserError : two settings contradict each other.
    """
    _refuse_classes(settings)
    _refuse_prototypes(settings)
    _refuse_decoder(settings)
    _refuse_direction(settings)
    _refuse_start(settings)
    _refuse_photometric(settings)
    refuse_physics(settings)
    if settings.spectrum != "none":
        _refuse_beside_spectrum(settings)


def _refuse_classes(settings: FitSettings) -> None:
    """Refuse classes that cannot be."""
    if settings.classes == 1:
        raise UserError(
            "a single class separates nothing",
            found="classes: 1",
            expected="0, auto, or 2 and more",
        )
    if settings.counts_classes and (settings.labels or settings.prototypes):
        what = "labels name" if settings.labels else "prototypes start"
        raise UserError(
            f"{what} the classes, so their number has to be stated",
            found="classes: auto",
            expected="`classes`: how many there are",
        )
    if settings.labels and not settings.classes:
        raise UserError(
            "labels need classes", found="classes: 0", expected="`classes`: how many there are"
        )
    if settings.refine and settings.classes:
        raise UserError(
            "sites cannot be refined in a model with classes, whose content is the encoder's",
            found=f"refine: {settings.refine} with classes: {settings.classes}",
            expected="refine: 0, or classes: 0",
        )


def _refuse_prototypes(settings: FitSettings) -> None:
    """Refuse prototypes of which nothing would start."""
    if settings.prototypes and not settings.rotation:
        raise UserError(
            "prototypes give the rotation of patches, which is not part of this model",
            found=f"prototypes: {settings.prototypes} with rotation: false",
            expected="prototypes: 0, or rotation: true",
        )
    if 0 < settings.prototypes < settings.most_classes:
        raise UserError(
            "too few prototypes for the classes",
            found=f"prototypes: {settings.prototypes} with classes: {settings.classes}",
            expected="several prototypes for each class, or prototypes: 0",
        )


def _refuse_direction(settings: FitSettings) -> None:
    """Refuse a prior about the directions of sites where no grid of angles could follow them."""
    if settings.angle_prior != "direction":
        return
    if "rotation" not in settings.pose_parts:
        raise UserError(
            "the prior of an angle needs an angle in the pose",
            found="angle_prior: direction with rotation: false",
            expected="rotation: true, or another angle_prior",
        )
    if settings.turns == 1:
        raise UserError(
            "sites lie in all directions, which one normal posterior of the angle cannot follow",
            found="angle_prior: direction with turns: 1",
            expected="turns: 8 or more",
        )


def _refuse_photometric(settings: FitSettings) -> None:
    """Refuse gain and background of patches where nothing determines them in closed form."""
    if settings.noise == "signal" and (
        settings.likelihood != "gaussian" or "spectrum" in (settings.decoded, settings.view)
    ):
        raise UserError(
            "noise that depends on the signal is that of pictures with Gaussian noise",
            found=f"noise: signal with likelihood: {settings.likelihood}",
            expected="likelihood: gaussian in a model of patches, or noise: constant",
        )
    if not settings.photometric_parts:
        return
    wrong = {
        "likelihood": settings.likelihood != "gaussian",
        "target": settings.target is not None,
        "spectrum": settings.spectrum != "none",
    }
    found = [f"{name}: {getattr(settings, name)}" for name, bad in wrong.items() if bad]
    if found:
        parts = ", ".join(f"{name}: true" for name in settings.photometric_parts)
        off = "`, `".join(f"{name}: false" for name in settings.photometric_parts)
        raise UserError(
            "gain and background of a patch are read from the patch itself, with Gaussian noise",
            found=f"{parts} with " + ", ".join(found),
            expected="likelihood: gaussian, and neither target nor spectrum",
            remedy=f"Set `{off}`, or take the other setting out",
        )


def _refuse_start(settings: FitSettings) -> None:
    """Refuse a layout of the sites in which there is more than the content, or less."""
    if settings.start_content == "random":
        return
    parts = dict.fromkeys(settings.pose_parts, "true")
    parts |= {"classes": str(settings.classes)} if settings.classes else {}
    if settings.spectrum != "none":
        parts["spectrum"] = settings.spectrum
    if parts:
        raise UserError(
            "a layout of the sites holds all of their variation, pose and classes too",
            found=f"start_content: {settings.start_content} with "
            + ", ".join(f"{name}: {value}" for name, value in parts.items()),
            expected="start_content: random, or a model of one view without pose and classes",
        )
    if settings.latent > MOST_LAID_OUT:
        raise UserError(
            "sites are laid out in few dimensions",
            found=f"start_content: {settings.start_content} with latent: {settings.latent}",
            expected=f"start_content: random, or latent: {MOST_LAID_OUT} or less",
        )


def _refuse_decoder(settings: FitSettings) -> None:
    """Refuse a decoder, or a likelihood, of another kind than what is decoded."""
    of_spectra = settings.decoded == "spectrum"
    if of_spectra and settings.likelihood not in ("gaussian", "poisson"):
        raise UserError(
            "spectra have Gaussian noise or are counts",
            found=f"likelihood: {settings.likelihood}",
            expected="likelihood: gaussian or poisson",
        )
    if of_spectra and settings.decoder == "coordinate":
        raise UserError(
            "a decoder of coordinates makes pictures, not spectra",
            found="decoder: coordinate",
            expected="decoder: canonical, convolutional or basis",
        )
    if settings.encoder == "components" and settings.view != "spectrum":
        raise UserError(
            "an encoder of components is given spectra, not pictures",
            found="encoder: components",
            expected="encoder: dense or convolutional",
        )
    if settings.decoder in ("basis", "linear") and not of_spectra:
        raise UserError(
            "a decoder of components makes spectra, not pictures",
            found=f"decoder: {settings.decoder}",
            expected="decoder: canonical, coordinate or convolutional",
        )
    if settings.refine and settings.likelihood != "gaussian" and not of_spectra:
        raise UserError(
            "sites are refined by least squares, which require Gaussian noise",
            found=f"refine: {settings.refine} with likelihood: {settings.likelihood}",
            expected="refine: 0, or likelihood: gaussian",
        )
    if settings.power_law and not settings.background:
        raise UserError(
            "a power law is a background",
            found="power_law: true with background: false",
            expected="background: true, or power_law: false",
        )
    if settings.decoder == "dense" and settings.pose_parts:
        raise UserError(
            "a dense decoder has no pose",
            found="decoder: dense with " + ", ".join(settings.pose_parts),
            expected="decoder: canonical, coordinate or convolutional",
        )


def _refuse_beside_spectrum(settings: FitSettings) -> None:
    """Refuse what a model of both views does not have."""
    wrong = {
        "classes": bool(settings.classes),
        "refine": bool(settings.refine),
        "smoothness": bool(settings.smoothness or settings.smoothness_class),
        "prototypes": bool(settings.prototypes),
        "target": settings.target is not None,
        "view": settings.view != "patch",
        "stochastic": not settings.stochastic,
    }
    found = [f"{name}: {getattr(settings, name)}" for name, bad in wrong.items() if bad]
    if found:
        raise UserError(
            "a model of patch and spectrum together has none of this",
            found=", ".join(found),
            expected=f"the defaults of these settings with spectrum: {settings.spectrum}",
        )


def refuse_shapes(settings: FitSettings, patch: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Refuse a pose that means nothing for patches or targets of a shape.

    Lengths are in units of half a side, which differ along the two sides of an oblong picture:
    a turn or a shear in them is none of the picture. Shifts and scale stay what they are, for
    curves too.

    Parameters
    ----------
    patch, target : (channel, height, width).

    Raises
    ------
    UserError : rotation, shear or strain of single pixels, curves or oblong pictures, or curves
        from a decoder of coordinates under a pose.
    """
    turning = [name for name in settings.pose_parts if name in ("rotation", "shear", "strain")]
    pictures = [s for s, v in ((patch, settings.view), (target, settings.decoded)) if v == "patch"]
    if settings.pooled:
        turning, pictures = ["rotation"], [patch]
    for _, height, width in pictures:
        if turning and height == width == 1:
            raise UserError(
                "a model of patches has nothing to see: there is no image",
                found="spectra without a place, each with a picture of 1 pixel",
                expected="an image beside the spectra, or a model of spectra",
                remedy="Give the image as `source` and the spectra in the column `spectra` of the"
                " sample sheet, or both in one file; for spectra alone take the recipe `spectra`",
            )
        if turning and (height != width or height == 1):
            curve = 1 in (height, width)
            off = "`, `".join(f"{name}: false" for name in turning)
            raise UserError(
                f"{' and '.join(turning)} need{'s' if len(turning) == 1 else ''} square "
                f"patches, not {'curves' if curve else 'oblong pictures'}",
                found=f"{height} × {width} pixels",
                remedy=f"Set `{off}`" if curve else f"Cut them square, or set `{off}`",
            )
    if settings.pose_parts and settings.decoder == "coordinate" and 1 in target[1:]:
        # It sees the coordinate across a curve too, and would hide content in a shift there.
        raise UserError(
            "a decoder of coordinates makes pictures, not curves with a pose",
            found=f"{target[1]} × {target[2]} pixels with " + ", ".join(settings.pose_parts),
            remedy="Set `decoder: canonical`",
        )
