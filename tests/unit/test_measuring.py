"""Spectra measured one by one: what is learned and believed, and what a kill may not change."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from vaescope.errors import UserError
from vaescope.explore import deep_kernel, measuring, monitors
from vaescope.explore.learner import Learner
from vaescope.explore.settings import ExploreSettings
from vaescope.explore.world import World

SIDE = 16
AXIS = np.linspace(0, 10, 40)
SETTINGS = ExploreSettings(
    method="active", start=10, evaluations=18, repeats=0, describe=["content", "place"]
)


def world(seed: int = 0, noise: float = 0.02, flat: bool = False) -> World:
    """Lines whose height follows the content of their site."""
    rng = np.random.default_rng(seed)
    place = np.indices((SIDE, SIDE)).reshape(2, -1).T.astype(float)
    content = rng.uniform(-1, 1, (SIDE**2, 2))
    height = 2 + (0 if flat else 1) * np.sin(2 * content[:, 0])
    spectra = np.outer(height, np.exp(-((AXIS - 5) ** 2)))
    spectra += noise * rng.normal(size=spectra.shape)
    return World({"content": content, "place": place}, place, spectra, AXIS, axis_unit="eV")


def test_the_map_of_a_target_is_learned_and_its_bands_hold(tmp_path):
    chosen = ExploreSettings.of({**SETTINGS.as_dict(), "evaluations": 30, "repeats": 1})
    found = measuring.search(world(), chosen, checkpoints=tmp_path)
    assert found.sizes["step"] == 30
    assert len(np.unique(found["point"])) == 30
    rmse = found["rmse"].sel(strategy="this search", run=0).values
    assert rmse[-1] < 0.3
    assert rmse[-1] < rmse[0]
    assert found["inside"].sel(strategy="this search", run=0).values[-1] > 0.85
    # By place alone nothing can be known: content is at random in space.
    alone = found["rmse"].sel(strategy="random, by place alone", run=0).values[-1]
    assert alone > 0.8
    assert found.attrs["objective"] == "peak height"
    for name, variable in found.data_vars.items():
        assert variable.attrs["long_name"], name
        assert "units" in variable.attrs, name


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> xr.Dataset:
    """A search that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    return measuring.search(world(), SETTINGS, checkpoints=folder)


class KilledError(Exception):
    """Ends a search between two steps."""


def killed(monkeypatch, settings: ExploreSettings, folder: Path, after: int) -> None:
    """A search that dies right after it has learned from so many spectra."""
    tell = Learner.tell

    def deadly(self, sites, values):
        tell(self, sites, values)
        if self.count >= after:
            raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "tell", deadly)
        with pytest.raises(KilledError):
            measuring.search(world(), settings, checkpoints=folder)


