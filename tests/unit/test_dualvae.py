"""Patch and spectrum of one site in one model: what they share, and either from the other."""

import numpy as np
import pytest
import torch
import xarray as xr

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.models.posterior import kl_between
from vaescope.models.settings import ModelSettings

SIDE, CHANNELS = 16, 12
POLARISERS = np.array([0.0, np.pi / 3, 2 * np.pi / 3])


def rods(seed: int, count: int) -> xr.Dataset:
    """Rods at any angle and their light behind three polarisers; its colour follows the length."""
    rng = np.random.default_rng(seed)
    length, angle = rng.uniform(3, 7, count), rng.uniform(0, np.pi, count)
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    cos, sin = np.cos(angle)[:, None, None], -np.sin(angle)[:, None, None]
    along, across = cos * x + sin * y, cos * y - sin * x
    picture = np.exp(-((along / length[:, None, None]) ** 4) - (across / 1.8) ** 4)
    picture += 0.08 * rng.normal(size=picture.shape)
    channel = np.arange(CHANNELS)
    line = np.exp(-0.5 * ((channel - 2 - 2 * (length[:, None] - 3)) / 2) ** 2)
    seen = [line * np.cos(angle[:, None] - turn) ** 2 + 0.1 for turn in POLARISERS]
    counts = rng.poisson(100 * np.concatenate(seen, 1))
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), picture[:, None].astype(np.float32)),
            "spectrum": (("site", "energy"), (counts / 100).astype(np.float32)),
            "truth_apart": ("site", (np.arange(count) >= count * 2 // 3) * 1.0),
            "truth_angle": ("site", angle),
            "truth_length": ("site", length),
            "frame": ("site", np.arange(count)),
            "y": ("site", np.zeros(count)),
            "x": ("site", np.zeros(count)),
        },
        {
            "site": np.arange(count),
            "channel": ["0"],
            "py": axis,
            "px": axis,
            "energy": np.arange(counts.shape[1]) * 1.0,
        },
        {"method": "frames", "lattice": False, "atoms": False, "placed": False},
    )


def mapped(data: xr.Dataset, folder, **settings) -> xr.Dataset:
    kept = folder / "members"
    given = {"held_out": "apart", "steps": 300, "hidden": 96, **settings}
    train.fit(data, given, members=[0], seed=4, out=kept, checkpoints=folder / "checkpoints")
    return map_latents(kept, data, name="model")


def apart(maps: xr.Dataset, data: xr.Dataset) -> np.ndarray:
    """Angles from spectra less the true ones (degrees), modulo a half-turn and a common zero, of
    rods held out."""
    out = maps["held_out"].values
    double = 2 * (maps["spectrum_angle"].values - data["truth_angle"].values)[out]
    zero = np.angle(np.exp(1j * double).mean())
    return np.degrees(np.angle(np.exp(1j * (double - zero)))) / 2


def share(predicted: np.ndarray, measured: np.ndarray, out: np.ndarray) -> float:
    """Square error of predictions held out over that of the mean of the others."""
    error = ((predicted - measured)[out] ** 2).mean()
    return float(error / ((measured[~out].mean(0) - measured[out]) ** 2).mean())


@pytest.fixture(scope="module")
def dual(tmp_path_factory):
    data = rods(1, 300)
    return data, mapped(data, tmp_path_factory.mktemp("dual"), variant="dualvae")


def test_the_angle_of_rods_follows_from_their_spectrum_alone(dual):
    data, maps = dual
    assert np.abs(apart(maps, data)).mean() < 5  # 45 by chance; the colour of light is noisy
    assert maps["spectrum_angle"].attrs["period"] == pytest.approx(np.pi)


def test_each_view_is_predicted_from_the_other(dual):
    data, maps = dual
    out = maps["held_out"].values
    assert share(maps["predicted_spectrum"].values, data["spectrum"].values, out) < 0.6
    assert share(maps["predicted_patch"].values, data["patch"].values, out) < 0.8


