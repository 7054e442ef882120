"""The record of how a dataset's results were made, for its RO-Crate: files, jobs, times, versions.

What is known here is the layout of ``results/DATASET`` and of the workflow; how a crate is written
is not.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from vaescope import store
from vaescope.exchange.crate import Run, SourceFile, Step

EXPORT = "export"
WORKFLOW = f"{EXPORT}/workflow"
"""Where the copy of the workflow lies in a dataset's folder."""
RECIPE = f"{EXPORT}/recipe.yaml"
_PARTS = (
    "workflow/Snakefile",
    "workflow/rules/*.smk",
    "workflow/schemas/*.yaml",
    "workflow/envs/*.yaml",
    "workflow/report/*.rst",
    "scripts/*.py",
)
_RUNNERS = ("snakemake", "rocrate")

# Of each rule: in words, from what, to what. {model} and {part} come from the name of the job.
JOBS: dict[str, tuple[str, Sequence[str], Sequence[str]]] = {
    "ingest": ("reading the source", (), ("image.zarr/",)),
    "find_sites": ("finding sites", ("image.zarr/",), ("sites.zarr/",)),
    "extract_patches": (
        "cutting patches",
        ("image.zarr/", "sites.zarr/"),
        ("patches.zarr/", "sites.csv"),
    ),
    "train": ("training members", ("patches.zarr/",), ("{model}/members/",)),
    "combine_members": (
        "gathering the members",
        ("patches.zarr/",),
        ("{model}/members/", "{model}/history.csv"),
    ),
    "map_latents": (
        "mapping the latents",
        ("{model}/members/", "patches.zarr/", "sites.zarr/"),
        ("{model}/latents.zarr/", "{model}/latents.csv", "{model}/scores.json", "{model}/movie/"),
    ),
    "run_baselines": (
        "classical methods",
        ("patches.zarr/",),
        ("baselines.zarr/", "baselines-seconds.csv"),
    ),
    "map_strain": (
        "mapping strain",
        ("image.zarr/", "sites.zarr/"),
        ("strain.zarr/", "strain.csv"),
    ),
    "draw_figures": ("drawing figures", ("image.zarr/", "sites.zarr/"), ("figures/latest/",)),
    "write_comparison": (
        "comparing methods",
        ("baselines.zarr/",),
        ("comparison.html", "comparison.csv"),
    ),
    "write_report": ("writing the report", ("figures/latest/",), ("report.html",)),
    "export_table": (
        "one table of all sites",
        ("sites.zarr/",),
        (f"{EXPORT}/sites.csv", f"{EXPORT}/columns.csv"),
    ),
    "export_napari": (
        "image and sites for napari",
        ("image.zarr/", "sites.zarr/"),
        (f"{EXPORT}/image.ome.zarr/", f"{EXPORT}/points.csv"),
    ),
    "export_hyperspy": (
        "image and sites for HyperSpy",
        ("image.zarr/", "sites.zarr/"),
        (f"{EXPORT}/image.hspy",),
    ),
}
"""The rules whose jobs a crate tells of."""


def copy_workflow(root: Path, folder: Path) -> list[str]:
    """Copy the workflow's own files into a dataset's folder; returns their paths in it."""
    with store.replace_atomically(folder / WORKFLOW) as beside:
        files = [file for pattern in _PARTS for file in sorted(root.glob(pattern))]
        for file in files:
            target = beside / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return [f"{WORKFLOW}/{file.relative_to(root).as_posix()}" for file in files]


def write_recipe(recipe: dict[str, Any], folder: Path) -> None:
    """Write the resolved recipe, every setting of it, beside the workflow."""
    import yaml

    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    store.write_text(text, folder / RECIPE)


def of_dataset(
    folder: Path, dataset: str, recipe: dict[str, Any], row: dict[str, Any], models: Sequence[str]
) -> tuple[Run, list[str]]:
    """What a crate says of a dataset, and the paths of all results that it describes.

    Parameters
    ----------
    folder : the dataset's results, with the copy of the workflow.
    dataset, recipe, row : its name, its resolved recipe, and its row of the sample sheet.
    models : names of its models.

    Raises
    ------
    UserError : the image store is missing or half-written.
    """
    image = store.attributes(folder / "image.zarr")
    names, digests = (image.get(f"source_{kind}", []) for kind in ("files", "sha256"))
    steps = list(_steps(folder, models))
    results = [path for step in steps for path in step.results]
    more = [row.get("notes"), recipe.get("description")]
    run = Run(
        dataset=dataset,
        description=" ".join(str(text).strip() for text in more if text),
        workflow=f"{WORKFLOW}/workflow/Snakefile",
        version=store.code_version(),
        sources=[SourceFile(str(n), str(d)) for n, d in zip(names, digests, strict=True)],
        parameters={"source": _source(row), **_shown(row), **recipe},
        recipe=RECIPE,
        steps=steps,
        software=_software(folder, models),
        snakemake=_version("snakemake"),
    )
    return run, list(dict.fromkeys(results))


def _source(row: dict[str, Any]) -> str:
    """The source as the row names it; of a file its name alone, since folders are private."""
    source = str(row.get("source") or "")
    return source if source.startswith("simulate:") else Path(source).name


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("pixel_size", "labels", "notes") if row.get(key)}


def _steps(folder: Path, models: Sequence[str]) -> Iterable[Step]:
    """The jobs that made the dataset, by the tables that Snakemake leaves of them."""
    found = []
    for table in sorted((folder / "benchmarks").glob("*.tsv")):
        rule, _, rest = table.stem.partition("-")
        model = rest.rpartition("-")[0] if rule == "train" else rest
        if rule not in JOBS or (model and model not in models):
            continue  # of a model that the recipe no longer has
        words, objects, results = JOBS[rule]
        objects, results = (
            [path.format(model=model) for path in paths] for paths in (objects, results)
        )
        if not all((folder / path).exists() for path in (*objects, *results)):
            continue  # of an export that was taken away
        with suppress(OSError, ValueError, IndexError):
            seconds = float(table.read_text().splitlines()[1].split("\t")[0])
            ended = datetime.fromtimestamp(int(table.stat().st_mtime)).astimezone()
            found.append(
                Step(
                    name=table.stem,
                    description=f"{words[0].upper()}{words[1:]}" + (f", {rest}" if rest else ""),
                    script=f"{WORKFLOW}/scripts/{rule}.py",
                    started=ended - timedelta(seconds=round(seconds)),
                    ended=ended,
                    objects=objects,
                    results=results,
                )
            )
    return sorted(found, key=lambda step: (step.started, step.ended, step.name))


def _software(folder: Path, models: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made the stores, and of what ran them."""
    names = ["image.zarr", "sites.zarr", *(f"{model}/latents.zarr" for model in models)]
    found = {"python": platform.python_version()}
    for name in names:
        packages = store.provenance(folder / name).get("packages") or {}
        found |= {name: str(version) for name, version in packages.items()}
    return found | {name: _version(name) for name in _RUNNERS}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
