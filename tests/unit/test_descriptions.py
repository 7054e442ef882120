"""What the candidates of a search in a latent space are known by."""

import numpy as np
import pytest

from vaescope import Explorer
from vaescope.errors import UserError
from vaescope.explore.descriptions import descriptions
from vaescope.explore.ideal_response import FINE, ideal_responses
from vaescope.explore.objective import Objective, polarisation_of
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.explore.settings import ExploreSettings

TIME = np.linspace(0, 3, 60)


def settings(**more) -> ObjectiveSettings:
    return ObjectiveSettings.of({"side": 6, "duration": 0.5, "defects": 4, **more})


def curves(n: int = 200, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    growth, frequency = random.uniform(-1, 1, (n, 1)), random.uniform(2, 8, (n, 1))
    found = np.exp(growth * TIME) * np.cos(frequency * TIME)
    return (found / np.abs(found).max(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("lattice", ["tetragonal", "squareelectric", "rhombohedral"])
def test_the_response_is_that_of_a_whole_lattice_without_defects(lattice):
    own, some = settings(lattice=lattice), curves(8)
    perfect = polarisation_of(some, settings(lattice=lattice, defects=0))
    assert np.ptp(perfect, axis=(2, 3)).max() < 1e-5
    found = ideal_responses(some, own)["coarse response"]
    start = np.linalg.norm(polarisation_of(some[:1], own, keep=[0])[0, 0, :, 0, 0])
    last = np.sinh(found) * start
    off = np.abs(last[:, :, None] - perfect[:, None, :, 0, 0])
    assert (off.min(1)[:, 0] < 1e-4).all()  # the component along the field is among the features
    np.testing.assert_allclose(
        np.sinh(ideal_responses(some, own)["response"]) * FINE, np.sinh(found), rtol=1e-9
    )


def test_defects_do_not_change_the_response():
    some = curves(5)
    one, other = (ideal_responses(some, settings(defect_seed=seed)) for seed in (1, 2))
    np.testing.assert_array_equal(one["response"], other["response"])


def test_curves_that_no_lattice_follows_harm_no_others():
    some = curves(6)
    wild = np.concatenate([some, np.full((1, 60), 1e6, np.float32), some[:1] * np.nan])
    found = ideal_responses(wild, settings())["response"]
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[6:], 0)
    np.testing.assert_allclose(found[:6], ideal_responses(some, settings())["response"], rtol=1e-5)


def test_evidence_chooses_the_response_where_it_explains_the_objective():
    own, some = settings(), curves(300)
    values = Objective(own, TIME)(some)
    described = descriptions(np.random.default_rng(1).normal(size=(300, 2)), some, own)
    assert list(described)[:2] == ["response", "coarse response"]
    explorer = Explorer(described, start=30)
    for _ in range(32):
        new = explorer.ask()
        explorer.tell(new, values[new])
    assert "response" in explorer.chosen[0]


def test_a_function_of_the_users_has_no_response():
    own = settings(quantity="function", function="mine.py:worth")
    described = descriptions(np.zeros((5, 2)), curves(5), own)
    assert list(described) == ["memories", "coarse memories", "latents"]
    assert list(descriptions(np.zeros((5, 2)), curves(5), own, "latents")) == ["latents"]
    with pytest.raises(UserError, match="no lattice"):
        ExploreSettings.of(
            {
                "method": "bo",
                "space": {"features": "response"},
                "objective": {"quantity": "function", "function": "mine.py:worth"},
            }
        )
