"""Numbers and settings in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vaescope.judge.scan import Shares
from vaescope.models import zoo
from vaescope.models.settings import ModelSettings
from vaescope.sites.kinds import kind_of
from vaescope.text import readable_unit

_SCORES = {
    "explained_fraction": "sites explained",
    "class_accuracy": "class accuracy",
    "class_ami": "classes against truth (AMI)",
    "phase_accuracy": "phase accuracy",
    "defect_macro_f1": "defects against truth (macro F1)",
    "defect_ami": "defects against truth (AMI)",
    "link_recall": "true links found",
    "link_precision": "links that are true",
    "track_purity": "sites on the track of their atom",
    "identity_switches": "atoms that change their track",
    "n_true_links": "true links off the edge",
    "content_agreement": "agreement of the members",
    "predictive_p_below_0.05": "sites with predictive p < 0.05",
    "mean_elbo": "mean ELBO (nats)",
    "noise_inflation": "errors widened for correlated noise",
    "model_psnr": "restored by the model, PSNR (dB)",
    "model_ssim": "restored by the model, SSIM",
    "input_psnr": "as recorded, PSNR (dB)",
    "input_ssim": "as recorded, SSIM",
    "gaussian_psnr": "Gaussian filter, PSNR (dB)",
    "gaussian_ssim": "Gaussian filter, SSIM",
    "nl_means_psnr": "non-local means, PSNR (dB)",
    "nl_means_ssim": "non-local means, SSIM",
    "total_variation_psnr": "total variation, PSNR (dB)",
    "total_variation_ssim": "total variation, SSIM",
    "linear_psnr": "linear regression, PSNR (dB)",
    "linear_ssim": "linear regression, SSIM",
    "polynomial_psnr": "colour by a cubic of gray, PSNR (dB)",
    "polynomial_ssim": "colour by a cubic of gray, SSIM",
    "neighbours_psnr": "colour of the nearest patches, PSNR (dB)",
    "neighbours_ssim": "colour of the nearest patches, SSIM",
    "restored_patches": "restored patches scored",
    "restored_held_out": "these were kept from training",
    "label_by_neighbours_accuracy": "labels by 15 neighbours in the latents",
    "label_accuracy": "classes against labels",
    "held_out_label_accuracy": "classes against labels, held-out patches",
    "shear_correlation_worst_label": "shear against truth, worst label (|r|)",
    "angle_share_within_3_deg": "angles within 3°",
    "angle_median_spread_deg": "angle spread (median)",
    "angle_coverage_68": "angle errors below their spread",
    "angle_median_error_deg": "median angle error",
    "angle_within_10_deg": "angles within 10°",
    "defect_macro_f1_of_modes": "modes against true defects (macro F1)",
    "modes_found": "modes",
    "classes_dissolved": "classes dissolved",
    "classes_by_bic": "classes by BIC on the latents",
    "classes_by_stability": "classes that survive resampling",
    "precision": "precision of detection",
    "recall": "recall of detection",
    "position_rmse": "position error (rms)",
    "bound": "Cramér–Rao bound",
    "rmse_over_bound": "error ÷ bound",
    "n_truth": "true sites off the edge",
    "n_found": "sites found",
    "sites_found": "sites found",
    "atoms_followed": "atoms followed",
    "patches": "with a patch",
    "patch_samples": "samples across a patch",
    "patch_size_px": "side of a patch",
    "spacing_px": "spacing",
    "fit_quality_median": "quality of the fits (median)",
    "coordinate_error_px": "standard error of a coordinate",
    "strain_known_share": "sites with strain",
    "strain_error_median": "standard error of a strain (median)",
    "rotation_error_median_deg": "standard error of a rotation (median)",
    "members_kept": "members kept",
    "members_trained": "members trained",
    "classes_used": "classes",
    "training_steps": "steps of training",
    "training_epochs": "epochs of training",
    "angle_period_deg": "angles known modulo",
    "angle_spread_median_deg": "angle spread (median)",
    "latent_spread_median": "latent spread (median)",
    "class_entropy_median": "class entropy (median)",
    "class_entropy_mean": "class entropy (mean)",
    "n_sites": "sites mapped",
}
_SHARES = (
    "fraction",
    "accuracy",
    "precision",
    "recall",
    "share",
    "within_10_deg",
    "within_3_deg",
    "coverage_68",
    "below_0.05",
    "purity",
)


def number(value: Any, digits: int = 3) -> str:
    """A number as people write it; an en dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u202f").replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def percent(share: float, digits: int | None = None) -> str:
    """A share from 0 to 1 in per cent, to so many significant digits if asked."""
    if not math.isfinite(share):
        return "–"
    if digits is not None:
        return f"{number(100 * share, digits)} %"
    value = round(100 * share, 1 if share < 0.9995 or share >= 1 else 2) + 0.0
    return f"{value:.15g} %".replace("-", "−")


