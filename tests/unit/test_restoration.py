"""Pairs of pictures, and how restored ones are scored."""

import numpy as np
import pytest
from pictures import as_patches

from vaescope import simulate, train
from vaescope.ensemble import map_latents
from vaescope.models.settings import ModelSettings
from vaescope.scores import of_model, restoration
from vaescope.simulate import pairs
from vaescope.train.data import gather


def test_the_clean_twin_is_the_mean_of_what_is_recorded():
    p = pairs.StemParameters(count=64, dose=2000.0, dose_low=2000.0)
    made = pairs.stem(p, np.random.default_rng(0))
    apart = made["images"] - made["clean"]
    peak = p.dose / (2 * np.pi * p.width**2)
    # Poisson: the variance of the counts is their mean.
    score = apart / np.sqrt(made["clean"] / peak)
    assert abs(score.mean()) < 0.01
    assert score.std() == pytest.approx(1.0, abs=0.02)


def test_two_doses_and_held_out_patches_are_marked():
    stack = simulate.make("stem-pairs?count=80&held_out=0.25", 0)
    assert sorted(np.unique(stack["truth_dose"].values)) == [60.0, 400.0]
    assert stack["truth_held_out"].values.sum() == 20
    assert stack["truth_clean"].shape == (80, 1, 32, 32)


def test_gray_is_the_luminance_of_the_colour():
    made = pairs.colour(pairs.ColourParameters(count=20), np.random.default_rng(0))
    np.testing.assert_allclose(made["colour"] @ pairs.LUMINANCE, made["images"], atol=1e-6)
    red = made["colour"][made["label"] >= 2].mean((0, 1, 2))
    blue = made["colour"][made["label"] < 2].mean((0, 1, 2))
    assert red[0] > blue[0] and red[2] < blue[2]


def noisy_waves(count=160):
    random = np.random.default_rng(0)
    axis = np.linspace(0, 4 * np.pi, 16)
    phase = random.uniform(0, 2 * np.pi, count)
    clean = np.sin(axis[None, :, None] + phase[:, None, None]) * np.ones((1, 1, 16))
    patches = as_patches(clean + 0.5 * random.standard_normal(clean.shape))
    patches["truth_clean"] = (("site", "c", "cy", "cx"), clean[:, None].astype(np.float32))
    patches["truth_held"] = ("site", (np.arange(count) % 4 == 0).astype(int))
    return patches


CHOSEN = {
    "variant": "dae",
    "target": "clean",
    "held_out": "held",
    "latent": 4,
    "hidden": 64,
    "steps": 400,
}


def test_a_denoiser_beats_the_classical_methods_on_patches_it_never_saw(tmp_path):
    patches = noisy_waves()
    train.fit(
        patches,
        CHOSEN,
        members=[0],
        seed=0,
        out=tmp_path / "members",
        checkpoints=tmp_path / "checkpoints",
        log=lambda text: None,
    )
    latents = map_latents(tmp_path / "members", patches)
    found = of_model.score(latents, patches, tmp_path / "members")
    assert found["restored_patches"] == 40 and found["restored_held_out"]
    classical = max(found[f"{name}_psnr"] for name in restoration.CLASSICAL)
    assert found["model_psnr"] > classical > found["input_psnr"]
    assert found["linear_psnr"] > found["input_psnr"]
    assert not latents["content_sd"].values.any(), "an autoencoder's latents are numbers"
    assert latents["reconstruction"].dims == ("site", "target_channel", "target_y", "target_x")


def test_a_perfect_restoration_has_the_best_scores():
    patches = noisy_waves(40)
    data = gather(patches, ModelSettings.from_recipe(CHOSEN))
    found = restoration.score(data, data.target, np.ones((16, 16)))
    assert found["model_psnr"] > 100 and found["model_ssim"] == pytest.approx(1.0)


def test_colours_are_compared_with_a_cubic_and_with_neighbours():
    stack = simulate.make("colour-cards?count=60&size=16", 0)
    from vaescope import samples, sites

    cut = samples.extract(stack, sites.find(stack, {"method": "frames"}), {"normalise": "none"})
    chosen = ModelSettings.from_recipe(
        {"variant": "restore", "target": "colour", "held_out": "held_out"}
    )
    data = gather(cut, chosen)
    found = restoration.score(data, data.target, np.ones((16, 16)))
    assert found["model_psnr"] > found["neighbours_psnr"] > 10
    assert np.isfinite(found["polynomial_psnr"])
