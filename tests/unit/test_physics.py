"""Physics in a model: each prior does what it says, and contradicted ones are named."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pictures import COMMA, DUMBBELL, as_patches, spots

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.ensemble.set_symmetry import variables
from vaescope.ensemble.smoothing import SmoothingGraph, graph_of, smooth
from vaescope.errors import UserError
from vaescope.judge.of_physics import of_physics
from vaescope.models.settings import ModelSettings
from vaescope.samples.loading import without_signal

SIDE = 24  # sites along a side of a lattice
Y, X = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
EDGES = graph_of(np.stack([0 * Y, 10.0 * Y, 10.0 * X], 1))


def noisy(true, noise=0.4, seed=0):
    """Contents (site, 1) of a lattice of sites, and their standard deviations."""
    random = np.random.default_rng(seed)
    content = np.asarray(true, float)[:, None]
    return content + noise * random.standard_normal(content.shape), np.full(content.shape, noise)


def off(content, true):
    return float(np.sqrt(np.mean((content[:, 0] - true) ** 2)))


def test_what_varies_slowly_is_averaged_over_neighbours_with_honest_errors():
    true = np.sin(X / 5) * np.cos(Y / 7)
    content, sd = noisy(true)
    found = smooth(content, sd, EDGES)
    assert off(found.content, true) < 0.6 * off(content, true)
    assert 0.55 < (np.abs(found.content[:, 0] - true) < found.sd[:, 0]).mean() < 0.85
    assert (found.sd <= sd + 1e-9).all()


@pytest.mark.parametrize("precision", [None, 300.0])
def test_walls_stay_sharp_and_are_named(precision):
    right = X + Y / 2 > 17
    true = np.where(right, 1.0, -1.0)
    content, sd = noisy(true, 0.3)
    found = smooth(content, sd, EDGES, precision)
    assert off(found.content, true) < 0.5 * off(content, true)
    assert ((found.content[:, 0] > 0) == right).mean() > 0.99
    at_wall = np.abs(X + Y / 2 - 17.25) < 1
    assert found.unlike[at_wall].mean() > found.unlike[~at_wall].mean() + 0.3


@pytest.mark.parametrize("precision", [None, 300.0])
def test_single_sites_of_another_kind_are_not_averaged_away(precision):
    other = np.random.default_rng(1).random(SIDE**2) < 0.03
    true = 3.0 * other
    content, sd = noisy(true, 0.4)
    found = smooth(content, sd, EDGES, precision)
    assert found.content[other, 0].mean() > 2.7
    assert (found.unlike[other] > 0.5).mean() > 0.9
    assert (found.unlike[~other] > 0.5).mean() < 0.05


def test_content_without_order_from_site_to_site_is_left_alone():
    true = np.random.default_rng(2).standard_normal(SIDE**2)
    content, sd = noisy(true, 0.3)
    found = smooth(content, sd, EDGES)
    assert off(found.content, true) < 1.05 * off(content, true)
    assert found.found.alike[0] > 0.7
    assert smooth(*noisy(np.sin(X / 5)), EDGES).found.alike[0] < 0.2


def test_maps_are_smoothed_where_the_recipe_says_so_and_neighbours_are_known():
    true = np.sin(X / 5) * np.cos(Y / 7)
    content, sd = noisy(true)
    position = np.stack([0 * Y, 10.0 * Y, 10.0 * X], 1)
    for weight, frame, less in (
        ("auto", 0, True),
        (0, 0, False),
        ("auto", np.arange(len(X)), False),
    ):
        position[:, 0] = frame
        graph = SmoothingGraph()
        list(graph.seen([SimpleNamespace(position=part) for part in np.split(position, 4)]))
        arrays = {"content": content.copy(), "content_sd": sd.copy()}
        graph.smooth(ModelSettings.from_recipe({"variant": "rvae", "smoothness": weight}), arrays)
        assert (off(arrays["content"], true) < 0.7 * off(content, true)) == less
        assert ("smoothed" in arrays) == less


def test_more_sites_than_the_field_is_estimated_on_are_smoothed_all_the_same(monkeypatch):
    true = np.sin(X / 5) * np.cos(Y / 7)
    content, sd = noisy(true)
    monkeypatch.setattr("vaescope.ensemble.smoothing._ESTIMATED_ON", 250)
    assert off(smooth(content, sd, EDGES).content, true) < 0.7 * off(content, true)


SHORT = {"steps": 120, "batch": 16, "hidden": 16, "turns": 6, "variant": "vae", "latent": 1}


def mapped(patches, folder, own=None, **given):
    """Latents of one short training, and the findings about its physics."""
    train.fit(
        patches,
        {**SHORT, **given},
        members=[0],
        seed=0,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        log=lambda text: None,
        physics_loss=own,
    )
    latents = map_latents(folder / "members", patches, name="m")
    return latents, of_physics("m", latents, pd.read_csv(folder / "members" / "history.csv"))


def bright_and_dim(count=120, noise=0.1, level=0.0, seed=5):
    random = np.random.default_rng(seed)
    pictures = np.stack([spots(COMMA, 12) * (0.7 + 0.6 * random.random()) for _ in range(count)])
    return as_patches(pictures + level + noise * random.standard_normal(pictures.shape))


def test_positive_pictures_are_nowhere_negative_and_negative_data_are_named(tmp_path):
    latents, said = mapped(bright_and_dim(), tmp_path / "right", positive=True)
    assert float(latents["reconstruction"].min()) >= 0
    assert not said
    plain, _ = mapped(bright_and_dim(), tmp_path / "plain")
    assert float(plain["reconstruction"].min()) < 0
    latents, (finding,) = mapped(bright_and_dim(level=-0.3), tmp_path / "wrong", positive=True)
    assert finding.kind == "positivity contradicted" and finding.severity == "serious"
    assert "positive: false" in finding.remedy


def test_zero_is_that_of_the_signal_not_of_the_normalised_patch(tmp_path):
    patches = bright_and_dim(level=0.25)
    patches["norm_offset"] = (("site", "channel"), np.full((120, 1), 5.0))
    patches["norm_scale"] = (("site", "channel"), np.full((120, 1), 20.0))
    assert without_signal(patches) == pytest.approx(-0.25)
    patches["norm_offset"][:60] = 9.0
    with pytest.raises(UserError, match="without a common zero"):
        mapped(patches, tmp_path, positive=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"background": True, "gain": True}, "brightness belongs to the pose"),
        ({"likelihood": "poisson"}, "only pictures with Gaussian noise"),
        ({"target": "clean"}, "zero of a target"),
        (
            {"stochastic": False, "positive": False, "smoothness": "auto"},
            "errors of their contents",
        ),
    ],
)
def test_physics_that_cannot_hold_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        ModelSettings.from_recipe({"variant": "rvae", "positive": True, **given})


def of_total(wanted):
    def term(reconstruction, latents):
        return 0.5 * ((reconstruction.mean((1, 2, 3)) - wanted) / 0.002) ** 2

    return term


def test_the_data_pay_for_a_term_that_contradicts_them_and_not_for_one_that_holds(tmp_path):
    random = np.random.default_rng(6)
    pictures = np.stack([spots((COMMA, DUMBBELL)[k % 2], 12) for k in range(120)])
    pictures /= pictures.mean((1, 2), keepdims=True) / 0.1
    patches = as_patches(pictures + 0.05 * random.standard_normal(pictures.shape))
    _, said = mapped(patches, tmp_path / "right", own=of_total(0.1))
    assert not said
    latents, (finding,) = mapped(patches, tmp_path / "wrong", own=of_total(0.2))
    assert finding.kind == "own term contradicted"
    assert latents.attrs["own_term_price"] > 1
    history = pd.read_csv(tmp_path / "wrong" / "members" / "history.csv")
    assert history["physics"].iloc[-1] > 0


def even(side=24, strength=1.0):
    """Four spots about the middle, two of them of another strength."""
    places = [(0.5, 0.5), (-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5)]
    return np.array(spots(places, side, weights=[1, 1, strength, strength]), float)[None]


def judged(*pictures, symmetry=4, counts=None, noise=0.3):
    random = np.random.default_rng(7)
    label = np.repeat(np.arange(len(pictures)), counts or [60] * len(pictures))
    label = random.permutation(label)

    def aligned(rows):
        own = np.stack(pictures)[label[rows]]
        return own + noise * random.standard_normal(own.shape)

    found = xr.Dataset(variables(label, aligned, np.array([noise]), symmetry))
    found["mode"] = ("site", label)
    return of_physics("rvae", found, pd.DataFrame())


def test_a_symmetry_that_modes_lack_is_named_with_the_one_that_they_have():
    assert not judged(even())
    (finding,) = judged(even(strength=0.3))
    assert finding.kind == "symmetry contradicted"
    assert "90°" in finding.says and "symmetry: 2" in finding.remedy
    comma = np.array(spots(COMMA, 24), float)[None]
    (finding,) = judged(even(), comma)
    assert "Mode 2 (50 %" in finding.says and "symmetry: 1" in finding.remedy
    assert not judged(even(), comma, counts=[95, 5])  # rare kinds may lack it
    assert judged(comma, symmetry=5)


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_noise_of_few_sites_is_no_lack_of_symmetry(noise):
    assert not judged(even(), counts=[20], noise=noise)