def test_the_shared_content_is_what_both_views_show(dual):
    data, maps = dual
    content, length = maps["consensus_content"].values, data["truth_length"].values
    assert max(abs(np.corrcoef(z, length)[0, 1]) for z in content.T) > 0.8
    for name in ("nats_patch", "nats_spectrum"):
        assert (maps[name] >= 0).all()
    out = maps["held_out"].values
    assert maps["nats_shared"].values[out].mean() > 0.7  # a length known to a third of its range


def test_views_of_different_sites_share_nothing_and_the_angle_is_not_known(tmp_path):
    data = rods(6, 300)
    mixed = data["spectrum"].values[np.random.default_rng(0).permutation(300)]
    maps = mapped(data.assign(spectrum=(("site", "energy"), mixed)), tmp_path, variant="dualvae")
    assert abs(maps["nats_shared"].values[maps["held_out"].values].mean()) < 0.2
    assert maps["spectrum_angle"].attrs["nats"] == 0
    assert np.degrees(maps["spectrum_angle_spread"].values.min()) > 50


def test_patches_are_predicted_from_spectra(tmp_path):
    data = rods(2, 240)
    maps = mapped(data, tmp_path, variant="spec2im")
    out = maps["held_out"].values
    assert share(maps["predicted_patch"].values, data["patch"].values, out) < 0.9
    assert "predicted_spectrum" not in maps


def test_patches_without_rotation_are_predicted_from_a_spectrum_as_the_view(tmp_path):
    data = rods(3, 60)
    given = {"variant": "vae", "view": "spectrum", "target": "patch", "decoder": "dense"}
    maps = mapped(data, tmp_path, **given, batch=16)
    assert maps["predicted_patch"].dims == ("site", "channel", "py", "px")


def test_the_divergence_between_normals_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    one, other = ([torch.randn(5, 3, generator=generator) for _ in range(2)] for _ in range(2))
    normals = [torch.distributions.Normal(mean, log_sd.exp()) for mean, log_sd in (one, other)]
    expected = torch.distributions.kl_divergence(*normals).sum(-1)
    assert torch.allclose(kl_between(tuple(one), tuple(other)), expected, atol=1e-4)


def test_what_a_model_of_two_views_lacks_is_refused():
    with pytest.raises(UserError, match="classes: 3"):
        ModelSettings.from_recipe({"variant": "dualvae", "classes": 3})


def test_a_site_with_one_view_is_used_with_it_and_the_other_is_predicted(tmp_path):
    data = rods(5, 300)
    rng = np.random.default_rng(0)
    no_spectrum, no_patch = np.arange(300) % 10 == 1, np.arange(300) % 10 == 2
    spectrum, patch = data["spectrum"].values.copy(), data["patch"].values.copy()
    lost = data.copy(deep=True)
    spectrum[no_spectrum], patch[no_patch] = np.nan, np.nan
    spectrum[:, 5] = np.nan  # a dead channel
    spectrum[rng.random(300) < 0.1, 7] = np.nan
    lost["spectrum"].values[:], lost["patch"].values[:] = spectrum, patch
    maps = mapped(lost, tmp_path, variant="dualvae")
    for name in ("consensus_content", "predicted_spectrum", "predicted_patch", "spectrum_angle"):
        assert np.isfinite(maps[name].values).all()
    mean = np.nan_to_num(spectrum).sum(0) / np.maximum(np.isfinite(spectrum).sum(0), 1)
    alive = np.arange(spectrum.shape[1]) != 5
    true = data["spectrum"].values
    error = (maps["predicted_spectrum"].values - true)[no_spectrum][:, alive]
    assert (error**2).mean() < 0.7 * ((mean - true)[no_spectrum][:, alive] ** 2).mean()
    mean_patch, true_patch = np.nanmean(patch, 0), data["patch"].values
    error_patch = (maps["predicted_patch"].values - true_patch)[no_patch]
    assert (error_patch**2).mean() < 0.85 * ((mean_patch - true_patch)[no_patch] ** 2).mean()
    length = data["truth_length"].values
    for missing in (no_spectrum, no_patch):
        content = maps["consensus_content"].values[missing]
        assert max(abs(np.corrcoef(z, length[missing])[0, 1]) for z in content.T) > 0.6
