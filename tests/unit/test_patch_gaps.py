"""Samples that were not measured count for nothing: neither in the bound nor in the latents."""

import numpy as np
import pytest
import torch
import xarray as xr
from pictures import turned_commas

from vaescope import read, samples, simulate, sites, train
from vaescope.ensemble import map_latents
from vaescope.models.family import Family
from vaescope.models.likelihoods import LIKELIHOODS, mean_square_over_noise
from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.samples.gaps import MEASURED, measured_samples, refilled
from vaescope.train.data import gather

SMALL = {"variant": "rvae", "steps": 60, "batch": 16, "hidden": 24, "turns": 8}


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_the_likelihood_is_that_of_the_measured_pixels_alone(kind):
    rng = np.random.default_rng(0)
    raw = torch.tensor(rng.normal(size=(1, 3, 2, 2, 20)), requires_grad=True)
    seen = torch.tensor(rng.random((1, 3, 1, 2, 20)), requires_grad=True)
    noise = torch.tensor([[-0.7, 0.2]], dtype=torch.double)
    mask = torch.tensor(rng.random((1, 3, 1, 1, 20)) > 0.3).double()
    found = LIKELIHOODS[kind].log_density(raw, seen, noise, mask)
    for site in range(3):
        left = mask[0, site, 0, 0] > 0
        part = (raw[:, [site]][..., left], seen[:, [site]][..., left], noise)
        alone = LIKELIHOODS[kind].log_density(*part, None)
        torch.testing.assert_close(found[:, [site]], alone)
    found.sum().backward()
    gone = (mask == 0).expand_as(raw)
    assert raw.grad[gone].abs().max() == 0 and raw.grad[~gone].abs().min() > 0
    if seen.grad is not None:
        assert seen.grad[(mask == 0).expand_as(seen)].abs().max() == 0


@pytest.mark.parametrize("variant", ["rvae", "jrvae"])
def test_what_stands_in_a_gap_of_the_target_changes_neither_bound_nor_gradient(variant):
    settings = ModelSettings.of({"variant": variant, "hidden": 16, "turns": 6})
    model = Family(1, (1, 16, 16), settings)
    model.initialise([torch.Generator().manual_seed(0)], torch.rand(8, 1, 16, 16))
    patches = torch.rand(5, 1, 16, 16)
    known = torch.ones(1, 5, 16, 16, dtype=torch.bool)
    known[0, :3, 6:9] = False
    copies = model.copies(patches).unsqueeze(0)
    noise = torch.randn(1, 5, 6, model.noise_size())

    def bound(target, known):
        return model(target.unsqueeze(0), copies, noise, Side(known=known))

    spoilt = torch.where(known[0, :, None], patches, torch.tensor(9.0))
    one, other = (bound(target, known).objective for target in (patches, spoilt))
    torch.testing.assert_close(one, other)
    gradients = []
    for target in (patches, spoilt):
        model.zero_grad()
        bound(target, known).objective.sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(*gradients)
    whole = bound(patches, torch.ones_like(known)).elbo
    torch.testing.assert_close(whole, bound(patches, None).elbo)


def test_the_mean_square_is_that_of_measured_pixels():
    rng = np.random.default_rng(1)
    target, sigma = rng.normal(0, 2.0, (40, 1, 24, 24)), np.array([2.0])
    known = rng.random((40, 24, 24)) > 0.2
    spoilt = np.where(known[:, None], target, 100.0)
    found = mean_square_over_noise(spoilt, 0 * target, sigma, known.astype(float))
    np.testing.assert_allclose(found, 1, atol=0.3)
    assert found.mean() == pytest.approx(1, abs=0.03)


def with_gaps():
    """Patches, some with two lines that were not measured, and the same with other fillings."""
    patches, _ = turned_commas()
    known = np.ones((patches.sizes["site"], *patches["patch"].shape[2:]), bool)
    known[::3, 9:11] = False
    patches[MEASURED] = (("site", "py", "px"), known)
    spoilt = patches.copy(deep=True)
    spoilt["patch"] = patches["patch"].where(patches[MEASURED], 7.0)
    return patches, spoilt, known


def test_no_latent_depends_on_what_was_filled_in(tmp_path):
    patches, spoilt, known = with_gaps()
    data = [gather(each, ModelSettings.of(SMALL)) for each in (patches, spoilt)]
    assert data[0].digest() == data[1].digest()
    np.testing.assert_array_equal(data[0].known, known)
    maps = []
    for number, each in enumerate((patches, spoilt)):
        folder = tmp_path / str(number)
        train.fit(
            each,
            SMALL,
            members=[0],
            seed=3,
            out=folder / "members",
            checkpoints=folder / "checkpoints",
            threads=1,
            log=lambda text: None,
        )
        maps.append(map_latents(folder / "members", each))
    for name in ("consensus_content", "consensus_angle", "residual"):
        np.testing.assert_array_equal(maps[0][name], maps[1][name])


def test_a_gap_is_filled_from_its_own_patch():
    _, spoilt, known = with_gaps()
    filled = refilled(samples.pixels(spoilt), known)
    assert filled.max() < 3
    rest = np.broadcast_to(known[:, None], filled.shape)
    np.testing.assert_array_equal(filled[rest], samples.pixels(spoilt)[rest])


def test_the_store_of_patches_has_the_mask_where_something_is_missing():
    image = simulate.make("perovskite?size=200", 0)
    found = sites.find(image, {})
    assert MEASURED not in samples.extract(image, found, {})
    measured = np.ones((1, *image["image"].shape[2:]), bool)
    measured[0, 100] = False
    image["measured"] = (("time", "y", "x"), measured)
    cut = samples.extract(image, found, {})
    mask = cut[MEASURED]
    assert mask.dims == ("site", "py", "px") and mask.dtype == bool
    row = cut["y"] + cut["py"]
    far, on = np.abs(row - 100) > 1.5 + cut.attrs["pitch"], np.abs(row - 100) < 0.3
    assert bool(mask.where(far, True).all()) and not bool(mask.where(on, False).any())
    touched = ~mask.all(("py", "px"))
    assert 0.02 < float(touched.mean()) < 0.5


def test_a_coarse_sample_counts_by_the_weight_of_its_measured_pixels():
    measured = xr.DataArray(np.ones((1, 80, 80), bool), dims=("time", "y", "x"))
    place = (np.zeros(1, int), np.array([[40.0, 40.0]]))
    assert measured_samples(measured, *place, 40.0, 10) is None
    measured[0, 50:] = False
    seen = measured_samples(measured, *place, 40.0, 10)
    rows = 40 + (np.arange(10) + 0.5) * 4 - 20
    assert (seen[0].all(1) | ~seen[0].any(1)).all()
    np.testing.assert_array_equal(seen[0].all(1), rows < 50 - 2)


def test_frames_that_are_patches_have_the_mask_too(tmp_path):
    stack = np.random.default_rng(0).random((12, 40, 40))
    stack[3, 10:20] = np.nan
    np.save(tmp_path / "a.npy", stack)
    image = read.load(tmp_path / "a.npy", {"unmeasured": "nan"})
    found = sites.find(image, {"method": "frames"})
    cut = samples.extract(image, found, {"pixels": 20})
    mask = cut[MEASURED].values
    assert mask[np.arange(12) != 3].all()
    assert not mask[3, 5:10].any() and mask[3, :4].all() and mask[3, 11:].all()
