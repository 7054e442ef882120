"""Datasets that share models: one training, one latent space, a page; a query trains nothing."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from lab import SINGLE, Lab, lattice

from vaescope import store

ROWS = (
    "a single ../data/one.npy film  300",
    "b single ../data/two.npy film  400",
    "c single ../data/three.npy film query 350",
)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def grouped(tmp_path) -> Lab:
    lab = Lab(tmp_path / "lab", header="dataset\trecipe\tsource\tgroup\trole\ttemperature")
    lab.prepare()
    lab.recipe("single", SINGLE.replace("[pca, kmeans]", "[]") + "reports: light\n")
    for seed, name in ((2, "three"), (3, "four")):
        np.save(lab.folder / "data" / f"{name}.npy", lattice(seed))
    return lab.sheet(*ROWS)


def test_a_group_is_trained_once_and_a_query_is_only_mapped(grouped: Lab):
    grouped.run().must_succeed()
    results = grouped.results
    shared = results / ".groups" / "film" / "rvae" / "members"
    names = {file.name for file in shared.glob("member-*.safetensors")}
    assert len(names) == 2
    for dataset in "abc":
        assert not (results / dataset / "rvae" / "parts").exists()
        for name in names:
            own = results / dataset / "rvae" / "members" / name
            assert own.read_bytes() == (shared / name).read_bytes()
        assert (results / dataset / "report.html").is_file()
    pool = store.open(results / ".groups" / "film" / "samples.zarr")
    assert list(pool.attrs["images"]) == ["a", "b"]
    latents = {each: store.open(results / each / "rvae" / "latents.zarr") for each in "abc"}
    assert len({each.sizes["mode_number"] for each in latents.values()}) == 1
    assert len({each.attrs["reference_member"] for each in latents.values()}) == 1
    rows = table(results / "groups" / "film" / "populations.csv")
    assert {row["dataset"] for row in rows} == set("abc")
    for each, own in latents.items():
        mine = [row for row in rows if row["dataset"] == each and row["kind"].startswith("mode")]
        assert sum(int(row["count"]) for row in mine) == own.sizes["site"]
    page = (results / "groups" / "film" / "report.html").read_text()
    assert "temperature" in page and "film" in page

    before = {path: path.stat().st_mtime_ns for path in shared.parent.rglob("*")}
    grouped.sheet(*ROWS, "d single ../data/four.npy film query 300")
    ran = grouped.ran()
    assert {path: path.stat().st_mtime_ns for path in shared.parent.rglob("*")} == before
    assert {log.partition("/")[0] for log in ran} <= {"d", "groups", "logs"}
    assert "d/logs/map_latents-rvae.log" in ran and "groups/film/logs/write_group.log" in ran


def test_a_mixture_of_scales_names_the_image(grouped: Lab):
    grouped.header += "\tpixel_size"
    grouped.sheet(ROWS[0] + " 0.02·nm".replace("·", " "), *ROWS[1:])
    lines = grouped.rows
    grouped.sheet(lines[0].replace("0.02\tnm", "0.02 nm"), *lines[1:])
    ended = grouped.run("--until", "extract_patches")
    assert ended.code != 0
    assert "no common scale" in ended.output and "pixel_size" in ended.output
    notes = list(grouped.results.glob("*/failures/extract_patches.json"))
    assert {note.parent.parent.name for note in notes} == {"b", "c"}
    assert "`a`" in json.loads(notes[0].read_text())["message"]
