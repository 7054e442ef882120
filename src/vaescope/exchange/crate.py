"""Describe a finished dataset as a Workflow Run RO-Crate: inputs, jobs, times, results.

The crate is the dataset's folder itself: its ``ro-crate-metadata.json`` describes what lies there.
Sources stay where they are; each is named by its SHA-256 (``ni:///sha-256;…``, RFC 6920), which
finds it again in any archive and tells nothing of this machine.
Source: Workflow Run RO-Crate 0.5, https://w3id.org/ro/wfrun/workflow/0.5; S. Leo et al., PLOS ONE
19 (2024) e0309210.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store
from vaescope.errors import UserError

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

METADATA = "ro-crate-metadata.json"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
NO_LICENCE = "No licence is stated for these results: ask those who recorded the data."
_SHA256 = {"sha256": "http://schema.org/sha256"}  # not yet a word of RO-Crate 1.1
_COMPLETED = "http://schema.org/CompletedActionStatus"
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
    ".hspy": "application/x-hdf5",
    ".py": "text/x-python",
    ".smk": "text/plain",
}


@dataclass(frozen=True)
class SourceFile:
    """One input file; ``sha256`` in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Step:
    """One job: by which script, when, from what and to what (paths in the dataset's folder)."""

    name: str
    description: str
    script: str
    started: datetime
    ended: datetime
    objects: Sequence[str] = ()
    results: Sequence[str] = ()


@dataclass(frozen=True)
class Run:
    """Facts of a run that do not lie in the folder."""

    dataset: str
    description: str
    workflow: str  # the Snakefile, relative to the folder
    version: str  # of the workflow
    sources: Sequence[SourceFile]
    parameters: dict[str, Any]
    recipe: str  # the file with all of them, relative to the folder
    steps: Sequence[Step]
    software: dict[str, str]
    snakemake: str  # its version


def write(folder: Path, run: Run, outputs: Iterable[str]) -> None:
    """Write ``ro-crate-metadata.json`` into a dataset's folder, atomically.

    Parameters
    ----------
    folder : the dataset's results.
    run : what was run.
    outputs : files and folders (with a slash at the end) that the run made, relative to it.

    Raises
    ------
    UserError : nothing is known of when the jobs ran, or something to be described is not there.
    """
    from rocrate.rocrate import ROCrate

    if not run.steps:
        raise UserError(
            f"dataset `{run.dataset}`: the times of its jobs are missing",
            file=folder / "benchmarks",
            expected="a table of each job, as the workflow leaves it",
            remedy="Run the workflow again with `--forcerun`, or do without `crate` in `export`",
        )
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(_SHA256)
    made = _Writer(crate, folder)
    root = crate.root_dataset
    root["name"] = f"vaescope: {run.dataset}"
    root["description"] = run.description or f"What varies in {run.dataset}, where, and how surely."
    root["license"] = NO_LICENCE
    root["datePublished"] = max(step.ended for step in run.steps).isoformat()
    root["conformsTo"] = [
        made.thing(uri, "CreativeWork", name=name, version=uri.rpartition("/")[2])
        for uri, name in PROFILES.items()
    ]
    workflow = crate.add_workflow(
        dest_path=run.workflow, main=True, lang="snakemake", lang_version=run.snakemake
    )
    workflow["name"] = "vaescope: from micrographs and spectra to maps of what varies in them"
    workflow["version"] = run.version
    workflow["encodingFormat"] = "text/plain"
    workflow["conformsTo"] = made.thing(
        BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow", version="1.0-RELEASE"
    )
    workflow["softwareRequirements"] = [
        made.software(name, version) for name, version in sorted(run.software.items())
    ]
    recipe = made.file(run.recipe, "the recipe with every setting")
    sources = [made.source(source) for source in run.sources]
    settings = [made.setting(name, value) for name, value in leaves(run.parameters)]
    results = [made.data(path) for path in outputs]
    for name, examples, way in (
        ("source", sources, "input"),
        ("recipe", [recipe], "input"),
        ("result", results, "output"),
    ):
        made.parameter(workflow, name, examples, way)
    whole = made.action(
        Step(
            name=f"run of vaescope on {run.dataset}",
            description="From the source to the report, from the first job to the last.",
            script=run.workflow,
            started=min(step.started for step in run.steps),
            ended=max(step.ended for step in run.steps),
        ),
        "#run",
    )
    whole["instrument"] = workflow
    whole["object"] = [*sources, recipe, *settings]
    whole["result"] = results
    mentioned = [whole]
    for step in run.steps:
        action = made.action(step, f"#job-{step.name}")
        script = made.file(step.script, f"script of {step.name}", "SoftwareSourceCode")
        script["version"] = run.version
        action["instrument"] = script
        action["object"] = [made.data(path) for path in step.objects] or [*sources, *settings]
        action["result"] = [made.data(path) for path in step.results]
        mentioned.append(action)
    root["mentions"] = mentioned
    text = json.dumps(_singles(crate.metadata.generate()), indent=1, ensure_ascii=False)
    store.write_text(text + "\n", folder / METADATA)


