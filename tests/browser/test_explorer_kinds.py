"""The explorer works for every kind of dataset, however little its stores say, or however much."""

from __future__ import annotations

import re

import explorer_results
import fake_results
import numpy as np
import pytest
import xarray as xr
from explorer_page import Explorer, write
from waiting import until

from vaescope import store

EVIL = "</script><script>window.hit = 1</script><img src=x onerror=alert(1)><!--"


@pytest.fixture
def show(browser):
    """Write the report of a dataset and open it; what it complains of fails the test."""
    opened = []

    def shown(results, dataset, models, **row) -> Explorer:
        opened.append(Explorer(browser, write(results, dataset, models, **row)))
        return opened[-1]

    yield shown
    for explorer in opened:
        explorer.close()


def count(explorer) -> int:
    return len(explorer.marks("latent", "points")) + len(explorer.marks("latent", "rest"))


def test_a_movie_is_stepped_and_played_by_keys(tmp_path, show):
    folder = explorer_results.make(tmp_path, frames=3, shape=(90, 120), models=("rvae",))
    explorer = show(tmp_path, "crystal", ["rvae"])
    frames = store.open(folder / "sites.zarr")["frame"].values
    seen = []
    explorer.page.locator("#explorer-frame").focus()
    for frame in range(3):
        on_image = len(explorer.marks("image", "points")) + len(explorer.marks("image", "rest"))
        assert on_image == (frames == frame).sum()
        seen.append(explorer.picture())
        assert f"frame {frame + 1}" in explorer.page.locator("#explorer-frame-words").inner_text()
        explorer.page.keyboard.press("ArrowRight")
        explorer.settle()
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[1], seen[2])
    everything = count(explorer)
    explorer.page.check("#explorer-this-frame")
    explorer.settle()
    held = store.open(folder / "rvae/latents.zarr")
    assert count(explorer) == (held["frame"].values == 2).sum() < everything
    explorer.page.locator("#explorer-frame").focus()
    explorer.page.keyboard.press(" ")
    until(explorer.page, "() => document.getElementById('explorer-frame').value === '1'")
    explorer.page.keyboard.press(" ")
    assert explorer.page.locator("#explorer-play").inner_text() == "Play"


def test_what_is_selected_in_the_plane_is_so_in_every_frame(tmp_path, show):
    folder = explorer_results.make(tmp_path, frames=2, shape=(90, 120), models=("rvae",))
    explorer = show(tmp_path, "crystal", ["rvae"])
    explorer.drag(explorer.share("latent", 0.01, 0.01), explorer.share("latent", 0.99, 0.99))
    frames = {row["frame"] for row in explorer.export()}
    assert frames == {"0", "1"}
    explorer.page.keyboard.press("Escape")
    explorer.drag(explorer.share("image", 0.01, 0.01), explorer.share("image", 0.99, 0.99))
    assert {row["frame"] for row in explorer.export()} == {"0"}
    assert folder.is_dir()


@pytest.mark.parametrize("latent", [1, 3])
def test_a_model_of_any_number_of_latents_has_its_plane(tmp_path, show, latent):
    made = {"models": ("vae",), "latent": latent, "shape": (90, 120), "truth": False}
    explorer_results.make(tmp_path, members=1, **made)
    explorer = show(tmp_path, "crystal", ["vae"])
    axes = explorer.options("x")
    assert [name for name in axes if re.fullmatch(r"latent \d+", name)] == [
        f"latent {k + 1}" for k in range(latent)
    ]
    explorer.page.mouse.move(*explorer.share("latent", 0.4, 0.6))
    explorer.settle()
    assert "latent 1 =" in explorer.page.locator("#explorer-generated-words").inner_text()
    assert explorer.canvas("generated")[..., 0].std() > 1
    if latent == 3:
        explorer.choose("x", "latent 3")
        explorer.choose("y", "latent 2")  # the plane that was decoded the other way about
        explorer.page.mouse.move(*explorer.share("latent", 0.5, 0.5))
        explorer.settle()
        told = explorer.page.locator("#explorer-generated-words").inner_text()
        assert told.startswith("latent 3 =") and "latent 2 =" in told
        explorer.choose("y", "residual over noise")
        told = explorer.page.locator("#explorer-generated-words").inner_text()
        assert "choose two latents" in told


