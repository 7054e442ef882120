"""Searches in a latent space: objective, support, checkpoints, what stands beside."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import fake_results
import numpy as np
import pytest
import xarray as xr

from vaescope.errors import UserError
from vaescope.explore import SearchJob, ascent, best_found, latent_search, support
from vaescope.explore.checkpoints import Checkpoints
from vaescope.explore.latent_search import LatentSearch
from vaescope.explore.latent_space import LatentAxes, LatentSpace, places_of
from vaescope.explore.memories import memories
from vaescope.explore.objective import Objective, course_of, number_of, polarisation_of
from vaescope.explore.objective_settings import Lattice, ObjectiveSettings
from vaescope.explore.settings import ExploreSettings
from vaescope.results import Results
from vaescope.simulate import ferrosim

SMALL = {"side": 6, "duration": 0.5, "defects": 2}


def histories(growth: np.ndarray, frequency: np.ndarray, channels: int = 60) -> np.ndarray:
    """Oscillations (n, channel) between −1 and 1."""
    time = np.linspace(0, 3, channels)
    curves = np.exp(growth[:, None] * time) * np.cos(frequency[:, None] * time)
    return (curves / np.abs(curves).max(1, keepdims=True)).astype(np.float32)


def plane(side: int = 12) -> LatentSpace:
    """A latent space whose latents are the growth and the frequency of oscillations."""
    growth, frequency = (
        a.ravel() for a in np.meshgrid(np.linspace(-1, 1, side), np.linspace(2, 8, side))
    )
    places = np.stack([growth, frequency], 1)
    curves = histories(growth, frequency)
    real = support.of_places(places, places, places, places)
    return LatentSpace(
        places, curves, np.linspace(0, 3, 60), real, places, curves, ("growth", "frequency")
    )


def search_in(folder: Path, objective: Objective | None = None, **more) -> LatentSearch:
    chosen = {"features": "latents", "transform": "none", **more.pop("space", {})}
    settings = ExploreSettings.of(
        {
            "method": "bo",
            "space": chosen,
            "start": 6,
            "evaluations": 14,
            "repeats": 2,
            "stop": None,
            "objective": SMALL,
            **more,
        }
    )
    space = plane()
    objective = objective or Objective(settings.objective, space.axis)
    return LatentSearch(space, settings, objective, 0, Checkpoints(folder, "a"), lambda line: None)


def test_a_curve_with_few_channels_is_the_field_of_one_with_many():
    settings = ObjectiveSettings(side=8, defects=3)
    time = np.linspace(0, 3, 900)
    many = np.sin(4 * time)[None]
    few = np.interp(np.linspace(0, 3, 200), time, many[0])[None]
    (one, times), (other, fewer) = (course_of(curves, settings) for curves in (many, few))
    again = np.interp(times, fewer, other[0, :, 0])
    np.testing.assert_allclose(one[0, :, 0], again, atol=0.01 * settings.amplitude)
    assert times[899] == pytest.approx(3)
    assert np.diff(fewer).max() < 1 / 298  # no step longer than what the lattice can take
    assert len(times) == 950  # the lecture's 50 steps at the last field
    np.testing.assert_array_equal(one[0, 900:, 0], one[0, 899, 0])


@pytest.mark.parametrize("quantity", ["curl", "normalised_curl", "polarisation"])
def test_values_do_not_depend_on_what_else_is_evaluated(quantity):
    settings = ObjectiveSettings.of({**SMALL, "quantity": quantity})
    curves = histories(np.array([-1.0, 0.0, 1.0]), np.array([3.0, 5.0, 7.0]))
    curves[1, 3] = np.nan
    objective = Objective(settings, np.arange(60))
    values = objective(curves)
    assert np.isnan(values[1])
    assert np.isfinite(values[[0, 2]]).all()
    np.testing.assert_allclose(objective(curves[2:]), values[2:], rtol=1e-4)
    assert values[0] != pytest.approx(values[2], rel=1e-3)


def test_a_uniform_lattice_has_no_curl_and_the_polarisation_of_its_sites():
    settings = ObjectiveSettings.of({**SMALL, "defects": 0, "boundary": "periodic"})
    state = polarisation_of(histories(np.zeros(1), np.ones(1)), settings)
    assert number_of(state, settings)[0] == pytest.approx(0, abs=1e-4)
    total = ObjectiveSettings.of({**SMALL, "quantity": "polarisation"})
    length = np.hypot(*state[0, :, 0, 0])
    assert number_of(state, total)[0] == pytest.approx(36 * length, rel=1e-4)


def test_a_function_of_the_users_own_is_the_objective(tmp_path: Path):
    file = tmp_path / "own.py"
    file.write_text(
        "def peak(curves, axis):\n    return curves.max(1) + axis[-1]\n"
        "def wrong(curves, axis):\n    return curves\n"
        "def broken(curves, axis):\n    raise ValueError('no')\n"
    )
    curves = np.diag([1, 2, np.nan]).astype(np.float32)

    def of(name):
        return Objective(
            ObjectiveSettings.of({"quantity": "function", "function": f"{file}:{name}"}),
            np.arange(3.0),
        )

    np.testing.assert_allclose(of("peak")(curves)[:2], [3, 4])
    assert "peak" in of("peak").words
    with pytest.raises(UserError, match="one number for each"):
        of("wrong")(curves)
    with pytest.raises(UserError, match=r"own.py:6.*fails \(ValueError: no\).*return NaN"):
        of("broken")(curves)
    with pytest.raises(UserError, match="names none"):
        ObjectiveSettings.of({"quantity": "function"})


def test_places_far_from_the_data_or_that_do_not_come_back_have_no_support():
    rng = np.random.default_rng(0)
    encoded = rng.normal(size=(500, 2))
    came_back = encoded + 0.02 * rng.normal(size=encoded.shape)
    places = np.array([[0.0, 0.0], [0.1, 0.2], [8.0, 0.0], [0.0, 0.0]])
    back = np.array([[0.01, 0.0], [0.1, 0.21], [8.0, 0.0], [1.5, 0.0]])
    found = support.of_places(places, back, encoded, came_back)
    np.testing.assert_allclose(found.weight[:2], 1)
    assert (found.weight[2:] < 1e-3).all()
    itself = support.of_places(encoded, came_back, encoded, came_back)
    assert itself.real.mean() > 0.97


def test_memories_tell_apart_how_a_history_ends():
    time = np.linspace(0, 1, 900)
    flat, late, early = np.ones(900), np.where(time > 0.99, 1.0, -1), np.where(time > 0.5, 1.0, -1)
    found = memories(np.stack([flat, late, early]), unit=0.1)
    np.testing.assert_allclose(found[0, 1:], 0, atol=1e-9)
    assert (found[:, 0] == found[0, 0]).all()
    assert found[1, 1] > 1 > found[2, 1] > 0
    half = memories(np.stack([flat, late, early])[:, ::2], unit=0.1)
    np.testing.assert_allclose(half, found, atol=0.3)  # shares of the duration, not samples


def test_every_lattice_that_a_field_along_x_polarises_can_be_chosen():
    assert {*get_args(Lattice), "uniaxial"} == set(get_args(ferrosim.Model))


@pytest.mark.parametrize(
    "chosen",
    [*({"lattice": name} for name in get_args(Lattice)), {"coupling": 1000}, {"amplitude": 1000}],
    ids=str,
)
def test_the_step_of_time_suits_the_lattice(chosen):
    settings = ObjectiveSettings.of({**SMALL, "duration": 0.2, **chosen})
    curves = histories(np.zeros(2), np.array([20.0, 30.0]))
    values = Objective(settings, np.arange(60))(curves)
    assert np.isfinite(values).all()
    assert values[0] != pytest.approx(values[1], rel=1e-6)


@pytest.mark.parametrize("reach", [1.0, 2.5])
def test_ascent_climbs_from_the_curves_as_they_are(reach):
    settings = ObjectiveSettings.of(SMALL)
    curves = reach * histories(np.zeros(2), np.array([3.0, 5.0]))
    values = ascent.climb(curves, settings, 6, reach)
    assert values.shape == (2, 6)
    assert (values[:, -1] > values[:, 0]).all()
    np.testing.assert_allclose(values[:, 0], Objective(settings, np.arange(60))(curves), rtol=0.02)


@pytest.mark.parametrize("latents", [1, 2, 3])
def test_candidates_cover_the_encoded_range_and_its_margin(latents):
    encoded = np.random.default_rng(0).normal(size=(50, latents))
    places = places_of(encoded, 400, 0.25, 0)
    assert 250 < len(places) < 520
    span = np.ptp(encoded, axis=0)
    assert (places.min(0) >= encoded.min(0) - 0.2501 * span).all()
    assert (np.ptp(places, axis=0) > 1.3 * span).all()
    with pytest.raises(UserError, match="latent 1 at 2"):
        places_of(np.full((5, latents), 2.0), 9, 0.1, 0)


def test_places_are_on_the_axes_of_the_latent_maps():
    random = np.random.default_rng(0)
    content = random.normal(size=(200, 3)) * [1, 2, 3] + [4, 5, 6]
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    axes = LatentAxes.of(content, (content - content.mean(0)) @ turn)
    np.testing.assert_allclose(axes.seen(content), (content - content.mean(0)) @ turn)
    np.testing.assert_allclose(axes.own(axes.seen(content)), content)


class KilledError(Exception):
    """What stops a job."""


class Dying(Objective):
    """An objective that is killed before one of its evaluations."""

    def __init__(self, settings: ObjectiveSettings, axis: np.ndarray, lives: int) -> None:
        super().__init__(settings, axis)
        self.lives = lives

    def __call__(self, curves):
        self.lives -= len(curves)
        if self.lives < 0:
            raise KilledError
        return super().__call__(curves)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_killed_search_goes_on_and_finds_the_same(tmp_path: Path, batch):
    whole = search_in(tmp_path / "whole", batch=batch, repeats=0).dataset()
    settings = ExploreSettings.of({"objective": SMALL}).objective
    for lives in (5, 4, 4, 60):
        objective = Dying(settings, np.linspace(0, 3, 60), lives)
        try:
            search = search_in(tmp_path / "killed", objective, batch=batch, repeats=0)
            resumed = search.dataset()
        except KilledError:
            continue
    for name in whole.variables:
        if whole[name].dtype.kind == "f":
            np.testing.assert_allclose(resumed[name], whole[name], rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(resumed[name], whole[name])


def test_a_search_stands_beside_others_and_its_truth(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(latent_search, "CLIMB", 3)
    wanted = {"surface": True, "features": "auto"}
    found = search_in(tmp_path, space=wanted, evaluations=10).dataset()
    names = found["strategy"].values.tolist()
    assert names == [
        "this search",
        "random",
        latent_search.GRID,
        latent_search.IN_LATENTS,
        latent_search.IN_GENERATORS,
        latent_search.ASCENT,
    ]
    assert found["best"].dims == ("strategy", "run", "step")
    assert (
        np.diff(found["best"].values, axis=-1)[np.isfinite(found["best"].values[..., 1:])] >= 0
    ).all()
    np.testing.assert_allclose(found["truth"].values[found["point"]], found["value"], rtol=1e-5)
    assert found["kept"].values[-1] == found.sizes["step"] == 10
    assert np.isfinite(found["mean"]).all()
    assert (found["sd"] > 0).all()
    assert found["best_polarisation"].shape[1:] == (2, 6, 6)
    top = found["best_candidate"].values[0]
    assert found["best_curl"].values[0, -1] == pytest.approx(float(found["truth"][top]), rel=1e-3)
    assert all("long_name" in v.attrs and "units" in v.attrs for v in found.data_vars.values())


def test_a_search_ends_where_little_is_to_be_gained(tmp_path: Path):
    found = search_in(tmp_path, stop=0.9, repeats=0, evaluations=60).dataset()
    assert found.sizes["step"] < 60
    assert "expected regret" in found.attrs["stopped"]


def test_refused_places_are_not_proposed(tmp_path: Path):
    search = search_in(tmp_path, space={"support": "refuse"}, repeats=0)
    search.weights[::2] = 0
    found = search.dataset()
    assert (found["point"].values % 2 == 1).all()


def test_the_best_curves_are_not_one_and_its_neighbours():
    places = np.linspace(0, 1, 101)[:, None]
    values = -np.abs(places[:, 0] - 0.5)
    chosen = best_found.best_apart(np.arange(101), values, places)
    assert chosen[0] == 50
    assert (np.abs(np.diff(np.sort(places[chosen, 0]))) >= 0.0499).all()


def own_search(tmp_path: Path, body: str, **more) -> LatentSearch:
    file = tmp_path / "own.py"
    file.write_text(f"import sys\nimport numpy as np\ndef own(c, axis):\n    {body}\n")
    objective = {"quantity": "function", "function": f"{file}:own"}
    chosen = {"features": "latents", "transform": "none", **more.pop("space", {})}
    settings = ExploreSettings.of(
        {"method": "bo", "start": 6, "evaluations": 14, "repeats": 1, "stop": None}
        | {"objective": objective, "space": chosen, **more}
    )
    space = plane()
    made = Objective(settings.objective, space.axis)
    files = Checkpoints(tmp_path / "files", "a")
    return LatentSearch(space, settings, made, 0, files, lambda line: None)


@pytest.mark.parametrize("body", ["return np.full(len(c), np.nan)", "return np.ones(len(c))"])
def test_an_objective_without_a_difference_is_refused(body, tmp_path):
    with pytest.raises(UserError, match="nothing can be learned of the objective"):
        own_search(tmp_path, body).dataset()


def test_fields_that_no_lattice_follows_are_named(tmp_path):
    search = search_in(tmp_path, repeats=0)
    search.space = replace(search.space, curves=1e6 * search.space.curves)
    with pytest.raises(UserError, match=r"0 finite values .*steps of time are too long"):
        search.dataset()


def test_a_function_cannot_change_the_curves_nor_end_the_program(tmp_path):
    search = own_search(tmp_path, "c[:] = 0; axis[:] = 0; return c[:, 0]", space={"surface": True})
    np.testing.assert_array_equal(search.space.curves, plane().curves)
    np.testing.assert_array_equal(search.objective.axis, plane().axis)
    with pytest.raises(UserError, match="SystemExit"):
        own_search(tmp_path, "sys.exit(3)").dataset()


def test_nothing_is_searched_where_nothing_is_real(tmp_path):
    search = search_in(tmp_path)
    search.weights[1:] = 0
    with pytest.raises(UserError, match="1 of 144 candidates"):
        search.found()


def test_beliefs_are_named_by_what_is_known_also_in_batches(tmp_path):
    search = own_search(tmp_path, "return c[:, 5]", batch=7, evaluations=24, repeats=0)
    kept = search.dataset()["kept"].values.tolist()
    assert kept == [7, 14, 21, 24]


def test_a_curve_that_the_lattice_refuses_has_no_value_and_the_others_have_theirs():
    settings = ObjectiveSettings.of(SMALL)
    curves = histories(np.zeros(5), np.linspace(2, 6, 5))
    expected = Objective(settings, np.arange(curves.shape[1]))(curves)
    wild = curves.copy()
    wild[3] *= 1e6
    objective = Objective(settings, np.arange(curves.shape[1]))
    found = objective(wild)
    assert np.isnan(found[3])
    assert objective.refused is not None
    np.testing.assert_allclose(np.delete(found, 3), np.delete(expected, 3), rtol=1e-5)


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> tuple[Path, xr.Dataset]:
    """The checkpoints of a search with its rivals, and what it came to."""
    folder = tmp_path_factory.mktemp("compared")
    return folder / "files", own_search(folder, "return c[:, 5]").dataset()


@pytest.mark.parametrize(
    "file", ["search.json", "explorer.safetensors", "belief-6.npy", "grid-0.npy"]
)
def test_a_damaged_checkpoint_is_made_again(file, compared, tmp_path):
    kept, whole = compared
    shutil.copytree(kept, tmp_path / "files")
    damaged = tmp_path / "files" / file
    damaged.write_bytes(damaged.read_bytes()[:9])
    again = own_search(tmp_path, "return c[:, 5]").dataset()
    np.testing.assert_array_equal(whole["point"], again["point"])
    np.testing.assert_allclose(whole["best"], again["best"])


def test_a_search_goes_on_from_none_with_other_settings(tmp_path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    function = tmp_path / "own.py"
    function.write_text("def own(c, axis):\n    return c[:, 0]\n")
    settings = {
        "method": "bo",
        "objective": {"quantity": "function", "function": f"{function}:own"},
    }

    def job(**changed) -> SearchJob:
        return SearchJob(
            Results(folder),
            ExploreSettings.of(settings | changed),
            "rvae",
            folder / "rvae" / "members",
            0,
            tmp_path / "checkpoints",
            print,
        ).with_own_checkpoints()

    first = job().checkpoints
    (first / "explorer.safetensors").touch()
    assert job().checkpoints == first
    assert (first / "explorer.safetensors").exists()
    other = job(kappa=3.0).checkpoints
    assert other.is_dir()
    assert not first.exists()
    function.write_text("def own(c, axis):\n    return c[:, 1]\n")
    assert job(kappa=3.0).checkpoints != other
    assert not other.exists()
