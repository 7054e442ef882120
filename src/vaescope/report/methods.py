"""The methods of one run in words that a paper can use, with its numbers and its references."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vaescope.models import zoo
from vaescope.models.zoo import POSE
from vaescope.report import prose
from vaescope.report.cite import citation
from vaescope.report.references import Reference, chosen
from vaescope.results.facts import Judgement
from vaescope.sites.kinds import Numbers, kind_of

Cite = Callable[..., str]
"""Marks works by their keys and gives what stands in the text, as ` [1, 2]`."""
_CITATION = re.compile(r" \[@([a-z0-9@; ]+)\]")
"""Works in the words of a kind of site, as ` [@smith2001; @jones2002]`."""


@dataclass(frozen=True)
class Methods:
    """Paragraphs with numbers in brackets, and the references that the numbers stand for."""

    paragraphs: list[str]
    references: list[Reference]

    @property
    def plain(self) -> str:
        """All of it as one text."""
        listed = "\n".join(f"[{k}] {each.text}." for k, each in enumerate(self.references, 1))
        return "\n\n".join([*self.paragraphs, "References\n" + listed])

    @property
    def bibtex(self) -> str:
        """The references as a BibTeX file, vaescope's own entry first."""
        return "\n\n".join([citation().bibtex, *(each.bibtex for each in self.references)])


def methods(
    facts: Judgement, recipe: dict[str, Any], labels: dict[str, str] | None = None
) -> Methods:
    """The text for one run.

    Parameters
    ----------
    facts : of the dataset.
    recipe : the resolved recipe.
    labels : each model in words (``label`` of its latents), by name.
    """
    keys: list[str] = []

    def cite(*named: str) -> str:
        keys.extend(name for name in named if name not in keys)
        return " [" + ", ".join(str(keys.index(name) + 1) for name in named) + "]"

    numbers: dict[str, dict[str, float]] = {}
    for score in facts.scores:
        numbers.setdefault(score.about, {})[score.name] = score.value
    data = facts.data
    found = numbers.get("sites", {})
    paragraphs = [
        _data(data, recipe),
        _sites(recipe.get("sites") or {}, found, data, cite),
        _patches(recipe, found, data),
        *[
            _model(name, dict(model or {}), numbers.get(name, {}), (labels or {}).get(name), cite)
            for name, model in (recipe.get("models") or {}).items()
        ],
        _ensemble(recipe, numbers, cite),
        _strain([name for name in numbers if name.startswith("strain: ")], cite),
        _criticism(recipe, numbers, cite),
        _software(facts, cite),
    ]
    return Methods([text for text in paragraphs if text], chosen(keys))


def _data(data: dict[str, Any], recipe: dict[str, Any]) -> str:
    size = f"{data['width_px']} × {data['height_px']} pixels"
    if data["frames"] > 1:
        size += f", {prose.number(data['frames'])} frames"
    files = data["files"]
    if len(files) == 1:
        origin = f"`{files[0]}` (SHA-256 {data['sha256'][0][:12]}…)" if data["sha256"] else files[0]
    elif files:
        origin = f"{len(files)} files, `{files[0]}` to `{files[-1]}`"
    else:
        origin = f"a simulation ({data['reader']})"
    text = f"Images were taken from {origin}: {size}, " + (
        f"pixel size {prose.number(data['pixel_size'], 5)} {data['pixel_unit']}"
        if data["calibrated"]
        else "not calibrated"
    )
    steps = prose.preprocessing((recipe.get("ingest") or {}).get("preprocess") or {})
    return f"{text}. " + (f"Before anything else {steps}." if steps else "They were not filtered.")


def _sites(
    settings: dict[str, Any], found: dict[str, float], data: dict[str, Any], cite: Cite
) -> str:
    kind, own = kind_of(settings)
    nothing = float("nan")
    tracks = found.get("atoms_followed")
    numbers = Numbers(
        sites=prose.number(int(found.get("sites_found", 0))),
        patches=prose.number(int(found.get("patches", 0))),
        spacing=prose.size_in_words(data, found.get("spacing_px", nothing)),
        error=prose.size_in_words(data, found.get("coordinate_error_px", nothing)),
        tracks="" if tracks is None else prose.number(int(tracks)),
    )
    return _CITATION.sub(lambda keys: cite(*keys[1].split("; @")), kind.methods(own, numbers))


def _patches(recipe: dict[str, Any], found: dict[str, float], data: dict[str, Any]) -> str:
    settings = recipe.get("patches") or {}
    norm = str(settings.get("normalise") or "image")
    way = {
        "image": "normalised per image by its 1st and 99th percentile",
        "unit": "normalised from the least to the greatest value",
        "patch": "normalised each by itself",
    }.get(norm, "not normalised")
    points = f"{int(found['patch_samples'])} × {int(found['patch_samples'])} points"
    if not kind_of(recipe.get("sites"))[0].traits.placed:
        count = prose.number(int(found.get("patches", 0)))
        return f"Every one of {count} pictures was a patch of {points}, {way}."
    side = prose.size_in_words(data, found.get("patch_size_px", float("nan")))
    centred = settings.get("centre", "subpixel") == "subpixel"
    return (
        f"Around every site a square patch with a side of {side} was sampled at {points},"
        f" centred {'below the pixel' if centred else 'on the nearest pixel'}, and {way}."
    )


