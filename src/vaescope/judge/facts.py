"""The judgement of one dataset: its scores with their meaning, and its findings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.judge import findings, of_grains, of_search, of_wall_maps, of_walls, scan
from vaescope.quantities import median
from vaescope.results import Results, layout
from vaescope.results.coverage import coverage
from vaescope.results.facts import Judgement, Measure, Score, ordered
from vaescope.store import json_attribute
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

MEASURES = (
    Measure("sites_found", "sites found", place="quality", card=1, sort="sites"),
    Measure("atoms_followed", "atoms followed", place="quality"),
    Measure("patches", "with a patch", place="quality", card=2),
    Measure("spectra", "spectra", place="quality", card=2),
    Measure("patch_samples", "samples across a patch", place="quality"),
    Measure("channels_of_a_spectrum", "channels of a spectrum", place="quality"),
    Measure("spacing_px", "spacing", "px", place="quality", card=3, sort="spacing (px)"),
    Measure("patch_size_px", "side of a patch", "px", place="quality"),
    Measure("fit_quality_median", "quality of the fits (median)", "", "more", "quality"),
    Measure(
        "coordinate_error_px",
        "standard error of a coordinate",
        "px",
        "less",
        "quality",
        sort="error of positions (px)",
    ),
    Measure("strain_known_share", "sites with strain", "share", "more"),
    Measure("strain_error_median", "standard error of a strain (median)", "strain", "less"),
    Measure("rotation_error_median_deg", "standard error of a rotation (median)", "°", "less"),
    Measure("members_trained", "members trained", place="details"),
    Measure("latents", "latents", place="details"),
    Measure("classes_used", "classes", place="details", card=10, sort="classes"),
    Measure("training_steps", "steps of training", place="details"),
    Measure("training_epochs", "epochs of training"),
    Measure("angle_period_deg", "angles known modulo", "turn"),
    Measure("latent_spread_median", "latent spread (median)", "", "less"),
    Measure("class_entropy_median", "class entropy (median)", "nats", "less"),
)
"""Of sites, strain and models, from their stores alone."""
_LEFT_OUT = frozenset({"n_sites", "n_found"})  # counts that other scores say
_MOST_DIGESTS = 50  # of the files of a movie; the rest is one digest over all


def judge(results: Results, models: Iterable[str], trained: int) -> Judgement:
    """Judge a finished dataset.

    Parameters
    ----------
    results : of the dataset.
    models : names of the models.
    trained : members that the recipe asks for.

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    image, sites, patches, strain = results.image, results.sites, results.patches, results.strain
    truth = json_attribute(sites, "truth_scores", {})
    found = findings.of_image(image, sites) + findings.of_sites(image, sites, patches, truth)
    found += findings.of_spectra_read(patches) + findings.of_piezoresponse(image)
    found += findings.of_walls(sites) + findings.of_wall_maps(results.walls)
    of_maps = of_wall_maps.numbers(results.walls)
    scores = _scores("sites", of_sites(sites, patches) | of_maps | truth)
    shares: dict[str, dict[str, scan.Shares]] = {}
    if strain is not None:
        by_method = scan.of_strain(strain)
        shares |= {f"strain: {method}": each for method, each in by_method.items()}
        found += findings.of_strain(strain) + findings.of_grains(strain)
        scores += _scores("strain: neighbours", of_grains.scores_of_grains(strain))
        for method, values in of_strain(strain).items():
            scores += _scores(f"strain: {method}", values)
    of_models = {}
    for name in models:
        latents, history, own = results.latents(name), results.history(name), results.scores(name)
        # Along a wall, sites of one row are sites of one wall: they follow the scan as walls do.
        unlike = results.stack or traits_of(sites.attrs).directed
        of_models[name] = {} if unlike else scan.of_latents(latents)
        found += findings.of_latents(name, latents, own)
        found += findings.of_turns(name, latents)
        found += findings.of_physics(name, latents, history)
        found += findings.of_history(name, history)
        found += findings.of_prediction(name, latents, patches)
        found += findings.of_pairs(name, own)
        found += findings.of_spectra(name, latents) + findings.of_wall_latents(name, latents)
        scores += _scores(name, of_model(latents, history, trained, own))
    scores += _scores(of_search.ABOUT, of_search.numbers(results.explored))
    found += findings.of_search(results.explored)
    shares |= of_models
    found += findings.of_scan(shares)
    return Judgement(
        dataset=results.dataset,
        code_version=store.code_version(),
        packages=store.provenance(sites).get("packages") or {},
        data=of_data(image)
        | {"site_channel": sites.attrs.get("channel"), "spectra_from": _spectra_from(patches)},
        stores=_stores(results, of_models),
        scores=scores,
        findings=ordered(found),
        scan={about: scan.as_attribute(each) for about, each in shares.items() if each},
    )