def test_an_older_store_without_members_planes_or_pictures_has_its_explorer(tmp_path, show):
    folder = fake_results.make(tmp_path, models=("rvae",), shape=(90, 120), calibrated=False)
    gone = ["reconstruction", "residual", "explained", "mode", "consensus_strain", "elbo"]
    explorer_results.change(
        folder / "rvae/latents.zarr", lambda held: held.drop_vars([*gone, "strain_spread"])
    )
    explorer = show(tmp_path, "crystal", ["rvae"])
    assert explorer.options("member") == ["consensus"]
    # The grid that the figure shows is interpolated all the same.
    explorer.page.mouse.move(*explorer.share("latent", 0.3, 0.3))
    explorer.settle()
    first = explorer.canvas("generated")
    explorer.page.mouse.move(*explorer.share("latent", 0.8, 0.8))
    explorer.settle()
    assert not np.array_equal(first, explorer.canvas("generated"))
    explorer_results.change(
        folder / "rvae/latents.zarr",
        lambda held: held.drop_vars(["decoded_grid", "consensus_angle", "angle_spread"]),
    )
    bare = show(tmp_path, "crystal", ["rvae"])
    bare.page.mouse.move(*bare.share("latent", 0.3, 0.3))
    bare.settle()
    assert "Nothing is decoded" in bare.page.locator("#explorer-generated-words").inner_text()


def test_a_dataset_without_models_still_shows_its_sites(tmp_path, show):
    explorer_results.make(tmp_path, models=(), shape=(90, 120))
    explorer = show(tmp_path, "crystal", [])
    assert explorer.page.locator("#explorer-model").is_hidden()
    explorer.drag(explorer.share("image", 0.1, 0.1), explorer.share("image", 0.9, 0.9))
    assert len(explorer.marks("latent", "points")) == len(explorer.export()) > 10


def test_windows_that_were_never_fitted_are_explored(tmp_path, show):
    folder = explorer_results.make(tmp_path, models=("vae",), shape=(90, 120))
    explorer_results.as_windows(folder)
    explorer = show(tmp_path, "crystal", ["vae"])
    explorer.drag(explorer.share("image", 0.1, 0.1), explorer.share("image", 0.9, 0.9))
    assert len(explorer.export()) > 10


def test_pictures_of_a_stack_lie_on_a_sheet(tmp_path, show):
    folder = explorer_results.make(tmp_path, models=("rvae",), shape=(90, 120))
    explorer_results.as_frames(folder)
    explorer = show(tmp_path, "crystal", ["rvae"])
    number = store.open(folder / "samples.zarr").sizes["site"]
    assert explorer.page.locator("#explorer-time").is_hidden()
    assert len(explorer.marks("image", "points")) == number
    explorer.drag(explorer.share("image", 0.05, 0.05), explorer.share("image", 0.6, 0.6))
    rows = explorer.export()
    assert 0 < len(rows) < number
    assert len(explorer.marks("latent", "points")) == len(rows)


@pytest.mark.parametrize("channels", [2, 3])
def test_patches_of_several_channels_are_shown(tmp_path, show, channels):
    folder = explorer_results.make(tmp_path, models=("rvae",), shape=(90, 120))
    explorer_results.many_channels(folder, channels)
    explorer = show(tmp_path, "crystal", ["rvae"])
    until(explorer.page, "() => document.getElementById('explorer-patch').width > 1")
    height, width = explorer.canvas("patch").shape[:2]
    assert width == height * (1 if channels == 3 else channels)


