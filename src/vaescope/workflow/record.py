"""The record of how a dataset's results were made, for its RO-Crate: files, jobs, times, versions.

What is known here is the layout of ``results/DATASET`` and of the workflow; how a crate is written
is not.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from vaescope import store
from vaescope.exchange.crate import Run, SourceFile, Step
from vaescope.results import layout

_PARTS = (
    "workflow/Snakefile",
    "workflow/rules/*.smk",
    "workflow/schemas/*.yaml",
    "workflow/envs/*.yaml",
    "workflow/report/*.rst",
    "scripts/*.py",
)
_RUNNERS = ("snakemake", "rocrate")

_DESCRIBING = "write_crate"
"""The rule that describes all others: its own job has not ended yet."""


def copy_workflow(root: Path, folder: Path) -> list[str]:
    """Copy the workflow's own files into a dataset's folder; returns their paths in it."""
    with store.replace_atomically(folder / layout.WORKFLOW) as beside:
        files = [file for pattern in _PARTS for file in sorted(root.glob(pattern))]
        for file in files:
            target = beside / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return [f"{layout.WORKFLOW}/{file.relative_to(root).as_posix()}" for file in files]


def write_recipe(recipe: dict[str, Any], folder: Path) -> None:
    """Write the resolved recipe, every setting of it, beside the workflow."""
    import yaml

    text = yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)
    store.write_text(text, folder / layout.RECIPE)


def of_dataset(
    folder: Path,
    recipe: dict[str, Any],
    row: dict[str, Any],
    models: Sequence[str],
    jobs: Iterable[Mapping[str, Any]],
) -> tuple[Run, list[str]]:
    """Collect the facts of a dataset's crate, and the paths of all results that it describes.

    Parameters
    ----------
    folder : the dataset's results, with the copy of the workflow.
    recipe, row : its resolved recipe, and its row of the sample sheet.
    models : names of its models.
    jobs : that it may have, as the rules declare them: ``rule``, ``words``, ``table`` of its times,
        and the paths that it ``reads`` and ``writes``.

    Raises
    ------
    UserError : the image store is missing or half-written.
    """
    image = store.attributes(folder / layout.IMAGE)
    names, digests = (image.get(f"source_{kind}", []) for kind in ("files", "sha256"))
    steps = list(_steps(folder, jobs))
    results = [path for step in steps for path in step.results]
    more = [row.get("notes"), recipe.get("description")]
    run = Run(
        dataset=folder.name,
        description=" ".join(str(text).strip() for text in more if text),
        workflow=f"{layout.WORKFLOW}/workflow/Snakefile",
        version=store.code_version(),
        sources=[SourceFile(str(n), str(d)) for n, d in zip(names, digests, strict=True)],
        parameters={"source": _source(row), **_shown(row), **recipe},
        recipe=layout.RECIPE,
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


def _steps(folder: Path, jobs: Iterable[Mapping[str, Any]]) -> Iterable[Step]:
    """The jobs that made the dataset, by the tables that Snakemake leaves of them."""
    found = []
    for job in jobs:
        table, rule = Path(job["table"]), job["rule"].rpartition("vaescope_")[2]
        if rule == _DESCRIBING or not all(map(os.path.exists, (*job["reads"], *job["writes"]))):
            continue  # of an export that was taken away
        with suppress(OSError, ValueError, IndexError):
            seconds = float(table.read_text().splitlines()[1].split("\t")[0])
            ended = datetime.fromtimestamp(int(table.stat().st_mtime)).astimezone()
            found.append(
                Step(
                    name=table.stem,
                    description=_description(job["words"]),
                    script=f"{layout.WORKFLOW}/scripts/{rule}.py",
                    started=ended - timedelta(seconds=round(seconds)),
                    ended=ended,
                    objects=[_inside(folder, path) for path in job["reads"]],
                    results=[_inside(folder, path) for path in job["writes"]],
                )
            )
    return sorted(found, key=lambda step: (step.started, step.ended, step.name))


def _description(message: str) -> str:
    """Turn what a job says while it works into a description, without the name of the dataset."""
    words = message.partition(": ")[2]
    return words[:1].upper() + words[1:]


def _inside(folder: Path, path: str) -> str:
    """A path in the dataset's folder; folders end in a slash."""
    return Path(path).relative_to(folder).as_posix() + ("/" if os.path.isdir(path) else "")


def _software(folder: Path, models: Sequence[str]) -> dict[str, str]:
    """Versions of the packages that made the stores, and of what ran them."""
    names = [layout.IMAGE, layout.SITES]
    names += [layout.LATENTS.format(model=model) for model in models]
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
