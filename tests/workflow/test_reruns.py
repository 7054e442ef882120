"""A run does only what is new."""

from __future__ import annotations

import os
import shutil

import numpy as np
from lab import TINY, Lab, lattice


def test_a_finished_run_has_nothing_left_to_do(lab: Lab):
    assert lab.plan() == set()
    assert "Nothing to be done" in lab.run().must_succeed().output


def test_a_changed_colour_map_redraws_figures_and_pages_only(lab: Lab):
    versions = {path.name for path in (lab.results / "one" / "figures").glob("[!.]*")} - {"latest"}
    before = {
        file: file.read_bytes()
        for version in versions
        for file in (lab.results / "one" / "figures" / version).iterdir()
    }
    lab.recipe("tiny", TINY.replace("dpi: 40", "dpi: 40, colormap: magma"))
    pages = {"one/logs/write_comparison.log", "one/logs/write_report.log", "logs/write_index.log"}
    pages |= {"one/logs/write_crate.log"}  # it tells of what the pages are
    assert lab.ran() == {"one/logs/draw_figures.log"} | pages
    after = {path.name for path in (lab.results / "one" / "figures").glob("[!.]*")} - {"latest"}
    assert versions < after, "the new version lies beside the old one"
    assert before and all(file.read_bytes() == data for file, data in before.items())


def test_a_changed_number_of_classes_retrains_that_model_only(lab: Lab):
    lab.recipe("tiny", TINY.replace("classes: 2", "classes: 3"))
    planned = lab.plan()
    assert {name for name in planned if "/parts/" in name} == {"one/jrvae/parts/0"}
    assert not {"one/image.zarr", "one/sites.zarr", "one/samples.zarr"} & planned
    assert not [name for name in planned if name.startswith("one/rvae")]
    assert {"one/jrvae/latents.zarr", "one/facts.json", "one/report.html"} <= planned


def test_a_touched_source_reruns_nothing_and_a_changed_one_its_dataset(lab: Lab):
    source = lab.folder / "data" / "one.npy"
    os.utime(source)
    assert lab.plan() == set()
    assert "Nothing to be done" in lab.run().must_succeed().output
    np.save(source, lattice(seed=7))
    planned = lab.plan()
    assert {"one/image.zarr", "one/samples.zarr", "one/report.html", "index.html"} <= planned


def test_a_source_that_moved_or_was_archived_does_not_undo_results(lab: Lab):
    moved = lab.folder.with_name("elsewhere")
    lab.folder.rename(moved)
    lab = Lab(moved)
    assert lab.plan() == set()
    shutil.rmtree(moved / "data")
    assert lab.plan() == set()


def test_the_order_of_keys_and_comments_of_a_recipe_change_nothing(lab: Lab):
    first, rest = TINY.split("\n", 1)
    lab.recipe("tiny", f"# {first}\n{rest}seed: 0\n{first}  # and no smaller\n")
    assert lab.plan() == set()


def test_a_removed_dataset_leaves_the_index(lab: Lab):
    lab.sheet("one tiny ../data/one.npy", "gone single ../data/nowhere.npy")
    assert lab.run().code != 0
    assert "nowhere.npy" in (lab.results / "index.html").read_text()
    lab.sheet("one tiny ../data/one.npy")
    lab.run().must_succeed()
    assert "nowhere.npy" not in (lab.results / "index.html").read_text()


def test_an_ensemble_spread_over_jobs_has_the_same_members(lab: Lab):
    before = {file.name: file.read_bytes() for file in (lab.results / "one/rvae/members").iterdir()}
    lab.recipe("tiny", TINY.replace("members: 2", "members: 2, jobs: 2"))
    lab.run("results/one/rvae/history.csv").must_succeed()
    assert (lab.results / "one/logs/train-rvae-1.log").is_file()
    after = {file.name: file.read_bytes() for file in (lab.results / "one/rvae/members").iterdir()}
    assert {k: v for k, v in before.items() if "safetensors" in k} == {
        k: v for k, v in after.items() if "safetensors" in k
    }


def test_a_changed_size_of_patches_does_not_find_sites_again(lab: Lab):
    lab.recipe("tiny", f"{TINY}\npatches:\n  size: 21\n")
    planned = lab.plan()
    assert "one/samples.zarr" in planned
    assert "one/sites.zarr" not in planned