def test_what_a_conditional_model_is_told_can_be_chosen(tmp_path, show):
    folder = explorer_results.make(tmp_path, models=("rvae",), shape=(90, 120))

    def told(held: xr.Dataset) -> xr.Dataset:
        values = ("told", np.array([0.0, 1.0]), {"long_name": "phase", "classes": 1})
        gone = [n for n in held.variables if str(n).startswith("plane_")]
        return explorer_results.with_members(held.drop_vars(gone).assign(told=values))

    explorer_results.change(folder / "rvae/latents.zarr", told)
    explorer = show(tmp_path, "crystal", ["rvae"])
    assert explorer.options("told") == ["0", "1"]
    explorer.page.mouse.move(*explorer.share("latent", 0.5, 0.5))
    explorer.settle()
    first = explorer.canvas("generated")
    explorer.choose("told", "1")
    assert explorer.canvas("generated")[..., 0].mean() > first[..., 0].mean() + 20


def test_hostile_words_are_words(tmp_path, show):
    folder = explorer_results.make(tmp_path, 'q"&<i>', models=("rvae",), shape=(90, 120))

    latents = folder / "rvae/latents.zarr"
    explorer_results.change(latents, lambda held: held.assign_attrs(label=EVIL))
    image = store.open(folder / "image.zarr").load()
    image.attrs["vendor_metadata"] = EVIL
    store.write(image.assign_coords(channel=[EVIL]), folder / "image.zarr")

    def words(held: xr.Dataset) -> xr.Dataset:
        told = np.where(np.arange(held.sizes["site"]) % 2, EVIL, '"=1+1"')
        named = held.assign_attrs(truth_phase_names=[EVIL, "b"])
        return named.assign(truth_word=("site", told))

    explorer_results.change(folder / "sites.zarr", words)
    explorer = show(tmp_path, 'q"&<i>', ["rvae"], notes=EVIL, labels=EVIL)
    assert explorer.page.evaluate("window.hit") is None
    assert explorer.page.locator("img[src=x]").count() == 0
    explorer.choose("colour", "true phase")
    assert EVIL[:20] in explorer.page.locator("#explorer-legend").inner_text()
    explorer.choose("colour", "true word")
    explorer.drag(explorer.share("image", 0.01, 0.01), explorer.share("image", 0.99, 0.99))
    assert {row["truth_word"] for row in explorer.export()} == {'"=1+1"', EVIL}


def test_a_script_that_is_not_ours_does_not_run(tmp_path, browser):
    explorer_results.make(tmp_path, models=("rvae",), shape=(90, 120))
    file = write(tmp_path, "crystal", ["rvae"])
    page = file.read_text(encoding="utf-8")
    file.write_text(page.replace("<main", "<script>window.hit = 1</script><main", 1), "utf-8")
    explorer = Explorer(browser, file)
    assert explorer.page.evaluate("window.hit") is None
    assert any("Content Security Policy" in told for told in explorer.problems)
    explorer.context.close()


def test_more_sites_than_marks_are_drawn_as_density_and_can_be_brushed(tmp_path, show):
    made = {"models": ("vae",), "step": 4.0, "truth": False, "pictures": 8}
    folder = explorer_results.make(tmp_path, shape=(600, 640), **made)
    held = store.open(folder / "vae/latents.zarr").load()
    assert held.sizes["site"] > 20_000
    explorer = show(tmp_path, "crystal", ["vae"])
    assert explorer.page.locator("#explorer-density-note").is_visible()
    assert count(explorer) == 0
    x, _ = explorer.screen("latent", 0.0, 0.0)
    _, top = explorer.share("latent", 0, 0.005)
    explorer.drag((x, top), explorer.share("latent", 0.995, 0.995))
    content = held["consensus_content"].values
    _, (_, x1, y0, y1) = explorer.frame("latent")
    inside = (content[:, 0] > 0) & (content[:, 0] < x1)
    inside &= (content[:, 1] > y0) & (content[:, 1] < y1)
    told = int(explorer.status.split()[0])
    assert told == pytest.approx(inside.sum(), rel=0.005)
    # Close by, sites have marks again.
    explorer.page.evaluate(
        """() => {
            const plot = Bokeh.documents.flatMap((d) => d.roots())
                .find((r) => r.name === "explorer-image");
            plot.x_range.setv({ start: 1, end: 2 });
            plot.y_range.setv({ start: 2, end: 1 });
        }"""
    )
    explorer.settle()
    assert len(explorer.marks("image", "rest")) > 50
