"""The report of one dataset."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.analyse import scan
from vaescope.figures import versions
from vaescope.store import json_attribute
from vaescope.figures.style import category_colours
from vaescope.report import words
from vaescope.report.pages import embedded_figure, write_page

if TYPE_CHECKING:
    import xarray as xr

_SAID_ELSEWHERE = (
    "n_sites",
    "mean_elbo",
    "members_kept",
    "angle_spread_median_deg",
    "angle_median_spread_deg",
    "class_entropy_mean",
)
_LONGEST_METADATA = 20_000  # letters of the vendor's metadata on the page; the store has all


def write_report(
    results_dir: str | Path,
    dataset: str,
    recipe: dict[str, Any],
    models: list[str],
    row: dict[str, Any],
) -> None:
    """Write ``results_dir/dataset/report.html``, a page that needs nothing beside itself.

    Parameters
    ----------
    results_dir : folder of all results.
    dataset : name of the dataset, a folder in it.
    recipe : the resolved recipe.
    models : names of the models.
    row : the dataset's row of the sample sheet (``source``, ``recipe``, ``labels``, ``notes`` …).

    Raises
    ------
    UserError : a store is missing or half-written.
    """
    import yaml

    folder = Path(results_dir) / dataset
    image = store.open(folder / "image.zarr")
    sites = store.open(folder / "sites.zarr").load()
    patches = store.open(folder / "patches.zarr")
    manifest = versions.read_manifest(folder / "figures" / versions.LATEST)
    described = [_model(folder, name, recipe, sites) for name in models]
    pictures = embedded_figures(folder, manifest)
    facts = {
        "dataset": dataset,
        "row": {key: str(value) for key, value in row.items() if value not in (None, "")},
        "version": manifest.get("version", "–"),
        "description": str(recipe.get("description") or ""),
        "data": _data(image, row),
        "quality": _quality(image, sites, patches),
        "truth": words.scores(json_attribute(sites, "truth_scores", {}), leave_out=("n_found",)),
        "strain": _strain(folder, sites),
        "models": described,
        "figures": [figure for figure in pictures if figure["model"] is None],
        "figures_of": {
            name: [figure for figure in pictures if figure["model"] == name] for name in models
        },
        "recipe_words": words.recipe(recipe),
        "recipe_yaml": yaml.safe_dump(_plain(recipe), sort_keys=False, allow_unicode=True),
        "provenance": _provenance(folder, models),
        "packages": store.provenance(sites).get("packages") or {},
        "seed": recipe.get("seed", 0),
        "vendor": _vendor(image),
        "comparison": bool((recipe.get("baselines") or {}).get("methods")),
    }
    write_page("report.html", folder / "report.html", facts)


def _plain(value: Any) -> Any:
    """The same value in types that YAML writes without tags."""
    return json.loads(json.dumps(value, default=str))


def _data(image: xr.Dataset, row: dict[str, Any]) -> list[tuple[str, str]]:
    attrs = image.attrs
    size = f"{image.sizes['x']} × {image.sizes['y']} pixels"
    frames, channels = image.sizes.get("time", 1), image.sizes.get("channel", 1)
    if frames > 1:
        size += f", {words.number(frames)} frames"
    if channels > 1:
        names = ", ".join(str(name) for name in np.atleast_1d(image["channel"].values))
        size += f", {channels} channels ({names})"
    files = [str(name) for name in attrs.get("source_files") or []]
    digests = [str(value) for value in attrs.get("source_sha256") or []]
    found = [("Source", ", ".join(files) or str(row.get("source") or "–"))]
    found += [("SHA-256", digest) for digest in digests[:10]]
    if len(digests) > 10:
        found.append(("", f"and {len(digests) - 10} more files"))
    found += [
        ("Image", size),
        ("Pixel size", words.pixel_size(attrs)),
        ("Reader", str(attrs.get("reader") or "–")),
    ]
    if attrs.get("dose"):
        found.append(("Dose", words.number(attrs["dose"])))
    for key in ("labels", "notes"):
        if row.get(key):
            found.append((key.capitalize(), str(row[key])))
    return found


def _quality(image: xr.Dataset, sites: xr.Dataset, patches: xr.Dataset) -> list[tuple[str, str]]:
    if "y_error" not in sites:
        return [
            ("patches", words.number(int(patches.sizes["site"]))),
            ("samples", f"{patches.sizes['py']} × {patches.sizes['px']}"),
        ]
    error = np.hypot(sites["y_error"].values, sites["x_error"].values) / np.sqrt(2)
    followed = [("atoms followed", words.number(int(sites.attrs.get("tracks", 0))))]
    return [
        ("sites found", words.number(int(sites.sizes["site"]))),
        *(followed if "track" in sites else []),
        ("with a patch", words.number(int(patches.sizes["site"]))),
        ("spacing", words.size_in_words(image.attrs, float(sites.attrs.get("spacing", np.nan)))),
        ("quality of the fits (median)", words.number(_median(sites["fit_quality"].values))),
        ("standard error of a coordinate", words.size_in_words(image.attrs, _median(error))),
    ]


def _strain(folder: Path, sites: xr.Dataset) -> list[dict[str, Any]]:
    """What the report says of each method of strain in numbers."""
    if not (folder / "strain.zarr").is_dir():
        return []
    strain = store.open(folder / "strain.zarr")
    if not strain.attrs.get("ordered") or strain.sizes["site"] != sites.sizes["site"]:
        return []
    scored = json_attribute(strain, "scores", {})
    shares = json_attribute(strain, "scan_shares", {})
    found = []
    for k, name in enumerate(str(method) for method in strain["method"].values):
        own = strain.isel(method=k)
        error = float(np.nanmedian(own["strain_error"].values))
        turn = float(np.nanmedian(own["rotation_error"].values))
        known = float(np.isfinite(own["rotation"].values).mean())
        numbers = [
            ("sites with strain", words.percent(known)),
            ("standard error of a strain (median)", words.percent(error, 3)),
            ("standard error of a rotation (median)", f"{words.number(float(np.degrees(turn)))}°"),
            *words.strain_scores(scored.get(name, {})),
        ]
        of_scan = scan.from_attribute(shares.get(name, {}))
        found.append(
            {
                "name": words.strain_method(name),
                "numbers": numbers,
                "warnings": scan.in_words(of_scan),
                "scan": words.scan_shares(of_scan),
            }
        )
    return found


def _median(values: np.ndarray) -> float:
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if finite.size else float("nan")


def _model(folder: Path, name: str, recipe: dict[str, Any], sites: xr.Dataset) -> dict[str, Any]:
    """What the report says of one model in numbers and plain language."""
    latents = store.open(folder / name / "latents.zarr")
    attrs = latents.attrs
    trained = int((recipe.get("ensemble") or {}).get("members", latents.sizes.get("member", 1)))
    kept = attrs.get("members_kept")
    kept = len(kept) if kept is not None else latents.sizes.get("member", trained)
    symmetry = int(attrs.get("symmetry", 1))
    found = json_attribute(latents, "scores", {})
    numbers = [("members kept", f"{kept} of {trained}")]
    numbers += words.scores(found, leave_out=_SAID_ELSEWHERE)
    if "consensus_angle" in latents:
        numbers.append(
            ("angles known modulo", f"{360 / symmetry:g}°" if symmetry > 1 else "the full circle")
        )
    if "angle_spread" in latents:
        spread = np.rad2deg(_median(latents["angle_spread"].values))
        numbers.append(("angle spread (median)", f"{words.number(float(spread))}°"))
    if "content_spread" in latents:
        spread = _median(latents["content_spread"].values)
        numbers.append(("latent spread (median)", words.number(spread)))
    if "class_entropy" in latents:
        # Rounding, not doubt, is what lies below a millionth.
        entropy = round(_median(latents["class_entropy"].values), 6)
        numbers.append(("class entropy (median)", f"{words.number(entropy)} nats"))
    warnings = [str(text) for text in json_attribute(latents, "warnings", [])]
    return {
        "name": name,
        "label": str(attrs.get("label") or name),
        "numbers": numbers,
        "warnings": warnings,
        "scan": words.scan_shares(scan.from_attribute(json_attribute(latents, "scan_shares", {}))),
        "classes": _classes(latents, sites),
    }


def _classes(latents: xr.Dataset, sites: xr.Dataset) -> list[dict[str, str]]:
    """Rows of the table of classes; none if the model has no classes."""
    if "consensus_class" not in latents or "class" not in latents.sizes:
        return []
    labels = latents["consensus_class"].values.astype(int)
    entropy = (
        latents["class_entropy"].values
        if "class_entropy" in latents
        else np.full(len(labels), np.nan)
    )
    amplitude = _of_sites(latents, sites, "amplitude")
    count = int(latents.sizes["class"])
    rows = []
    for index, colour in enumerate(category_colours(count)):
        chosen = labels == index
        rows.append(
            {
                "name": f"class {index}",
                "colour": colour,
                "count": words.number(int(chosen.sum())),
                "share": words.percent(float(np.mean(chosen))) if len(chosen) else "–",
                "entropy": words.number(round(_median(entropy[chosen]), 6)),
                "amplitude": words.number(_median(amplitude[chosen])),
            }
        )
    return rows


def _of_sites(latents: xr.Dataset, sites: xr.Dataset, name: str) -> np.ndarray:
    """A column of the table of sites at the sites of a model; NaN where there is none."""
    if name not in sites:
        return np.full(latents.sizes["site"], np.nan)
    known = dict(zip(sites["site"].values.tolist(), sites[name].values.tolist(), strict=True))
    return np.array([known.get(site, np.nan) for site in latents["site"].values.tolist()], float)


def embedded_figures(folder: Path, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of the manifest with their pictures embedded; those that are gone are left out."""
    version = str(manifest.get("version", versions.LATEST))
    found = []
    for entry in manifest.get("figures", []):
        files = [str(name) for name in entry.get("files", [])]
        drawn = next((name for name in files if name.endswith((".png", ".gif"))), None)
        picture = embedded_figure(folder / "figures" / versions.LATEST / drawn) if drawn else None
        if picture is None:
            continue
        links = [(name.rpartition(".")[2].upper(), f"figures/{version}/{name}") for name in files]
        found.append({**entry, "picture": picture, "links": links})
    return found


def _provenance(folder: Path, models: list[str]) -> list[dict[str, str]]:
    """One row per store: which code made it."""
    names = ["image.zarr", "sites.zarr", "patches.zarr", *(f"{m}/latents.zarr" for m in models)]
    if (folder / "strain.zarr").is_dir():
        names.append("strain.zarr")
    rows = []
    for name in names:
        facts = store.provenance(store.open(folder / name))
        code = str(facts.pop("code_version", "–"))
        facts.pop("packages", None)
        facts.pop("recipe", None)
        more = "; ".join(f"{key}: {_short(value)}" for key, value in facts.items())
        rows.append({"store": name, "code": code, "more": more})
    return rows


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 300 else text[:299] + "…"


def _vendor(image: xr.Dataset) -> str:
    """The instrument's own metadata, indented."""
    text = str(image.attrs.get("vendor_metadata") or "")
    with suppress(ValueError):
        text = json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    if text in {"", "{}", "null"}:
        return ""
    cut = len(text) > _LONGEST_METADATA
    return text[:_LONGEST_METADATA] + ("\n… (all of it is in image.zarr)" if cut else "")
