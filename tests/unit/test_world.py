"""What is known of sites before they are measured, and worlds that cannot be measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from vaescope.errors import UserError
from vaescope.explore import measuring, rivals, world
from vaescope.explore.settings import ExploreSettings
from vaescope.models.contradictions import refuse_shapes
from vaescope.recipes import resolve_recipe

OURS = Path(__file__).parents[2] / "config" / "recipes"
ALL = ["content", "rings", "pixels", "place"]


def samples(side: int = 6, frames: int = 1, mapped: bool = True) -> xr.Dataset:
    """Sites with patches and spectra: all of a map in each frame, or one in each frame."""
    rng = np.random.default_rng(0)
    y, x = np.indices((side, side)).reshape(2, -1)
    frame = np.repeat(np.arange(frames), len(y)) if mapped else np.arange(side**2)
    y, x = (np.tile(one, frames) if mapped else np.full(side**2, 3.5) for one in (y, x))
    middle, height = rng.uniform(4, 16, (len(y), 1)), rng.uniform(1, 2, (len(y), 1))
    spectra = height * np.exp(-((np.arange(20) - middle) ** 2) / 9)
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), rng.normal(size=(len(y), 1, 8, 8))),
            "spectrum": (("site", "energy"), spectra),
            "frame": ("site", frame),
            "y": ("site", y.astype(float)),
            "x": ("site", x.astype(float)),
        },
        {"site": np.arange(len(y)), "energy": np.linspace(300.0, 319.0, 20)},
        {"size": 4.0},
    )


def latents(made: xr.Dataset) -> xr.Dataset:
    rng = np.random.default_rng(1)
    content = rng.normal(size=(made.sizes["site"], 2))
    return xr.Dataset({"consensus_content": (("site", "latent"), content)}, {"site": made["site"]})


def picture(side: int = 6) -> xr.Dataset:
    values = np.random.default_rng(2).normal(size=(1, 1, side, side))
    return xr.Dataset({"image": (("time", "channel", "y", "x"), values)})


def test_a_world_knows_what_is_wanted_of_every_site():
    made = samples()
    known = world.of_results(picture(), made, latents(made), ALL)
    assert list(known.descriptions) == ALL
    assert known.described(["place", "content"]) == ["place", "content of the model"]
    assert known.mapped


def test_patches_of_a_stack_have_no_place_and_no_raster(tmp_path):
    made = samples(mapped=False)
    known = world.of_results(picture(8), made, latents(made), ALL)
    assert list(known.descriptions) == ["content", "rings", "pixels"]
    assert not known.mapped
    settings = ExploreSettings(method="active", start=4, evaluations=6, repeats=1)
    value = made["spectrum"].values.max(1)
    kept = np.array([4, 6])
    found = rivals.courses(known, settings, value, kept, 0, tmp_path, lambda text: None)
    assert list(found) == ["random"]


def test_without_an_image_ring_spectra_are_refused_by_name():
    made = samples()
    with pytest.raises(UserError, match=r"`rings`.*no image"):
        world.of_results(xr.Dataset(), made, latents(made), ["rings"])
    world.of_results(xr.Dataset(), made, latents(made), ["content", "place"])


def test_spectra_without_an_image_are_refused():
    made = samples(mapped=False)
    with pytest.raises(UserError, match=r"no image.*without a place"):
        world.of_results(picture(1), made, latents(made), ALL)


def test_spectra_of_a_movie_are_refused():
    made = samples(frames=3)
    with pytest.raises(UserError, match=r"movie.*3 frames"):
        world.of_results(picture(), made, latents(made), ALL)


def test_sites_that_nothing_tells_apart_are_refused():
    made = samples(mapped=False)
    with pytest.raises(UserError, match="the same place at every site"):
        world.of_results(picture(8), made, latents(made), ["place"])


def recipe(folder: Path, text: str):
    (folder / "own.yaml").write_text(f"extends: active\n{text}\n")
    return resolve_recipe("own", [folder, OURS])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("spectra: {read: false}", "reads no spectra"),
        ("patches: {cut: false}", "`content` and `rings`"),
        ("models: {rvae: {variant: im2spec}}", "has seen the spectra"),
        ("models: {rvae: {variant: dualvae}}", "has seen the spectra"),
        ("models: {rvae: {variant: spec2im}}", "has seen the spectra"),
        ("models: {rvae: {variant: spectrum-vae}}", "has seen the spectra"),
        ("explore: {target: {several: {a: {range: [3, 1]}}}}", r"several\.a`: `range` is no range"),
        ("explore: {target: {quantity: mean, several: {a: {}}}}", "`quantity` stands beside"),
        ("explore: {target: {quantity: function, function: own}}", "names no function"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_anything_is_trained(text, said, tmp_path):
    with pytest.raises(UserError, match=said):
        recipe(tmp_path, text)


def test_a_recipe_without_patches_may_describe_sites_by_place(tmp_path):
    text = "patches: {cut: false}\nexplore: {model: vae, describe: [place]}\nmodels: "
    text += "{rvae: null, vae: {variant: spectrum-vae}}"
    assert recipe(tmp_path, text).explore.describe == ["place"]
    # A model that has seen the spectra does no harm where sites are not described by it.
    described = "models: {rvae: {variant: dualvae}}\nexplore: {describe: [rings, place]}"
    assert recipe(tmp_path, described).explore.describe == ["rings", "place"]


def test_several_numbers_are_named_as_in_the_recipe():
    several = {
        "low": {"quantity": "height", "range": [300, 310]},
        "where": {"quantity": "position", "weight": -0.5},
    }
    made = samples()
    known = world.of_results(picture(), made, latents(made), ["content", "place"])
    settings = ExploreSettings.of({"method": "active", "target": {"several": several}})
    found = measuring.measure(known, settings, np.ones(len(known), bool), 0)
    assert found.words == "target low − 0.5 where"
    made["spectrum"] = made["spectrum"].max("energy") * made["spectrum"][0]
    still = world.of_results(picture(), made, latents(made), ["place"])
    with pytest.raises(UserError, match="nothing can be learned of `where`"):
        measuring.measure(still, settings, np.ones(len(still), bool), 0)
    assert found.about == "low, the peak height from 300 to 310; where, the position of the peak"


def test_a_model_of_patches_without_an_image_is_refused_with_what_helps():
    rvae = resolve_recipe("active", [OURS]).models["rvae"]
    with pytest.raises(UserError, match=r"there is no image.*recipe `spectra`"):
        refuse_shapes(rvae, (1, 1, 1), (1, 1, 1))
    with pytest.raises(UserError, match="not curves"):
        refuse_shapes(rvae, (1, 1, 40), (1, 1, 40))
