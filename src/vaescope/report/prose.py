"""Write numbers and settings in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vaescope.models import zoo
from vaescope.models.settings import ModelSettings
from vaescope.results.facts import Score
from vaescope.samples.settings import COMPLETE
from vaescope.sites.kinds import kind_of
from vaescope.text import grouped, readable_unit
from vaescope.traits import Traits

if TYPE_CHECKING:
    from vaescope.judge.scan import Shares

_ACQUISITIONS = {
    "logei": "the logarithm of the expected improvement",
    "ei": "expected improvement",
    "ucb": "the upper confidence bound",
    "thompson": "Thompson sampling",
    "uncertainty": "the standard deviation",
    "variance": "the decrease of the total variance",
}


def number(value: Any, digits: int = 3) -> str:
    """A number as people write it; an en dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e15:
        return grouped(int(value))
    places = digits - 1 - math.floor(math.log10(abs(value)))
    if -15 < places <= 0:  # no power of ten in the middle of a sentence
        return grouped(int(round(value, places)))
    return f"{value:.{digits}g}".replace("-", "−")


def percent(share: float, digits: int | None = None) -> str:
    """Write a share from 0 to 1 in per cent, to ``digits`` significant digits if given."""
    if not math.isfinite(share):
        return "–"
    if digits is not None:
        return f"{number(100 * share, digits)} %"
    value = round(100 * share, 1 if share < 0.9995 or share >= 1 else 2) + 0.0
    return f"{value:.15g} %".replace("-", "−")


def measure(score: Score, data: dict[str, Any]) -> tuple[str, str]:
    """Write name and value of a score, lengths also in the units of the image.

    data : what the image was made from (``data`` of the facts).
    """
    value = score.value
    if isinstance(value, bool):
        return score.words, "yes" if value else "no"
    if not isinstance(value, int | float):
        return score.words, number(value)
    if score.unit == "count":
        return score.words, number(value) if value else "none"
    if score.unit == "share":
        return score.words, percent(value) if 0 <= value <= 1 else number(value)
    if score.unit == "strain":
        return score.words, percent(value, 3)
    if score.unit == "px":
        return score.words, size_in_words(data, value)
    if score.unit == "turn" and value >= 360:
        return score.words, "the full circle"
    if score.unit in ("°", "turn"):
        return score.words, f"{number(value)}°"
    if score.unit == "%":
        return score.words, f"{number(value)}\u202f%"
    return score.words, f"{number(value)} {score.unit}".strip()


def strain_method(name: str) -> str:
    """A method of measuring strain in words."""
    known = {"neighbours": "Strain by neighbours' vectors", "GPA": "Strain by geometric phases"}
    return known.get(name, f"Strain by the poses of {name}")


def scan_shares(found: Mapping[str, Shares]) -> list[dict[str, Any]]:
    """Tabulate the shares of each map that rows and columns of the image explain alone."""
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


def without_place(attrs: dict[str, Any]) -> bool:
    """Whether what was read are spectra one by one, each in a frame of a single pixel."""
    return attrs["width_px"] == attrs["height_px"] == 1 and attrs["frames"] > 1


def measured(attrs: dict[str, Any]) -> list[tuple[str, str]]:
    """A row of a table about what was measured of an image; none where all of it was."""
    share = float(attrs.get("measured_share", 1.0))
    if share >= 1:
        return []
    words = str(attrs.get("unmeasured") or "")
    missing = f"{percent(1 - share, 2)} not measured" + (f" ({words})" if words else "")
    return [("Measured", f"{percent(share, 3)} of the image; {missing}")]


def recipe(settings: dict[str, Any], *, apart: bool = False) -> list[tuple[str, str]]:
    """Describe a resolved recipe, stage by stage; ``apart``: for spectra without a place, of which
    there is no image."""
    sampled = [
        ("Reading", _ingest(settings.get("ingest") or {})),
        *_spectra(settings.get("spectra") or {}),
        ("Sites", _sites(settings.get("sites") or {})),
        ("Patches", _patches(settings.get("patches") or {}, _traits(settings))),
    ]
    if apart:
        sampled = [*_spectra(settings.get("spectra") or {}), ("Sites", "Every spectrum is one.")]
    return [
        *sampled,
        *[
            (f"Model {name}", _model(dict(model or {})))
            for name, model in (settings.get("models") or {}).items()
        ],
        ("Ensemble", _ensemble(settings)),
        *_search(settings.get("explore") or {}),
    ]