def leaves(settings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Every setting by its path (``models.rvae.latent``), those that are null left out."""
    found: list[tuple[str, Any]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found += leaves(value, f"{name}.")
        elif value is not None:
            found.append((name, value))
    return found


class _Writer:
    """Entities of one crate, each made once."""

    def __init__(self, crate: ROCrate, folder: Path) -> None:
        self.crate, self.folder = crate, folder

    def thing(self, identifier: str, kind: str, **properties: Any) -> Any:
        """A contextual entity."""
        known = self.crate.dereference(identifier)
        if known is not None:
            return known
        return self.crate.add_jsonld({"@id": identifier, "@type": kind, **properties})

    def software(self, name: str, version: str) -> Any:
        """A package in the version that was used."""
        page = f"https://pypi.org/project/{name}/"
        if name == "python":
            page = "https://www.python.org/"
        identifier = f"{page}{version.partition('+')[0]}/" if name != "python" else page
        facts = {"name": name, "url": page, "softwareVersion": version}
        return self.thing(identifier, "SoftwareApplication", **facts)

    def setting(self, name: str, value: Any) -> Any:
        """A setting and its value."""
        plain = isinstance(value, bool | int | float | str)
        written = value if plain else json.dumps(value)
        return self.thing(f"#setting-{name}", "PropertyValue", name=name, value=written)

    def source(self, source: SourceFile) -> Any:
        """An input file, identified by its content."""
        digest = base64.urlsafe_b64encode(bytes.fromhex(source.sha256)).decode().rstrip("=")
        found = self.crate.add_file(f"ni:///sha-256;{digest}", properties={"name": source.name})
        found["sha256"] = source.sha256
        found["encodingFormat"] = _format(source.name)
        return found

    def data(self, path: str) -> Any:
        """A file, or a folder if its path ends with a slash."""
        if not path.endswith("/"):
            return self.file(path)
        known = self.crate.dereference(path)
        if known is not None:
            return known
        self._there(path)
        return self.crate.add_dataset(dest_path=path, properties={"name": path.rstrip("/")})

    def file(self, path: str, name: str | None = None, kind: str | None = None) -> Any:
        """A file of the folder, with its SHA-256 and size."""
        known = self.crate.dereference(path)
        if known is not None:
            return known
        content = self._there(path)
        with content.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        facts: dict[str, Any] = {
            "name": name or path,
            "encodingFormat": _format(path),
            "contentSize": str(content.stat().st_size),
            "sha256": digest,
        }
        if kind:
            facts["@type"] = ["File", kind]
        return self.crate.add_file(dest_path=path, properties=facts)

    def parameter(self, workflow: Any, name: str, examples: list[Any], way: str) -> None:
        """A slot of the workflow, filled by these entities; none where there are none."""
        kinds = {"Dataset" if "Dataset" in _types(one) else "File" for one in examples}
        for kind in sorted(kinds):
            own = [one for one in examples if kind in _types(one)]
            slot = self.crate.add_formal_parameter(
                f"{name}" if len(kinds) == 1 else f"{name} ({kind})",
                kind,
                identifier=f"#{way}-{name}-{kind}",
                properties={"workExample": own},
            )
            workflow.append_to(way, slot)
            for one in own:
                one["exampleOfWork"] = slot

    def action(self, step: Step, identifier: str) -> Any:
        """A run of the workflow or of one of its jobs."""
        return self.thing(
            identifier,
            "CreateAction",
            name=step.name,
            description=step.description,
            startTime=step.started.isoformat(),
            endTime=step.ended.isoformat(),
            actionStatus=_COMPLETED,
        )

    def _there(self, path: str) -> Path:
        found = self.folder / path
        if not found.exists():
            raise UserError(
                "this result is to be described and is not there",
                file=found,
                remedy="Run the workflow again; it makes what is missing",
            )
        return found


def _types(entity: Any) -> list[str]:
    kind = entity.type
    return [kind] if isinstance(kind, str) else list(kind)


def _format(name: str) -> str:
    return _FORMATS.get(Path(name).suffix.lower(), "application/octet-stream")


def _singles(document: dict[str, Any]) -> dict[str, Any]:
    """Lists of one entry as that entry, as RO-Crate asks for."""

    def single(value: Any) -> Any:
        return value[0] if isinstance(value, list) and len(value) == 1 else value

    graph = [{key: single(value) for key, value in one.items()} for one in document["@graph"]]
    return document | {"@graph": graph}
