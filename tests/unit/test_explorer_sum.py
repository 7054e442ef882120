"""A value that is a sum of functions of several descriptions is learned from fewer values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vaescope.errors import UserError
from vaescope.explore.explorer import Explorer
from vaescope.explore.surrogate import Surrogate, unit_cube

SIDE = 24


def world(seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Descriptions of the sites of a square, a target of content alone, and one of place alone."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*[np.arange(SIDE)] * 2, indexing="ij"), -1).reshape(-1, 2)
    content = rng.uniform(-1, 1, (SIDE**2, 2))
    of_content = np.sin(2 * content[:, 0]) + content[:, 1] ** 2
    of_place = np.sin(2 * np.pi * place[:, 0] / SIDE) * np.cos(2 * np.pi * place[:, 1] / SIDE)
    return {"content": content, "place": place.astype(float)}, of_content, of_place


def error(known: dict[str, np.ndarray], value: np.ndarray, seed: int, count: int = 60) -> float:
    """Root mean square error where nothing was measured, over the standard deviation."""
    rng = np.random.default_rng(seed)
    explorer = Explorer(known, combine="sum", transform="none")
    seen = rng.permutation(len(value))[:count]
    explorer.tell(seen, value[seen] + rng.normal(0, 0.05, count))
    off = np.delete(explorer.predict()[0] - value, seen)
    return float(np.sqrt((off**2).mean()) / value.std())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_target_of_content_is_learned_from_content_and_one_of_place_is_not_spoiled(seed):
    known, of_content, of_place = world(seed)
    place = {"place": known["place"]}
    # Content is at random in space: by place alone nothing can be known of it.
    assert error(known, of_content, seed) < 0.3
    assert error(place, of_content, seed) > 0.9
    # What does not matter may cost something, but little.
    assert error(known, of_place, seed) < 1.3 * error(place, of_place, seed) + 0.02


def test_a_sum_of_functions_is_learned_sooner_than_one_function_of_everything():
    ratios = []
    for seed in range(3):
        known, of_content, of_place = world(seed)
        value = of_content / of_content.std() + of_place / of_place.std()
        joint = {"all": np.hstack(list(known.values()))}
        rng = np.random.default_rng(seed)
        seen = rng.permutation(len(value))[:60]
        off = []
        for one, combine in ((known, "sum"), (joint, "choose")):
            explorer = Explorer(one, combine=combine, transform="none")
            explorer.tell(seen, value[seen])
            off.append(np.delete(explorer.predict()[0] - value, seen).std())
        ratios.append(off[0] / off[1])
    assert max(ratios) < 0.9


@pytest.mark.parametrize("acquisition", ["logei", "thompson", "uncertainty", "variance"])
def test_a_sum_that_is_loaded_proposes_the_same(acquisition, tmp_path):
    known, of_content, _ = world(3)
    made = Explorer(known, combine="sum", acquisition=acquisition, start=5, seed=4)
    for _ in range(12):
        new = made.ask()
        made.tell(new, of_content[new])
    made.save(tmp_path / "e.safetensors")
    again = Explorer.load(tmp_path / "e.safetensors")
    np.testing.assert_array_equal(made.ask(3), again.ask(3))
    np.testing.assert_allclose(made.predict(), again.predict(), atol=1e-9)


def test_values_left_out_are_as_far_off_as_is_said():
    spreads, noises = [], []
    for seed in range(4):
        known, of_content, _ = world(seed)
        rng = np.random.default_rng(seed)
        seen = rng.permutation(len(of_content))[:150]
        explorer = Explorer(known, combine="sum", transform="none")
        explorer.tell(seen, of_content[seen] + rng.normal(0, 0.2, len(seen)))
        spreads.append(explorer.left_out().std())
        bare, measured = (explorer.predict(measured=one)[1] for one in (False, True))
        noises.append(np.sqrt((measured**2 - bare**2).mean()))
    # 600 values in all: the standard deviation of their spread is 3 %.
    assert np.mean(spreads) == pytest.approx(1, abs=0.1)
    assert np.mean(noises) == pytest.approx(0.2, rel=0.15)


def test_an_unknown_way_to_combine_is_refused():
    with pytest.raises(UserError, match="combine"):
        Explorer(np.zeros((5, 2)), combine="product")


def test_functions_drawn_are_spread_as_the_belief_is():
    known, of_content, _ = world(0)
    seen = np.random.default_rng(0).permutation(len(of_content))[:30]
    model = Surrogate(np.hstack([unit_cube(one) for one in known.values()]), (2, 2))
    model.fit(list(seen), of_content[seen])
    model.condition(list(seen), of_content[seen])
    drawn = np.stack([model.draw(seed) for seed in range(150)])
    mean, sd = model.predict()
    # 150 draws: errors of 8 % of the sd in the mean and of 6 % in the sd at every candidate.
    assert np.abs((drawn.mean(0) - mean) / sd.clip(0.02)).mean() < 0.2
    assert np.median(drawn.std(0) / sd) == pytest.approx(1, abs=0.15)


def test_the_decrease_of_all_variances_is_that_of_a_further_value():
    rng = np.random.default_rng(0)
    features = rng.uniform(size=(60, 3))  # all of them are summed over
    value = np.sin(4 * features[:, 0]) + features[:, 2] + 0.1 * rng.normal(size=60)
    value = (value - value.mean()) / value.std()
    known = list(range(12))
    model = Surrogate(features, [1, 2])
    model.fit(known, value[known])
    model.condition(known, value[known])
    before = (model.predict()[1] ** 2).sum()
    said = model.decrease(np.arange(60))
    for candidate in (20, 41):
        model.condition([*known, candidate], value[[*known, candidate]])
        after = (model.predict()[1] ** 2).sum()
        assert before - after == pytest.approx(said[candidate], rel=1e-6)
        model.condition(known, value[known])


def test_places_of_an_oblong_field_keep_their_proportions(tmp_path):
    errors = {True: [], False: []}
    for seed in range(3):
        rng = np.random.default_rng(seed)
        place = np.indices((49, 6)).reshape(2, -1).T.astype(float)
        smooth = gaussian_filter(rng.normal(size=(89, 46)), 3)[20:-20, 20:-20].ravel()
        value = (smooth - smooth.mean()) / smooth.std() + 0.1 * rng.normal(size=len(place))
        known = {"strange": rng.normal(size=(len(place), 2)), "place": place}
        seen, rest = np.split(rng.permutation(len(place)), [50])
        for kept in (True, False):
            explorer = Explorer(
                known, combine="sum", isotropic=["place"] if kept else [], transform="none"
            )
            explorer.tell(seen, value[seen])
            explorer.save(tmp_path / "explorer.safetensors")
            loaded = Explorer.load(tmp_path / "explorer.safetensors")
            mean = explorer.predict()[0]
            np.testing.assert_allclose(loaded.predict()[0], mean, atol=1e-6)
            errors[kept].append(np.sqrt(((mean - value)[rest] ** 2).mean()))
    assert np.mean(errors[True]) < 0.75 * np.mean(errors[False])


def test_a_description_that_is_not_there_cannot_be_isotropic():
    with pytest.raises(UserError, match="no description"):
        Explorer({"content": np.eye(5)}, isotropic=["place"])