def _search(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe a search; nothing where the recipe has none."""
    method = settings.get("method")
    if not method:
        return []
    if method == "bo":
        text = "Bayesian optimisation in the latent space of a model"
    else:
        text = "Spectra are measured one by one, chosen by what is known until then"
    if settings.get("model"):
        text += f" (`{settings['model']}`)"
    text += f": {number(settings.get('evaluations') or 0)} evaluations at most, the first"
    text += f" {number(settings.get('start') or 0)} far apart"
    if settings.get("acquisition"):
        text += f", the others by {_ACQUISITIONS.get(settings['acquisition'], '')}"
    return [("Search", f"{text}.")]


def _traits(settings: dict[str, Any]) -> Traits:
    return kind_of(settings.get("sites"))[0].traits


def _spectra(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe how spectra are read; nothing where they are not."""
    if not settings.get("read"):
        return []
    steps = settings.get("preprocess") or {}
    done = []
    for name, words in (
        ("dark", "the dark spectrum is subtracted"),
        ("gain", "gain is divided out"),
    ):
        if steps.get(name):
            done.append(words)
    if steps.get("spikes"):
        done.append(f"spikes beyond {steps['spikes']} robust deviations are replaced")
    if steps.get("align"):
        by = {"zero-loss": "to the zero-loss peak", "correlation": "by correlation"}
        done.append(f"spectra are aligned {by.get(str(steps['align']), '')}")
    background = steps.get("background") or {}
    if window := background.get("window"):
        model = str(background.get("model") or "power-law").replace("power-law", "power law")
        done.append(f"a background ({model}, fitted from {window[0]} to {window[1]}) is subtracted")
    if crop := steps.get("crop"):
        done.append(f"channels from {crop[0]} to {crop[1]} are kept")
    if (steps.get("bin") or 1) > 1:
        done.append(f"{steps['bin']} channels are joined into one")
    if steps.get("normalise") not in (None, "none"):
        done.append(f"every spectrum is divided by its {steps['normalise']}")
    if not done:
        return [("Spectra", "They are used as they are in the file.")]
    text = ", ".join(done)
    return [("Spectra", f"{text[:1].upper()}{text[1:]}.")]


def preprocessing(steps: dict[str, Any]) -> str:
    """Describe the preprocessing as a part of a sentence; may be empty."""
    done = []
    if steps.get("background"):
        done.append(f"the background is removed over {steps['background']} px")
    if steps.get("flat_field"):
        done.append("it is divided by the flat field")
    if steps.get("detrend_lines"):
        linear = steps["detrend_lines"] == "linear"
        what = "a straight line fitted to it" if linear else "its median"
        done.append(f"{what} is subtracted from every scan line")
    if steps.get("hot_pixels"):
        done.append(f"pixels beyond {steps['hot_pixels']} robust deviations are clipped")
    if steps.get("turn_frames"):
        done.append(
            f"every frame is turned by a random angle of up to {steps['turn_frames']}° either way"
        )
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
    if settings.get("piezoresponse"):
        masked = "" if settings.get("bad_lines") == "keep" else "; bad scan lines are masked"
        chosen = (
            " Amplitude and phase become one complex signal, turned so that the two domain states"
            f" lie on its in-phase axis{masked}.{chosen}"
        )
        if not done:
            return chosen.strip()
    if not done:
        return "The image is used as it is in the file." + chosen
    return f"Before anything else {done}.{chosen}"


def _sites(settings: dict[str, Any]) -> str:
    kind, own = kind_of(settings)
    return kind.plan(own)


def _patches(settings: dict[str, Any], traits: Traits) -> str:
    if settings.get("cut") is False:
        return "None are cut: only spectra count."
    size = settings.get("size")
    pixels = settings.get("pixels")
    norm = settings.get("normalise") or "image"
    if not traits.placed:
        points = f"{pixels} × {pixels} points" if pixels else "its own points, 64 a side at most"
        ways = {
            "image": "by the 1st and 99th percentile of the stack",
            "unit": "from the least to the greatest value of the stack",
        }
        way = ways.get(str(norm), {"patch": "per patch"}.get(str(norm), "not at all"))
        return f"Every patch is taken at {points}, and normalised {way}."
    text = "Around every site a patch of " + (f"{size} px" if size else _usual_size(traits))
    if pixels:
        text += f" is sampled at {pixels} × {pixels} points"
    else:
        text += " is cut"
    centred = settings.get("centre", "subpixel") == "subpixel"
    text += ", centred to a fraction of a pixel" if centred else ", centred on the nearest pixel"
    ways = {
        "image": "per image",
        "unit": "from least to greatest",
        "patch": "per patch",
        "signed": "per image, so that a signal of 0 stays 0",
        "none": "not at all",
    }
    text += f", and normalised {ways.get(str(norm), str(norm))}." + _planes(settings)
    complete = float(settings.get("complete", COMPLETE))
    if complete < COMPLETE:
        text += (
            f" Models learn from patches of which {COMPLETE:g} or more was measured; others,"
            f" down to {complete:g}, are mapped from what was seen of them."
        )
    return text


def _planes(settings: dict[str, Any]) -> str:
    """Say which channels patches have, and at which times."""
    text = ""
    if settings.get("channels"):
        text += f" Its channels are {', '.join(settings['channels'])}."
    if settings.get("delay") is not None:
        times = ", ".join("t" if d == 0 else f"t{d:+d}" for d in settings["delay"])
        text += f" Each channel is cut at {times} (in frames), drift taken out."
    return text


def _usual_size(traits: Traits) -> str:
    if traits.directed:
        return "the size of the window about it"
    pixelwise = traits.regular and not traits.lattice
    return "an odd number of spectrum pixels" if pixelwise else "about three spacings"


def _model(settings: dict[str, Any]) -> str:
    variant = str(settings.pop("variant", "rvae"))
    parts = [f"variant {variant}"]
    usual = asdict(ModelSettings()) | zoo.VARIANTS.get(variant, {})
    for key, counted in (("latent", "latents"), ("classes", "classes")):
        if given := settings.get(key):
            many = f"as many {counted} as the data support"
            parts.append(many if given == "auto" else f"{given} {counted}")
            del settings[key]
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