def _model(
    name: str, settings: dict[str, Any], found: dict[str, float], label: str | None, cite: Cite
) -> str:
    variant = str(settings.get("variant", "rvae"))
    settings = {**zoo.VARIANTS.get(variant, {}), **_told(settings)}
    kind = label or zoo.label({"variant": variant, **settings})
    article = "an" if kind[0].lower() in "aeiou" else "a"
    text = f"Model `{name}` is {article} {kind}{cite('kingma2014')}"
    if any(settings.get(part) for part in POSE):
        text += f", in which the pose of a patch is kept apart from its content{cite('bepler2019')}"
    latents = int(found.get("latents") or settings.get("latent", 2))
    text += f". It has {latents} continuous latent{'s' if latents != 1 else ''}"
    if settings.get("classes"):
        text += (
            f" and up to {settings['classes']} classes, a mixture in the space of the"
            f" latents{cite('jiang2017')}"
        )
    text += "."
    if settings.get("rotation") and int(settings.get("turns", 12)) > 1:
        text += (
            f" The angle has a posterior over a grid of {settings.get('turns', 12)} turns around"
            " the full circle, each refined continuously."
        )
    if settings.get("prototypes"):
        text += (
            f" Poses started from {settings['prototypes']} prototypes on which all patches were"
            f" laid under every turn{cite('scheres2005')}."
        )
    steps = found.get("training_steps") or settings.get("steps", 800)
    epochs = f" ({found['training_epochs']:.0f} epochs)" if "training_epochs" in found else ""
    likelihood = str(settings.get("likelihood", "gaussian")).replace("gaussian", "Gaussian")
    beta = settings.get("beta", 1.0)
    weighed = f", β = {prose.number(beta)}" if isinstance(beta, int | float) and beta != 1 else ""
    return text + (
        f" It was trained with a {likelihood} likelihood{weighed} for {prose.number(int(steps))}"
        f" steps{epochs} of {settings.get('batch', 64)} patches by Adam{cite('kingma2015')}, the"
        f" learning rate rising to {settings.get('learning_rate', 0.002):g} and falling to nothing."
    )


def _told(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _ensemble(recipe: dict[str, Any], numbers: dict[str, dict[str, float]], cite: Cite) -> str:
    models = recipe.get("models") or {}
    members = int((recipe.get("ensemble") or {}).get("members", 1))
    seed = recipe.get("seed", 0)
    if members < 2:
        return f"Each model was trained once (seed {seed})."
    kept = ", ".join(
        f"{int(numbers[name]['members_kept'])} of {members} (`{name}`)"
        for name in models
        if "members_kept" in numbers.get(name, {})
    )
    text = (
        f"Each model was trained {members} times from different random starts (seed {seed});"
        f" members that ended with a clearly worse bound were left out, {kept} were kept."
        " Latents of members were aligned by orthogonal Procrustes"
        f" analysis{cite('schonemann1966')}"
    )
    if any("classes_used" in numbers.get(name, {}) for name in models):
        text += (
            f" and classes by optimal assignment{cite('kuhn1955')}; classes whose mean Jaccard"
            f" similarity between members is not above one half{cite('hennig2007')} were dissolved"
        )
    return text + (
        ". Maps show the consensus of the members; stated uncertainties hold both how far members"
        " disagree and how unsure each of them is."
    )


def _strain(methods: list[str], cite: Cite) -> str:
    if not methods:
        return ""
    text = (
        "Strain and rotation of the lattice were measured at every site by least squares on the"
        " vectors to its neighbours"
    )
    if "strain: GPA" in methods:
        text += f", by geometric phase analysis{cite('hytch1998')}"
    if set(methods) - {"strain: GPA", "strain: neighbours"}:
        text += ", and by the poses of the models"
    return text + (
        ", as logarithmic strain relative to the median of the densest cluster of strains."
    )


def _criticism(recipe: dict[str, Any], numbers: dict[str, dict[str, float]], cite: Cite) -> str:
    shares = [
        f"{prose.percent(numbers[name]['explained_fraction'])} (`{name}`)"
        for name in recipe.get("models") or {}
        if "explained_fraction" in numbers.get(name, {})
    ]
    if not shares:
        return ""
    return (
        "Residuals of every site were compared with those of all sites and with replicated noise"
        f" (posterior predictive check{cite('gelman1996')}); the models explain {', '.join(shares)}"
        " of the sites."
    )


def _software(facts: Judgement, cite: Cite) -> str:
    packages = facts.packages
    versions = ", ".join(
        f"{name} {packages[name]}"
        for name in ("torch", "numpy", "scipy", "scikit-image", "scikit-learn", "rosettasciio")
        if name in packages
    )
    codes = list(dict.fromkeys(code for code in facts.stores.values() if code))
    return (
        f"All stages were run by the workflow vaescope {', '.join(codes) or facts.code_version}"
        f" on Snakemake{cite('molder2021')}" + (f", with {versions}." if versions else ".")
    )
