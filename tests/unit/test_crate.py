"""A finished dataset as a Workflow Run RO-Crate, by the validator of that profile, off line."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path

import crates
import fake_results
import pytest

from vaescope import store
from vaescope.errors import UserError
from vaescope.exchange import crate
from vaescope.workflow import record

ROOT = Path(__file__).parents[2]


def finished(results: Path) -> Path:
    """A dataset with everything that the workflow makes of it, the tables of its jobs included."""
    folder = fake_results.make(results)
    for model in ("rvae", "jrvae"):
        (folder / model / "members").mkdir()
        (folder / model / "members" / "member-0.safetensors").write_bytes(b"weights")
        (folder / model / "movie").mkdir()
        for name in ("latents.csv", "scores.json"):
            (folder / model / name).write_text("{}")
        for part in "01":
            (folder / model / "parts" / part).mkdir(parents=True)
            (folder / model / "parts" / part / "member-0.safetensors").write_bytes(b"weights")
    (folder / "figures" / "latest").mkdir(parents=True)
    for name in ("sites.csv", "report.html"):
        (folder / name).write_text(name)
    jobs = ["ingest", "find_sites", "extract_patches", "draw_figures", "write_report"]
    jobs += [
        f"{rule}-{m}" for rule in ("map_latents", "combine_members") for m in ("rvae", "jrvae")
    ]
    jobs += ["train-rvae-0", "train-rvae-1", "train-jrvae-0", "train-gone-0"]
    (folder / "benchmarks").mkdir()
    for number, job in enumerate(jobs):
        table = folder / "benchmarks" / f"{job}.tsv"
        table.write_text("s\th:m:s\n12.5\t0:00:12\n")
        os.utime(table, (1_700_000_000 + 100 * number,) * 2)
    return folder


def jobs_of(folder: Path) -> list[dict]:
    """Jobs as the rules declare them, one of them never run."""

    def job(rule: str, words: str, reads: list[str], writes: list[str], rest: str = "") -> dict:
        table = folder / "benchmarks" / f"{rule}{rest and '-' + rest}.tsv"
        paths = {"reads": reads, "writes": writes}
        paths = {kind: [str(folder / path) for path in several] for kind, several in paths.items()}
        return {"rule": rule, "words": f"crystal: {words}", "table": table, **paths}

    image, sites, patches = "image.zarr", "sites.zarr", "samples.zarr"
    found = [
        job("ingest", "reading the source", [], [image]),
        job("find_sites", "finding sites", [image], [sites]),
        job("extract_patches", "cutting patches", [image, sites], [patches, "sites.csv"]),
        job("draw_figures", "drawing figures", [image, sites], ["figures/latest"]),
        job("write_report", "writing the report", ["figures/latest"], ["report.html"]),
        job("map_strain", "mapping strain", [image, sites], ["strain.zarr"]),
    ]
    for model in ("rvae", "jrvae"):
        words = f"training {model}"
        parts = [f"{model}/parts/{k}" for k in range(2)]
        own = [f"{model}/{name}" for name in ("latents.zarr", "latents.csv", "movie")]
        found += [
            *(job("train", words, [patches], [parts[k]], f"{model}-{k}") for k in range(2)),
            job("combine_members", "gathering", parts, [f"{model}/members"], model),
            job("map_latents", "mapping", [f"{model}/members", sites], own, model),
        ]
    return found


def described(folder: Path, row: dict | None = None) -> dict[str, dict]:
    """Write the crate; entities by their names."""
    record.copy_workflow(ROOT, folder)
    record.write_recipe(fake_results.RECIPE, folder)
    given = {"source": "/home/someone/secret/crystal.dm3", "notes": "grown at 650 °C"} | (row or {})
    models = ["rvae", "jrvae"]
    run, outputs = record.of_dataset(folder, fake_results.RECIPE, given, models, jobs_of(folder))
    crate.write(folder, run, outputs)
    document = json.loads((folder / crate.METADATA).read_text(encoding="utf-8"))
    return {entity["@id"]: entity for entity in document["@graph"]}


def ids(value: dict | list[dict]) -> list[str]:
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return crates.cache(tmp_path_factory.mktemp("cache") / "cache")


def test_a_finished_dataset_is_a_valid_workflow_run_crate(tmp_path: Path, cache: Path):
    folder = finished(tmp_path)
    described(folder)
    assert crates.problems(folder, cache) == []
    # The check is one that can fail.
    path = folder / crate.METADATA
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"instrument"', '"tool"'), encoding="utf-8")
    assert crates.problems(folder, cache)


def test_a_simulated_dataset_has_no_source_file_and_is_valid_too(tmp_path: Path, cache: Path):
    folder = finished(tmp_path)
    image = store.open(folder / "image.zarr").load()
    image.attrs |= {"source_files": [], "source_sha256": []}
    store.write(image, folder / "image.zarr")
    found = described(folder, {"source": "simulate:perovskite?dose=500"})
    assert found["#setting-source"]["value"] == "simulate:perovskite?dose=500"
    assert crates.problems(folder, cache) == []


def test_a_crate_tells_what_went_in_what_came_out_and_when(tmp_path: Path):
    folder = finished(tmp_path)
    found = described(folder)
    run = found["#run"]
    assert run["startTime"] == datetime.fromtimestamp(1_700_000_000 - 12).astimezone().isoformat()
    jobs = [key for key in found if key.startswith("#job-")]
    ends = [datetime.fromisoformat(found[job]["endTime"]) for job in jobs]
    assert datetime.fromisoformat(run["endTime"]) == max(ends)
    assert "#job-train-rvae-1" in jobs and "#job-train-gone-0" not in jobs
    source = next(found[one] for one in ids(run["object"]) if one.startswith("ni:///sha-256;"))
    assert source["name"] == "crystal.dm3" and source["sha256"] == f"{0:064x}"
    assert found["#setting-models.jrvae.classes"]["value"] == 3
    assert "#setting-models.jrvae.classes" in ids(run["object"])
    report = found["report.html"]
    assert report["sha256"] == hashlib.sha256((folder / "report.html").read_bytes()).hexdigest()
    assert {"image.zarr/", "rvae/latents.zarr/", "report.html"} <= set(ids(run["result"]))
    assert ids(found["#job-map_latents-rvae"]["result"])[0] == "rvae/latents.zarr/"
    names = {
        found[one]["name"] for one in ids(found[ids(run["instrument"])[0]]["softwareRequirements"])
    }
    assert {"torch", "numpy", "snakemake", "python"} <= names
    assert "someone" not in (folder / crate.METADATA).read_text(encoding="utf-8")


def test_every_rule_has_its_script():
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for block in file.read_text().split("\nrule ")[1:]:
            assert (ROOT / "scripts" / f"{block.partition(':')[0]}.py").is_file()


def test_a_crate_without_the_times_of_its_jobs_says_what_to_do(tmp_path: Path):
    folder = finished(tmp_path)
    for table in (folder / "benchmarks").iterdir():
        table.unlink()
    with pytest.raises(UserError, match="the times of its jobs are missing"):
        described(folder)