def of_data(image: xr.Dataset) -> dict[str, Any]:
    """Say what the image was made from (``image.zarr``)."""
    attrs, covered = image.attrs, coverage(image)
    digests = [str(value) for value in attrs.get("source_sha256") or []]
    if len(digests) > _MOST_DIGESTS:
        digests = [*digests[:_MOST_DIGESTS], f"all {len(digests)}: {store.digest(digests)}"]
    return {
        "files": [str(name) for name in attrs.get("source_files") or []][:_MOST_DIGESTS],
        "sha256": digests,
        "reader": str(attrs.get("reader") or ""),
        "width_px": int(image.sizes["x"]),
        "height_px": int(image.sizes["y"]),
        "frames": int(image.sizes.get("time", 1)),
        "channels": [str(name) for name in np.atleast_1d(image["channel"].values)],
        "measured_share": covered.measured,
        "unmeasured": covered.words,
        "calibrated": bool(attrs.get("calibrated")),
        "pixel_size": float(attrs.get("pixel_size") or 1.0),
        "pixel_unit": str(attrs.get("pixel_unit") or "px"),
        "dose": float(attrs["dose"]) if attrs.get("dose") else None,
        "image_from": str(attrs.get("image_from") or ""),
    }


def _spectra_from(patches: xr.Dataset) -> list[list[str]]:
    """Name and SHA-256 of each file with spectra."""
    known = (patches.attrs.get(f"spectra_source_{key}") or [] for key in ("files", "sha256"))
    return [list(map(str, one)) for one in zip(*known, strict=False)][:_MOST_DIGESTS]


def of_sites(sites: xr.Dataset, patches: xr.Dataset) -> dict[str, float]:
    """Count sites and patches, and measure how well the fits succeeded."""
    numbers: dict[str, float] = {}
    if traits_of(sites.attrs).placed:
        numbers["sites_found"] = int(sites.sizes["site"])
    if "track" in sites:
        numbers["atoms_followed"] = int(sites.attrs.get("tracks", 0))
    apart = not traits_of(sites.attrs).placed and "patch" not in patches
    numbers["spectra" if apart else "patches"] = int(patches.sizes["site"])
    if "patch" in patches:
        numbers["patch_samples"] = int(patches.sizes["px"])
        if traits_of(sites.attrs).placed:
            numbers["patch_size_px"] = float(patches.attrs.get("size", math.nan))
    if "spectrum" in patches:
        numbers["channels_of_a_spectrum"] = int(patches.sizes["energy"])
    if "y_error" in sites:
        error = np.hypot(sites["y_error"].values, sites["x_error"].values) / math.sqrt(2)
        numbers |= {
            "spacing_px": float(sites.attrs.get("spacing", math.nan)),
            "coordinate_error_px": median(error),
        }
    if "fit_quality" in sites:
        numbers["fit_quality_median"] = median(sites["fit_quality"].values)
    return numbers | of_walls.numbers(sites)


