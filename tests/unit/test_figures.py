"""Figures show what the stores say, whatever the data look like, and are never overwritten."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import fake_results
import numpy as np
import pytest
import xarray as xr

from vaescope import baselines, figures, store, text
from vaescope.ensemble.stability import stability
from vaescope.errors import UserError
from vaescope.figures import accuracy, colours, panels, style, versions
from vaescope.figures import baselines as of_methods
from vaescope.figures.figure_data import FigureData
from vaescope.figures.modes import used_classes
from vaescope.figures.scene import load
from vaescope.figures.voronoi import cells, squares
from vaescope.quantities import robust_limits
from vaescope.results import Results

REPOSITORY = Path(__file__).parents[2]
HOSTILE = r"a $x_1$ \frac{1}{2} <b>&'quote' 日本 " + "and-on" * 30


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    fake_results.make(folder, "crystal", shape=(90, 120), models=("jrvae",))
    return folder


@pytest.fixture(scope="module")
def manifest(results):
    return figures.draw(Results(results / "crystal"), fake_results.RECIPE, ["jrvae"])


def recipe(**look):
    changed = copy.deepcopy(fake_results.RECIPE)
    changed["figures"].update(look)
    return changed


def digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def test_every_figure_of_the_lecture_is_drawn(manifest):
    drawn = {figure["name"] for figure in manifest["figures"]}
    of_models = {"maps-points", "maps-cells", "uncertainty", "criticism", "decoded-grid"}
    of_models |= {"latent-distribution", "training", "angle-truth", "strain"}
    of_models |= {"classes", "confusion", "class-stability", "class-number", "modes", "paths"}
    of_models |= {"labelled-image"}
    wanted = {"sites", "patches", "position-error", *(f"jrvae-{name}" for name in of_models)}
    assert drawn == wanted


def test_the_figures_in_the_report_of_snakemake_have_captions(manifest):
    from types import SimpleNamespace

    from jinja2 import Template
    from snakemake.io import glob_wildcards

    rule = (REPOSITORY / "workflow" / "rules" / "figures.smk").read_text("utf-8")
    pattern = "".join(re.findall(r'"(.*?)"', rule.partition("patterns=[")[2].partition("],")[0]))
    files = [f"{figure['name']}.png" for figure in manifest["figures"]]
    names = glob_wildcards(pattern, files=[*files, "strain-maps.png"]).name
    assert {"sites", "patches", "strain-maps", "jrvae-maps-cells"} <= set(names)
    assert len(names) == 8 < len(files)
    template = Template((REPOSITORY / "workflow" / "report" / "figures.rst").read_text("utf-8"))
    for name in names:
        wildcards = SimpleNamespace(name=name, dataset="gold")
        caption = template.render(snakemake=SimpleNamespace(wildcards=wildcards)).strip()
        assert caption.startswith("**") and "gold" in caption, name


def test_the_manifest_names_files_that_exist_in_the_version_and_in_latest(results, manifest):
    root = results / "crystal" / "figures"
    for figure in manifest["figures"]:
        assert figure["title"] and figure["caption"].endswith(".")
        assert {Path(name).suffix for name in figure["files"]} == {".png", ".svg"}
        for name in figure["files"]:
            same = [
                (root / folder / name).read_bytes() for folder in (manifest["version"], "latest")
            ]
            assert same[0] == same[1]
    assert (root / "latest" / manifest["thumbnail"]).is_file()
    assert not (root / "latest").is_symlink()


def test_drawing_again_gives_the_same_files_and_no_second_version(results, manifest):
    root = results / "crystal" / "figures"
    before = digests(root / manifest["version"])
    again = figures.draw(Results(results / "crystal"), fake_results.RECIPE, ["jrvae"])
    assert again == manifest
    assert digests(root / manifest["version"]) == before
    assert {folder.name for folder in root.iterdir()} == {manifest["version"], "latest"}


def test_another_colour_map_is_another_version_and_the_old_one_stays(tmp_path):
    fake_results.make(tmp_path, "a", shape=(70, 80), models=("vae",))
    first = figures.draw(Results(tmp_path / "a"), recipe(formats=["png"]), ["vae"])
    old = digests(tmp_path / "a/figures" / first["version"])
    second = figures.draw(
        Results(tmp_path / "a"), recipe(formats=["png"], colormap="magma"), ["vae"]
    )
    assert first["version"] != second["version"]
    assert digests(tmp_path / "a/figures" / first["version"]) == old
    name = "vae-maps-cells.png"
    latest = tmp_path / "a/figures/latest" / name
    assert latest.read_bytes() == (tmp_path / "a/figures" / second["version"] / name).read_bytes()
    assert hashlib.sha256(latest.read_bytes()).hexdigest() != old[name]


def test_a_different_result_of_the_same_version_does_not_overwrite_the_first(tmp_path):
    folder = fake_results.make(tmp_path, "a", shape=(70, 80), models=("vae",))
    chosen = recipe(formats=["png"])
    first = figures.draw(Results(tmp_path / "a"), chosen, ["vae"])
    old = digests(folder / "figures" / first["version"])
    latents = store.open(folder / "vae" / "latents.zarr").load()
    latents["consensus_content"] = -latents["consensus_content"]
    store.write(latents, folder / "vae" / "latents.zarr")
    second = figures.draw(Results(tmp_path / "a"), chosen, ["vae"])
    assert second["version"] == f"{first['version']}-2"
    assert digests(folder / "figures" / first["version"]) == old


def test_what_a_killed_drawing_left_is_swept_and_latest_is_whole(tmp_path):
    folder = fake_results.make(tmp_path, "a", shape=(70, 80), models=("vae",))
    (folder / "figures/.drawing-abc").mkdir(parents=True)
    (folder / "figures/.drawing-abc/sites.png").write_bytes(b"half")
    made = figures.draw(Results(tmp_path / "a"), recipe(formats=["png"]), ["vae"])
    assert {f.name for f in (folder / "figures").iterdir()} == {made["version"], "latest"}


def test_raw_data_recipe_pixel_size_and_code_each_change_the_version():
    attrs = {"source_sha256": ["a"], "pixel_size": 1.0, "pixel_unit": "px"}
    versions_of = {
        versions.version_of(attrs, {"seed": 0}),
        versions.version_of({**attrs, "source_sha256": ["b"]}, {"seed": 0}),
        versions.version_of({**attrs, "pixel_size": 0.1}, {"seed": 0}),
        versions.version_of(attrs, {"seed": 1}),
    }
    assert len(versions_of) == 4


def test_a_figure_says_what_it_shows_in_text_that_can_be_searched(results, manifest):
    svg = (results / "crystal/figures/latest/jrvae-maps-cells.svg").read_text()
    for words in ("crystal", manifest["version"], "4 members", "angles modulo 90°", "latent 2"):
        assert words in svg
    for unit in ("angle (°, mod 90°)", "x offset (pm, + right)", "0.5\u202fnm", "sites"):
        assert unit in svg


@pytest.mark.parametrize(
    "odd",
    [
        {"shape": (60, 420), "calibrated": False, "latent": 3, "frames": 2, "classes": 11},
        {"shape": (400, 60), "latent": 1, "symmetry": 1, "truth": False},
    ],
    ids=["wide, uncalibrated, two frames, many classes", "tall, one latent, no symmetry, no truth"],
)
def test_odd_data_and_hostile_names_are_drawn_without_warnings(tmp_path, odd, recwarn):
    name = HOSTILE.replace("/", "")[:200]
    fake_results.make(tmp_path, name, models=("jrvae",), **odd)
    recwarn.clear()
    made = figures.draw(Results(tmp_path / name), recipe(formats=["svg"], dpi=40), ["jrvae"])
    assert len(made["figures"]) >= 9
    assert not [w for w in recwarn if "font" in str(w.message) or "mathtext" in str(w.message)]
    if odd.get("frames", 1) > 1:
        svg = (tmp_path / name / "figures/latest/jrvae-maps-cells.svg").read_text()
        assert "frame 1 of 2" in svg


def test_few_sites_nan_values_and_constant_maps_are_drawn(tmp_path):
    folder = fake_results.make(tmp_path, "few", shape=(64, 70), models=("jrvae",), step=18.0)
    latents = store.open(folder / "jrvae/latents.zarr").load().isel(site=slice(0, 3))
    latents["consensus_angle"][:] = 0.0
    latents["consensus_content"][0] = np.nan
    latents["residual"][1] = np.nan
    latents["content_spread"][:] = 0.0
    store.write(latents, folder / "jrvae/latents.zarr")
    made = figures.draw(Results(tmp_path / "few"), recipe(formats=["png"]), ["jrvae"])
    assert any(figure["name"] == "jrvae-maps-cells" for figure in made["figures"])


def test_a_missing_store_is_told_as_such(tmp_path):
    fake_results.make(tmp_path, "a", shape=(70, 80), models=())
    with pytest.raises(UserError, match="no such store"):
        figures.draw(Results(tmp_path / "a"), fake_results.RECIPE, ["rvae"])


@pytest.mark.parametrize(
    ("look", "told"),
    [({"colormap": "rainbowish"}, "rainbowish"), ({"formats": ["bmp"]}, "bmp")],
)
def test_an_unknown_look_is_refused_with_its_name(look, told):
    with pytest.raises(UserError, match=told):
        figures.Look.of(recipe(**look)["figures"])


def test_drawing_needs_no_torch():
    code = "import sys, vaescope.figures, vaescope.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_windows_on_a_grid_are_drawn_as_the_squares_they_stand_for():
    made = squares(np.array([[10.0, 20.0], [10.0, 24.0]]), 4.0)
    assert sum(_area(cell) for cell in made) == pytest.approx(2 * 16.0)
    assert made[0][:, 0].max() == made[1][:, 0].min() == 22.0  # side by side along x


def test_voronoi_cells_tile_the_image_where_sites_are_dense():
    rng = np.random.default_rng(0)
    points = rng.uniform([0, 0], [60, 80], (400, 2))
    area = sum(_area(cell) for cell in cells(points, 60, 80, 100.0) if cell is not None)
    assert area == pytest.approx(60 * 80, rel=1e-9)


def test_cells_of_a_perfect_lattice_turned_by_some_degrees_tile_the_image():
    grid = np.stack(np.meshgrid(np.arange(-60, 60), np.arange(-60, 60)), axis=-1).reshape(-1, 2)
    for degrees in (0, 7, 30, 45):
        angle = np.deg2rad(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        made = cells(5.0 * grid @ turn.T + 100, 200, 200, 6.0)
        drawn = [cell for cell in made if cell is not None]
        assert sum(map(_area, drawn)) == pytest.approx(200 * 200, rel=1e-9)
        assert max(map(_area, drawn)) == pytest.approx(25, rel=1e-9)


def test_a_lonely_site_gets_a_disc_and_a_doubled_one_no_second_cell():
    made = cells(np.array([[50.0, 50.0], [50.0, 50.0], [np.nan, 1.0]]), 100, 100, 10.0)
    # A polygon of 24 corners covers 98.9 % of its circle.
    assert _area(made[0]) == pytest.approx(np.pi * 100, rel=0.02)
    assert made[1] is None and made[2] is None


def test_cells_in_a_row_are_drawn_though_the_sites_are_collinear():
    made = cells(np.array([[5.0, x] for x in (5.0, 15.0, 25.0)]), 11, 31, 8.0)
    assert all(cell is not None for cell in made)
    assert _area(made[1]) == pytest.approx(10 * 11, rel=1e-6)


def _area(cell: np.ndarray) -> float:
    x, y = cell.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def test_colours_of_classes_differ_from_each_other():
    assert len(set(style.category_colours(20))) == 20


def test_limits_ignore_single_outliers_and_survive_nothing():
    values = np.r_[np.linspace(0, 1, 1000), 1e9, np.nan]
    assert robust_limits(values)[1] < 2
    assert robust_limits(np.array([np.nan])) == (0.0, 1.0)
    low, high = robust_limits(np.full(5, 3.0))
    assert low < 3 < high


def test_names_are_one_printable_line_of_bounded_length():
    assert text.plain("a\nb\t\u202ec") == "a b c"
    assert len(text.plain("x" * 500, 40)) == 40


def test_angles_that_fill_little_of_the_circle_are_drawn_about_their_mean():
    rng = np.random.default_rng(0)
    view = _view(np.deg2rad(44.9 + rng.normal(0, 0.5, 200)), symmetry=4)
    quantity = colours.one_of(_scene(), view, "consensus_angle")
    assert quantity.cmap == "RdBu_r"
    assert abs(quantity.values).max() < 3  # about the mean, across the seam at 45°
    wide = _view(rng.uniform(-0.7, 0.7, 200), symmetry=4)
    full = colours.one_of(_scene(), wide, "consensus_angle")
    assert (full.cmap, full.low, full.high) == ("twilight", -45.0, 45.0)


def test_scale_bars_are_round_and_speak_the_unit_of_the_image():
    scene = _scene(calibrated=True, pixel_size=0.02, pixel_unit="nm")
    pixels, label = panels.round_length(scene, 240, 3.0)
    assert (pixels, label) == (50.0, "1\u202fnm")
    assert panels.round_length(_scene(), 240, 3.0) == (50.0, "50\u202fpx")
    micro = _scene(calibrated=True, pixel_size=8e-3, pixel_unit="um")
    assert panels.round_length(micro, 256, 3.0)[1] == "0.5\u202fµm"


def test_matching_of_classes_is_one_to_one():
    order, share = accuracy.matched(np.array([[1, 9, 0], [8, 2, 0]]))
    assert order.tolist() == [1, 0, 2]
    assert share == pytest.approx(17 / 20)


def _view(angle: np.ndarray, symmetry: int) -> figures.ModelResults:
    latents = xr.Dataset({"consensus_angle": ("site", angle)}, attrs={"symmetry": symmetry})
    return figures.ModelResults("rvae", latents, Path("none"), 0)


def _scene(**attrs) -> figures.Scene:
    results = Results("d")
    results.image = xr.Dataset({"image": (("y", "x"), np.zeros((240, 240)))}, attrs=attrs)
    return figures.Scene(results, figures.Look(), "v", np.zeros((2, 2)))


def test_the_manifest_on_disk_is_the_one_returned(results, manifest):
    stored = json.loads((results / "crystal/figures/latest/figures.json").read_text())
    assert stored | manifest == stored
    assert set(stored["sha256"]) >= {manifest["thumbnail"]}


def test_a_class_of_no_member_does_not_count_as_found_again():
    probability = np.zeros((2, 30, 3))
    probability[:, :, 0] = 1
    assert list(stability(probability)) == [1, 0, 0]
    assert list(used_classes(probability.mean(0), 2)) == [True, False, False]
    probability[0, :5] = (0, 1, 0)  # one member uses another class, too seldom to win
    assert list(used_classes(probability.mean(0), 2)) == [True, True, False]


def test_every_figure_names_the_stores_or_keeps_the_values_that_it_shows(results, manifest):
    folder = results / "crystal"
    for figure in manifest["figures"]:
        assert figure["tables"] or figure["stores"], figure["name"]
        for name, variables in figure["stores"].items():
            held = store.open(folder / name)
            assert set(variables) <= set(map(str, held.variables)), (figure["name"], name)


def test_the_table_of_a_map_has_the_values_of_the_store(results, manifest):
    import pandas as pd

    latents = store.open(results / "crystal/jrvae/latents.zarr").load()
    table = pd.read_csv(results / "crystal/figures/latest/jrvae-maps-cells.csv")
    assert table["site"].tolist() == latents["site"].values.tolist()
    drawn = latents["consensus_content"].values[:, 0]
    assert np.allclose(table["jrvae_latent_1"], drawn, rtol=1e-5)
    assert np.allclose(table["x_px"], latents["x"].values, rtol=1e-5)


def test_tables_of_the_comparison_tell_methods_models_and_the_truth_apart(tmp_path):
    folder = fake_results.make(tmp_path, shape=(90, 100), models=("jrvae",), step=15.0)
    asked = {"methods": ["pca", "som"], "components": 3, "clusters": 3}
    found, _ = baselines.run(store.open(folder / "samples.zarr"), asked)
    store.write(found, folder / "baselines.zarr")
    scene = load(Results(folder), ["jrvae"], figures.Look(), "v", baselines=True)
    drawn = {one.name: one.figure_data.tables for one in of_methods.figures(scene)}
    place = ["site", "frame", "y_px", "x_px"]
    labels = ["jrvae_matched_label", "matched_label_pca", "matched_label_som", "true_kind"]
    assert list(drawn["baselines-maps"][""].columns) == [*place, *labels]
    table = drawn["baselines-embeddings"][""].columns
    assert list(table) == ["method", "site", "component_1", "component_2", "label"]
    assert set(table["method"]) == {"jrvae", "PCA", "self-organising map"}


def test_tables_and_facts_belong_to_what_a_version_holds(results, manifest):
    latest = results / "crystal/figures/latest"
    known = versions.read_manifest(latest)
    for name in ("facts.json", "jrvae-training.csv"):
        assert known["sha256"][name] == hashlib.sha256((latest / name).read_bytes()).hexdigest()
    assert known["drawn"] and "drawn" not in manifest  # when is no part of the result


def test_rows_of_unlike_columns_stand_in_one_table():
    figure_data = FigureData()
    figure_data.rows({"method": "a", "x": np.array([1.0, np.nan])})
    figure_data.rows({"method": "b", "y": [3, 4]})
    assert figure_data.files("f") == {"f.csv": "method,x,y\na,1,\na,,\nb,,3\nb,,4\n"}


def test_values_for_other_sites_than_the_table_has_are_refused():
    figure_data = FigureData()
    place = {"site": np.arange(3)}
    figure_data._of_sites(place, "one", np.zeros(3))
    with pytest.raises(ValueError, match="4 values of other for 3 sites"):
        figure_data._of_sites(place, "other", np.zeros(4))


def test_marks_in_pale_colours_stand_out_from_a_bright_image():
    """Half of the sites were invisible where the colours of a map are near white."""
    from types import SimpleNamespace

    import matplotlib.pyplot as plt

    for cmap in ("twilight", "RdBu", "viridis", "gray"):
        drawn = plt.figure(figsize=(2, 2), dpi=100, facecolor="white")
        axes = drawn.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.axis("off")
        scene = SimpleNamespace(spacing=20.0, shape=(100, 100))
        quantity = colours.Coloured("q", np.array([0.0, 0.5, 1.0]), cmap, 0.0, 1.0)
        place = np.array([[50, 20], [50, 50], [50, 80.0]])
        panels.points(axes, scene, place, quantity, 2.0)
        drawn.canvas.draw()
        grey = np.asarray(drawn.canvas.buffer_rgba())[..., :3].mean(-1)
        plt.close(drawn)
        for column in (40, 100, 160):
            assert grey[85:115, column - 15 : column + 15].min() < 100
