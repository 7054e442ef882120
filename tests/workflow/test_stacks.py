"""Stacks of pictures that are patches already, through the whole workflow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from lab import Lab

from vaescope.simulate import cards

HEAD = """\
extends: frames
patches: {pixels: 16}
ensemble: {members: 2}
baselines: {methods: [kmeans]}
figures: {formats: [png], dpi: 40}
models:
  rvae: null
"""
SMALL = "steps: 40, hidden: 16, turns: 6, batch: 16"


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab in which three studies have run: cards of one's own, told and restored ones."""
    lab = Lab(tmp_path_factory.mktemp("stacks")).prepare()
    hand = cards.deal(cards.CardParameters(count=80, size=24), np.random.default_rng(0))
    np.savez(
        lab.folder / "data" / "cards.npz",
        images=(hand["images"].clip(0, 1) * 255).astype(np.uint8),
        label=hand["label"],
        angle=np.degrees(hand["angle"]),
        shear=np.degrees(hand["shear"]),
    )
    lab.recipe(
        "cards",
        HEAD
        + f"  turned: {{variant: rvae, offsets: false, shear: true, refine: 2, {SMALL}}}\n"
        + "".join(f"  j{k}: {{variant: jvae, classes: {k}, {SMALL}}}\n" for k in (2, 3, 4)),
    )
    lab.recipe(
        "told",
        HEAD
        + "  ss: {variant: ssrvae, classes: 4, labels: known_label, held_out: held_out, "
        + f"{SMALL}}}\n"
        + f"  c: {{variant: cvae, condition: [label], {SMALL}}}\n",
    )
    lab.recipe(
        "clean",
        HEAD + f"  dae: {{variant: dae, target: clean, held_out: held_out, {SMALL}}}\n",
    )
    lab.sheet(
        "mine cards ../data/cards.npz",
        "told told simulate:cards3?count=60&labelled=20&held_out=20",
        "clean clean simulate:stem-pairs?count=60&size=16",
    )
    lab.run().must_succeed()
    return lab


def scores(lab: Lab, dataset: str, model: str) -> dict:
    return json.loads((lab.results / dataset / model / "scores.json").read_text())


def figures(lab: Lab, dataset: str) -> set[str]:
    return {file.stem for file in (lab.results / dataset / "figures" / "latest").glob("*.png")}


def test_cards_of_ones_own_are_compared_with_what_is_known_of_them(stacks: Lab):
    found = scores(stacks, "mine", "turned")
    assert 0 <= found["angle_within_10_deg"] <= 1
    assert "shear_correlation_worst_label" in found
    assert "label_accuracy" in scores(stacks, "mine", "j4")
    drawn = figures(stacks, "mine")
    assert {"patches", "class-numbers", "turned-angle-truth", "turned-shear-truth"} <= drawn
    assert {"j4-confusion", "j4-dispersion", "j4-classes", "turned-decoded-grid"} <= drawn
    assert "sites" not in drawn and not [name for name in drawn if "maps" in name]


def test_what_is_known_never_reaches_a_model_that_is_not_told(stacks: Lab):
    folder = stacks.results / "mine"
    weights = {f: f.read_bytes() for f in (folder / "turned" / "members").glob("*.safetensors")}
    source = stacks.folder / "data" / "cards.npz"
    with np.load(source) as file:
        arrays = dict(file)
    arrays["label"] = np.random.default_rng(1).permutation(arrays["label"])
    np.savez(source, **arrays)
    assert "mine/logs/train-turned-0.log" in stacks.ran("results/mine/turned/members")
    assert weights and all(file.read_bytes() == data for file, data in weights.items())


def test_labels_name_the_classes_and_held_out_patches_are_scored(stacks: Lab):
    found = scores(stacks, "told", "ss")
    assert "held_out_label_accuracy" in found
    latents = xr.open_zarr(stacks.results / "told" / "ss" / "latents.zarr", consolidated=False)
    assert list(latents.attrs["class_labels"]) == [0.0, 1.0, 2.0, 3.0]
    assert latents.sizes["site"] == 100


def test_a_conditional_model_is_drawn_for_each_label_it_is_told(stacks: Lab):
    latents = xr.open_zarr(stacks.results / "told" / "c" / "latents.zarr", consolidated=False)
    assert list(latents["told"].values) == [0.0, 1.0, 2.0, 3.0]
    drawn = latents["decoded_conditions"].values
    assert drawn.shape[:2] == (4, latents.sizes["grid_column"])
    assert np.abs(drawn[0] - drawn[1]).max() > 0
    assert "c-decoded-conditions" in figures(stacks, "told")


def test_restored_pictures_stand_beside_classical_methods(stacks: Lab):
    found = scores(stacks, "clean", "dae")
    assert {"model_psnr", "gaussian_psnr", "nl_means_psnr", "input_psnr"} <= set(found)
    assert found["restored_held_out"] is True
    assert "dae-restored" in figures(stacks, "clean")


def test_the_report_speaks_of_patches(stacks: Lab):
    page = (stacks.results / "mine" / "report.html").read_text()
    assert "Every frame of the stack is a site" in page
    assert "quality of the fits" not in page


def test_a_study_that_asks_for_what_is_not_there_says_so(tmp_path: Path):
    lab = Lab(tmp_path).prepare()
    lab.recipe("told", HEAD + f"  c: {{variant: cvae, condition: [mood], {SMALL}}}\n")
    lab.sheet("cards told simulate:cards1?count=40", "picture told ../data/one.npy")
    ended = lab.run()
    assert ended.code != 0
    assert "no variable `mood`" in ended.output and "label" in ended.output
    assert "one picture, not a stack" in ended.output