def of_strain(strain: xr.Dataset) -> dict[str, dict[str, float]]:
    """Measure the errors of each method of strain, against the truth too where it is known."""
    from vaescope.strain import truth

    scored = truth.scores(strain) if "truth_strain_from_reference" in strain else {}
    found = {}
    for k, name in enumerate(str(method) for method in strain["method"].values):
        own = strain.isel(method=k)
        found[name] = {
            "strain_known_share": float(np.isfinite(own["rotation"].values).mean()),
            "strain_error_median": median(own["strain_error"].values),
            "rotation_error_median_deg": math.degrees(median(own["rotation_error"].values)),
            **scored.get(name, {}),
        }
    return found


def of_model(
    latents: xr.Dataset, history: pd.DataFrame, trained: int, scores: Mapping[str, Any]
) -> dict[str, float]:
    """Count members, classes and steps of a model, beside its scores and its typical spreads.

    history : of the training; trained : members that the recipe asks for; scores : of
    ``scores.json``.
    """
    attrs = latents.attrs
    kept = attrs.get("members_kept")
    numbers: dict[str, Any] = {
        "members_kept": int(latents.sizes.get("member", 1)) if kept is None else np.size(kept),
        "members_trained": max(trained, int(latents.sizes.get("member", 1))),
        "latents": int(latents.sizes.get("latent", 0)),
    }
    # One number of classes: that which the data support goes before that which is shown.
    counted = any(name.startswith("classes_supported") for name in scores)
    if not counted and "consensus_class" in latents and "class" in latents.sizes:
        numbers["classes_used"] = len(set(latents["consensus_class"].values.tolist()) - {-1})
    for name in ("step", "epoch"):
        if name in history and len(history):
            last = float(np.nanmax(history[name].to_numpy(float)))
            numbers[f"training_{name}s"] = round(last) if math.isfinite(last) else last
    numbers |= {name: value for name, value in scores.items() if name != "members_kept"}
    if "consensus_angle" in latents:
        numbers["angle_period_deg"] = 360 / max(int(attrs.get("symmetry", 1)), 1)
    if "angle_spread" in latents:
        numbers["angle_spread_median_deg"] = math.degrees(median(latents["angle_spread"].values))
    if "content_spread" in latents:
        numbers["latent_spread_median"] = median(latents["content_spread"].values)
    if "class_entropy" in latents:
        # Rounding, not doubt, is what lies below a millionth.
        numbers["class_entropy_median"] = round(median(latents["class_entropy"].values), 6)
    return numbers


def measures() -> dict[str, Measure]:
    """Gather what every score means from the modules that compute them."""
    from vaescope.scores import labelled, of_model, of_movie, of_pairs, of_prediction, restoration
    from vaescope.scores import truth as of_truth
    from vaescope.sites import matching, wall_truth
    from vaescope.strain import truth as of_strains

    tables = (of_model, of_truth, labelled, restoration, matching, of_strains, of_grains)
    more = (of_search, of_walls, of_wall_maps, wall_truth, of_movie, of_pairs, of_prediction)
    every = [*MEASURES, *(measure for table in (*tables, *more) for measure in table.MEASURES)]
    return {measure.name: measure for measure in every}


def _scores(about: str, values: Mapping[str, Any]) -> list[Score]:
    """Give finite numbers their meaning; JSON has no others."""
    known = measures()
    found = []
    for name, value in values.items():
        if isinstance(value, int | float) and math.isfinite(value) and name not in _LEFT_OUT:
            measure = known.get(name) or Measure(name, name.replace("_", " "))
            found.append(Score(**asdict(measure), value=value, about=about))
    return found


def _stores(results: Results, models: Iterable[str]) -> dict[str, str]:
    """Say which code made each store."""
    names = [layout.IMAGE, layout.SITES, layout.SAMPLES]
    names += [layout.LATENTS.format(model=name) for name in models]
    names += [name for name in (layout.STRAIN, layout.WALLS, layout.EXPLORED) if results.has(name)]
    made = {name: store.provenance(results.path(name)) for name in names}
    return {name: str(facts.get("code_version", "")) for name, facts in made.items()}
