"""The workflow runs from anywhere, for data anywhere, and inside other workflows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from lab import REPOSITORY, SINGLE, SNAKEFILE, Lab, environment

SITES = "sites.csv"


def test_sheet_and_results_may_lie_anywhere(fresh: Lab, tmp_path: Path):
    sheet = tmp_path / "my data" / "Übersicht.tsv"
    (fresh.folder / "config" / "datasets.tsv").unlink()
    (sheet.parent / "recipes").mkdir(parents=True)
    fresh.recipe("single", "models: {rvae: {stepps: 1}}")  # the one beside the sheet is used
    (sheet.parent / "recipes" / "single.yaml").write_text(SINGLE)
    (fresh.folder / "data").rename(sheet.parent / "data")
    sheet.write_text("dataset\trecipe\tsource\none\tsingle\tdata/one.npy\n", encoding="utf-8")
    results = tmp_path / "results of 2026"
    target = str(results / "one" / SITES)
    config = ["--config", f"datasets={sheet}", f"results={results}"]
    fresh.run(target, *config).must_succeed()
    assert Path(target).is_file()
    assert not fresh.results.exists()


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_another_working_folder(fresh: Lab, tmp_path: Path, snakefile: str):
    lab = Lab(tmp_path)  # from elsewhere
    run = lab.run("-s", str(REPOSITORY / snakefile), "-d", str(fresh.folder), "--dry-run")
    assert "one: writing the report" in run.must_succeed().output
    assert "profiles/default" in run.output, "the default profile is found"
    if snakefile == "Snakefile":
        target = "results/one/image.zarr"
        lab.run("-s", str(SNAKEFILE), "-d", str(fresh.folder), target).must_succeed()
        assert (fresh.folder / target / "zarr.json").is_file()


def test_an_empty_working_folder_gets_the_bundled_datasets(tmp_path: Path):
    output = Lab(tmp_path).run("--dry-run").must_succeed().output
    assert "oxide-interface: writing the report" in output


MODULE = """
module vaescope:
    snakefile:
        "{snakefile}"
    config:
        {{"datasets": "config/datasets.tsv", "results": "from-vaescope"}}


use rule * from vaescope as vaescope_*


rule everything:
    default_target: True
    input:
        "from-vaescope/one/{sites}",
        report="from-vaescope/one/report.html" if config.get("all") else [],
    output:
        "mine.txt",
    shell:
        "head -n 1 {{input[0]}} > {{output}}"
"""


def test_another_workflow_takes_it_as_a_module(fresh: Lab):
    text = MODULE.format(snakefile=REPOSITORY / "workflow" / "Snakefile", sites=SITES)
    (fresh.folder / "Snakefile").write_text(text)
    there = ["-s", str(fresh.folder / "Snakefile")]
    fresh.run(*there).must_succeed()
    assert (fresh.folder / "mine.txt").read_text().startswith("site,")
    output = fresh.run(*there, "--config", "all=1", "--dry-run", "vaescope_all").must_succeed()
    assert "one: training rvae" in output.output


def test_snakemake_makes_its_own_report_offline(lab: Lab):
    lab.run("--report", "report.html").must_succeed()
    page = (lab.folder / "report.html").read_text(encoding="utf-8")
    for name in ("sites", "patches", "rvae-maps-cells", "jrvae-classes", "rvae-decoded-grid"):
        assert f"{name}.png" in page
    assert "rvae-training.png" not in page


def test_a_dataset_is_four_jobs_of_a_cluster_and_a_spread_ensemble_more(fresh: Lab):
    fresh.recipe("spread", SINGLE.replace("members: 2", "members: 2, jobs: 2"))
    fresh.sheet("one single ../data/one.npy", "two spread ../data/one.npy")
    profile = REPOSITORY / "workflow" / "profiles" / "slurm"
    run = fresh.run("--workflow-profile", str(profile), "--dry-run", "--quiet", "host")
    output = run.must_succeed().output
    groups = [part.split(maxsplit=1) for part in output.split("Group job ")[1:]]
    one, two = (
        sorted(group for group, jobs in groups if f" {name}: " in jobs) for name in ("one", "two")
    )
    assert one == ["map", "prepare", "report", "train"]
    assert two == ["map", "prepare", "report", "train-0", "train-1", "train-combine"]


def test_the_slurm_profile_asks_for_a_gpu_for_training_only():
    rules = {}
    for file in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        for block in file.read_text().split("\nrule ")[1:]:
            rules[block.split(":")[0]] = block
    assert {name for name, block in rules.items() if "gpu=one_gpu" in block} == {
        "train",
        "train_detector",
    }
    assert all("mem_mb=" in block and "runtime=" in block for name, block in rules.items())


def test_the_default_profile_lets_the_other_datasets_finish(fresh: Lab):
    output = fresh.run("--dry-run").must_succeed().output
    assert "Using workflow specific profile" in output
    text = (REPOSITORY / "workflow" / "profiles" / "default" / "config.yaml").read_text()
    assert "keep-going: true" in text


def test_the_linter_of_snakemake_is_content(tmp_path: Path):
    run = Lab(tmp_path).run("--lint")
    assert "Congratulations" in run.must_succeed().output


def test_many_datasets_are_planned(fresh: Lab):
    """How long hundreds take is measured by ``benchmarks/speed/overhead.py``."""
    fresh.sheet(*(f"d{number} tiny ../data/one.npy" for number in range(30)))
    output = fresh.run("--dry-run", "all").must_succeed().output
    assert all(f": d{number}: writing the report" in output for number in range(30))


def test_planning_imports_nothing_slow():
    import subprocess

    code = (
        "import sys; import vaescope.workflow, vaescope.recipes, vaescope.workflow.summary, "
        "vaescope.workflow.resources; "
        "print([m for m in ('numpy', 'torch', 'xarray', 'pandas', 'matplotlib', 'dask') "
        "if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True)
    assert ended.stdout.decode().strip() == "[]"


def test_the_conda_environment_holds_what_the_lock_pins():
    environment = yaml.safe_load((REPOSITORY / "workflow/envs/vaescope.yaml").read_text())
    pinned = (REPOSITORY / "requirements.lock").read_text().split()
    assert environment["dependencies"][-1] == {"pip": pinned}