def score(name: str, value: Any) -> tuple[str, str]:
    """Name and value of a score in words and with its unit."""
    label = _SCORES.get(name)
    if label is None:
        label = name.removesuffix("_deg").removesuffix("_px").replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return label, number(value)
    if any(name.endswith(kind) for kind in _SHARES) and 0 <= value <= 1:
        return label, percent(value)
    if name.endswith("_deg"):
        return label, f"{number(value)}°"
    if name.endswith("_px") or name in {"position_rmse", "bound"}:
        return label, f"{number(value)} px"
    return label, number(value)


def scores(found: dict[str, Any], *, leave_out: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """All scores that are plain numbers or words."""
    return [
        score(name, value)
        for name, value in found.items()
        if name not in leave_out and isinstance(value, int | float | str)
    ]


def measure(name: str, value: Any, data: dict[str, Any]) -> tuple[str, str]:
    """Name and value of a number of the facts, lengths also in the units of the image.

    data : the part ``data`` of the facts.
    """
    if name in _STRAIN:
        return strain_scores({name: value})[0]
    label, text = score(name, value)
    if name in {"spacing_px", "patch_size_px", "coordinate_error_px"}:
        text = size_in_words(data, float(value))
    elif name == "strain_error_median":
        text = percent(float(value), 3)
    elif name.startswith("class_entropy"):
        text += " nats"
    elif name == "angle_period_deg" and value >= 360:
        text = "the full circle"
    elif name == "training_epochs":
        text = number(round(float(value)))
    return label, text


_STRAIN = {
    "rmse_strain": ("strain against truth (rms error)", "%"),
    "coverage_strain": ("strain errors below the stated one", ""),
    "rmse_rotation": ("rotation against truth (rms error)", "°"),
    "coverage_rotation": ("rotation errors below the stated one", ""),
}


def strain_method(name: str) -> str:
    """A method of measuring strain in words."""
    known = {"neighbours": "Strain by neighbours' vectors", "GPA": "Strain by geometric phases"}
    return known.get(name, f"Strain by the poses of {name}")


def strain_scores(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Scores of strain against truth: errors in per cent and degrees, and coverages."""
    said = []
    for name, (label, unit) in _STRAIN.items():
        if name in found:
            value = float(found[name])
            gap = "" if unit == "°" else "\u202f"
            said.append((label, f"{number(value)}{gap}{unit}" if unit else percent(value)))
    return said


def scan_shares(found: Mapping[str, Shares]) -> list[dict[str, Any]]:
    """Rows of the table of what rows and columns of the image alone tell of each map."""
    return [
        {
            "name": name,
            "cells": [
                _share(value)
                for value in (
                    each.row,
                    each.row_slow,
                    each.column,
                    each.column_slow,
                    each.elsewhere,
                )
            ],
        }
        for name, each in found.items()
    ]


def _share(value: float) -> str:
    """A component of variance in whole per cent; what is below 0 or above 1 is so by chance."""
    return f"{100 * min(max(value, 0.0), 1.0):.0f}\u202f%"


def size_in_words(attrs: dict[str, Any], pixels: float) -> str:
    """A length in pixels, and in physical units where the image is calibrated."""
    if not math.isfinite(pixels):
        return "–"
    text = f"{number(pixels)}\u00a0px"
    if attrs.get("calibrated") and attrs.get("pixel_size"):
        unit = str(attrs.get("pixel_unit", ""))
        factor, unit = readable_unit(pixels, float(attrs["pixel_size"]), unit, smallest=0.1)
        text += f" ({number(pixels * factor)}\u00a0{unit})"
    return text


def pixel_size(attrs: dict[str, Any]) -> str:
    """The pixel size, or that there is none."""
    if not attrs.get("calibrated"):
        return "not calibrated: lengths are in pixels"
    return f"{number(float(attrs['pixel_size']), 5)} {attrs.get('pixel_unit', '')}"


def recipe(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """What a resolved recipe does, stage by stage."""
    return [
        ("Reading", _ingest(settings.get("ingest") or {})),
        ("Sites", _sites(settings.get("sites") or {})),
        ("Patches", _patches(settings.get("patches") or {}, _is_stack(settings))),
        *[
            (f"Model {name}", _model(dict(model or {})))
            for name, model in (settings.get("models") or {}).items()
        ],
        ("Ensemble", _ensemble(settings)),
    ]


def _is_stack(settings: dict[str, Any]) -> bool:
    return not kind_of(settings.get("sites"))[0].traits.placed


def preprocessing(steps: dict[str, Any]) -> str:
    """What is done to an image before anything else, as a part of a sentence; may be empty."""
    done = []
    if steps.get("background"):
        done.append(f"the background is removed over {steps['background']} px")
    if steps.get("flat_field"):
        done.append("it is divided by the flat field")
    if steps.get("detrend_lines"):
        done.append("scan lines are detrended")
    if steps.get("hot_pixels"):
        done.append(f"pixels beyond {steps['hot_pixels']} robust deviations are clipped")
    if steps.get("turn_frames"):
        done.append(f"every frame is turned by a random angle within ± {steps['turn_frames']}°")
    if steps.get("align_frames"):
        done.append("frames are aligned against drift")
    return ", ".join(done)


def _ingest(settings: dict[str, Any]) -> str:
    done = preprocessing(settings.get("preprocess") or {})
    chosen = ""
    if settings.get("array") is not None:
        chosen += f" The array “{settings['array']}” of the file is used."
    if settings.get("channel") is not None:
        chosen += f" The channel “{settings['channel']}” is used."
    if not done:
        return "The image is used as it is in the file." + chosen
    return f"Before anything else {done}.{chosen}"


def _sites(settings: dict[str, Any]) -> str:
    kind, own = kind_of(settings)
    return kind.plan(own)


def _patches(settings: dict[str, Any], stack: bool = False) -> str:
    size = settings.get("size")
    pixels = settings.get("pixels")
    norm = settings.get("normalise") or "image"
    if stack:
        points = f"{pixels} × {pixels} points" if pixels else "its own points, 64 a side at most"
        ways = {
            "image": "by the 1st and 99th percentile of the stack",
            "unit": "from the least to the greatest value of the stack",
        }
        way = ways.get(str(norm), {"patch": "per patch"}.get(str(norm), "not at all"))
        return f"Every patch is taken at {points}, and normalised {way}."
    text = "Around every site a patch of " + (f"{size} px" if size else "about three spacings")
    if pixels:
        text += f" is sampled at {pixels} × {pixels} points"
    else:
        text += " is cut"
    centred = settings.get("centre", "subpixel") == "subpixel"
    text += ", centred below the pixel" if centred else ", centred on the nearest pixel"
    ways = {
        "image": "per image",
        "unit": "from least to greatest",
        "patch": "per patch",
        "none": "not at all",
    }
    return text + f", and normalised {ways.get(str(norm), str(norm))}."


def _model(settings: dict[str, Any]) -> str:
    variant = str(settings.pop("variant", "rvae"))
    parts = [f"variant {variant}"]
    usual = asdict(ModelSettings()) | zoo.VARIANTS.get(variant, {})
    for key, counted in (("latent", "latents"), ("classes", "classes")):
        if settings.get(key):
            parts.append(f"{settings.pop(key)} {counted}")
    for key, value in settings.items():
        if value == usual.get(key):
            continue  # what is as usual need not be said; the YAML has all
        if isinstance(value, bool):
            parts.append(f"{key.replace('_', ' ')} {'on' if value else 'off'}")
        elif value is not None:
            parts.append(f"{key.replace('_', ' ')} {number(value)}")
    return ", ".join(parts) + "."


def _ensemble(settings: dict[str, Any]) -> str:
    members = (settings.get("ensemble") or {}).get("members", 1)
    return (
        f"Each model is trained {members} times from different seeds (first seed"
        f" {settings.get('seed', 0)}); maps are the consensus, spreads the disagreement."
    )