@pytest.mark.parametrize("after", [10, 14])
def test_a_search_killed_between_two_steps_goes_on_with_nothing_lost(
    after, whole, tmp_path, monkeypatch
):
    killed(monkeypatch, SETTINGS, tmp_path, after=after)
    resumed = measuring.search(world(), SETTINGS, checkpoints=tmp_path)
    np.testing.assert_array_equal(whole["point"], resumed["point"])
    np.testing.assert_allclose(whole["mean"], resumed["mean"], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(whole["rmse"], resumed["rmse"], rtol=1e-6, atol=1e-8)


def test_a_step_written_down_but_not_learned_from_is_made_up_for(whole, tmp_path, monkeypatch):
    learned = Learner._learn

    def deadly(self, before):
        if self.count > 12:
            raise KilledError
        learned(self, before)

    with monkeypatch.context() as patched:
        patched.setattr(Learner, "_learn", deadly)
        with pytest.raises(KilledError):
            measuring.search(world(), SETTINGS, checkpoints=tmp_path)
    resumed = measuring.search(world(), SETTINGS, checkpoints=tmp_path)
    np.testing.assert_array_equal(whole["point"], resumed["point"])


def test_spectra_that_fail_are_no_part_of_any_belief(tmp_path):
    made = world()
    made.spectra[::3] = np.nan
    found = measuring.search(made, SETTINGS, checkpoints=tmp_path)
    failed = np.isnan(found["value"].values)
    assert failed.any()
    assert np.isfinite(found["mean"]).all()
    assert np.isfinite(found["sd"]).all()
    assert np.isnan(found["truth"].values[::3]).all()
    assert np.isfinite(found["rmse"].sel(strategy="this search", run=0)).all()


@pytest.mark.parametrize("fault", ["constant", "nothing measured"])
def test_a_target_of_which_nothing_can_be_learned_is_refused(fault, tmp_path):
    made = world(noise=0, flat=True)
    if fault != "constant":
        made.spectra[:] = np.nan
    with pytest.raises(UserError, match="nothing can be learned"):
        measuring.search(made, SETTINGS, checkpoints=tmp_path)


def test_several_numbers_are_added_in_units_of_their_spread(tmp_path):
    several = {"up": {"quantity": "height"}, "area": {"quantity": "area", "weight": -1.0}}
    chosen = ExploreSettings.of({**SETTINGS.as_dict(), "target": {"several": several}})
    first = np.zeros(SIDE**2, bool)
    first[:40] = True
    made = measuring.measure(world(noise=0), chosen, first, 0)
    # Height and area of a line of constant width are one number: their difference is nothing.
    assert np.abs(made.value).max() < 1e-6
    assert list(made.parts) == ["up", "area"]


def test_a_path_cost_shortens_the_way(tmp_path):
    ways = []
    for cost in (0.0, 2.0):
        chosen = ExploreSettings.of({**SETTINGS.as_dict(), "path_cost": cost, "evaluations": 25})
        found = measuring.search(world(), chosen, checkpoints=tmp_path / str(cost))
        place = found["place"].values[found["point"].values[10:]]
        ways.append(np.linalg.norm(np.diff(place, axis=0), axis=1).sum())
    assert ways[1] < 0.5 * ways[0]


def test_beliefs_are_kept_where_batches_end():
    for start, batch, last in ((20, 4, 32), (20, 1, 150), (10, 7, 41), (5, 3, 5)):
        kept = measuring._ends_of_batches(np.geomspace(start, last, 24), start, batch)
        assert kept[0] == start
        assert kept[-1] == last
        assert not ((kept[:-1] - start) % batch).any()


def test_bands_are_widened_where_values_left_out_say_so():
    rng = np.random.default_rng(0)
    for spread in (1.0, 1.5):
        size = spread * rng.normal(size=4000)
        # Two standard deviations hold 95.4 %: 1.96 / 2 of them hold 95 %.
        assert monitors.band_factor(size) == pytest.approx(0.98 * spread, rel=0.06)
    assert monitors.band_factor(rng.normal(size=5)) == 1.0
    assert monitors.band_factor(np.r_[rng.normal(size=50), np.nan]) < 2


def known_by_place(seed: int, count: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    content = rng.uniform(-1, 1, (300, 4))
    value = rng.normal(size=300)
    return (
        {"content": content, "place": rng.uniform(0, 9, (300, 2))},
        rng.permutation(300)[:count],
        value,
    )


def test_a_deep_kernel_that_over_fits_says_so_and_is_given_up():
    given, points, value = known_by_place(0, 40)
    bent = deep_kernel.bend(given, points, value[points])
    assert "no better" in bent.fallen
    np.testing.assert_array_equal(bent.descriptions["content"], given["content"])
    assert bent.densities[0] > bent.densities[1]  # better where it was fitted


def test_a_deep_kernel_of_a_site_does_not_depend_on_the_others():
    given, points, value = known_by_place(0, 40)
    features = torch.as_tensor(np.hstack(list(given.values())) / 9)
    known = torch.as_tensor(points), torch.as_tensor(value[points])
    move = deep_kernel.ContentNetwork(features, 4, 0)
    model = deep_kernel._Model(move, features, *known, [4, 2])
    deep_kernel._fit(model, 20)
    every = torch.arange(300)
    with torch.no_grad():
        assert float(move(every).abs().max()) > 1e-3
        torch.testing.assert_close(model.bend(every)[7:8], model.bend(every[7:8]))
        means = [model(every[100:k, None]).mean[:1] for k in (110, 101)]
    torch.testing.assert_close(*means)


def test_a_search_with_a_deep_kernel_resumes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(deep_kernel, "_STEPS", 20)
    chosen = ExploreSettings.of(
        {**SETTINGS.as_dict(), "deep_kernel": True, "start": 25, "evaluations": 30}
    )
    whole = measuring.search(world(), chosen, checkpoints=tmp_path / "whole")
    killed(monkeypatch, chosen, tmp_path / "cut", after=27)
    resumed = measuring.search(world(), chosen, checkpoints=tmp_path / "cut")
    np.testing.assert_array_equal(whole["point"], resumed["point"])
    assert whole.attrs["deep_kernel"] == resumed.attrs["deep_kernel"]
    with pytest.raises(UserError, match="content"):
        ExploreSettings(method="active", deep_kernel=True, describe=["place"])


COMPARED = ExploreSettings.of({**SETTINGS.as_dict(), "repeats": 1})


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Path, xr.Dataset]:
    """The checkpoints of a search with its rivals, and what it came to."""
    folder = tmp_path_factory.mktemp("compared") / "checkpoints"
    return folder, measuring.search(world(), COMPARED, checkpoints=folder)


@pytest.mark.parametrize(
    "file", ["steps.npz", "search.safetensors", "belief-10.npz", "random-0.npy"]
)
def test_a_damaged_checkpoint_is_made_again(file, compared, tmp_path):
    kept, whole = compared
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    damaged = tmp_path / file
    damaged.write_bytes(damaged.read_bytes()[:100])
    again = measuring.search(world(), COMPARED, checkpoints=tmp_path)
    np.testing.assert_array_equal(whole["point"], again["point"])
    np.testing.assert_allclose(whole["rmse"], again["rmse"], rtol=1e-3)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"method": "active", "space": {"surface": True}}, "space"),
        ({"method": "active", "objective": {"side": 8}}, "objective"),
        ({"method": "active", "stop": 0.1}, "stop"),
        ({"method": "bo", "target": {"quantity": "mean"}}, "target"),
        ({"method": "bo", "path_cost": 1.0}, "path_cost"),
    ],
)
def test_settings_of_the_other_method_are_not_ignored_in_silence(given, named):
    with pytest.raises(UserError, match=f"explore: {named}"):
        ExploreSettings.of(given)
