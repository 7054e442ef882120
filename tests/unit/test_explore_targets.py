"""Targets of a measurement are the numbers that their words say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.explore import targets
from vaescope.explore.target_settings import Target

AXIS = np.linspace(1.0, 5.0, 201)


def lines(centre: np.ndarray, height: float = 2.0, width: float = 0.3) -> np.ndarray:
    """Normal lines (site, channel) at some places of the axis."""
    return height * np.exp(-((AXIS - np.asarray(centre)[:, None]) ** 2) / (2 * width**2))


@given(st.floats(1.5, 4.5), st.floats(0.1, 100))
def test_height_position_and_area_of_a_line_are_those_it_was_made_with(centre, height):
    spectra = lines(np.array([centre]), height, width=0.1)
    found = {
        name: targets.values(spectra, AXIS, Target(quantity=name)) for name in ("height", "area")
    }
    assert found["height"] == pytest.approx(height, rel=0.01)
    assert found["area"] == pytest.approx(height * 0.1 * np.sqrt(2 * np.pi), rel=1e-3)
    # The parabola through three samples of a line: a hundredth of the step of 0.02.
    at = targets.values(spectra, AXIS, Target(quantity="position"))
    assert at == pytest.approx(centre, abs=2e-4)


def test_a_range_is_given_in_the_unit_of_the_axis():
    both = lines(np.array([2.0])) + lines(np.array([4.0]), 5.0)
    low = targets.values(both, AXIS, Target(quantity="position", range=[1.5, 2.5]))
    ratio = targets.values(both, AXIS, Target(quantity="ratio", range=[1.5, 2.5], over=[3.5, 4.5]))
    assert low == pytest.approx(2.0, abs=1e-3)
    assert ratio == pytest.approx(0.4, rel=1e-3)
    with pytest.raises(UserError, match="holds no samples"):
        targets.values(both, AXIS, Target(range=[7.0, 8.0]))


def test_the_area_of_a_loop_grows_with_its_coercive_bias():
    made = simulate.make("loops?size=24&noise=0", 3)
    axis = made["energy"].values
    spectra = made["spectra"].values[0].reshape(-1, len(axis))
    truth = made["truth_coercive"].values[0].ravel() * made["truth_response"].values[0].ravel()
    area = targets.values(spectra, axis, Target(quantity="loop_area"))
    # A loop of two error functions, saturated at both ends, has an area of 4 x coercive x response.
    assert np.corrcoef(area, truth)[0, 1] > 0.99
    assert np.median(area / (4 * truth)) == pytest.approx(1, abs=0.05)


def test_components_are_made_of_the_spectra_that_are_known():
    weight = np.random.default_rng(0).uniform(0, 1, (60, 2))
    spectra = weight @ lines(np.array([2.0, 4.0]))
    known = np.arange(60) < 20
    for factors in ("nmf", "pca"):
        wanted = Target(quantity="component", components=2, factors=factors)
        first = targets.values(spectra, AXIS, wanted, known)
        changed = np.where(known[:, None], spectra, 3 * spectra)
        again = targets.values(changed, AXIS, wanted, known)
        np.testing.assert_allclose(first[known], again[known], rtol=1e-6, atol=1e-9)
    with pytest.raises(UserError, match="too few spectra"):
        targets.values(spectra, AXIS, Target(quantity="component", components=30), known)


def test_spectra_that_were_not_measured_have_no_value():
    spectra = lines(np.array([2.0, 3.0, 4.0]))
    spectra[1, 50] = np.nan
    for name in ("height", "position", "mean", "area", "ratio", "loop_area"):
        found = targets.values(spectra, AXIS, Target(quantity=name))
        assert np.isnan(found[1])
        assert np.isfinite(found[[0, 2]]).all()
    # What is missing outside the range does not matter.
    assert np.isfinite(targets.values(spectra, AXIS, Target(range=[3.0, 4.0]))).all()


def test_a_users_function_is_used_and_its_faults_are_named(tmp_path):
    (tmp_path / "own.py").write_text(
        "def total(spectra, axis):\n    return spectra.sum(1)\n"
        "def wrong(spectra, axis):\n    return spectra\n"
        "def broken(spectra, axis):\n    return 1 / 0\n"
    )
    spectra = lines(np.array([2.0, 3.0]))

    def own(name):
        return Target(quantity="function", function=f"{tmp_path / 'own.py'}:{name}")

    np.testing.assert_allclose(targets.values(spectra, AXIS, own("total")), spectra.sum(1))
    for name, said in (
        ("wrong", "shape"),
        ("broken", "ZeroDivisionError"),
        ("none", "no function"),
    ):
        with pytest.raises(UserError, match=said):
            targets.values(spectra, AXIS, own(name))


def test_numbers_of_a_spectrum_do_not_depend_on_which_way_its_axis_runs():
    spectra = lines(np.array([2.0, 3.3]))
    for name in ("height", "position", "mean", "area", "loop_area"):
        wanted = Target(quantity=name, range=[1.5, 4.0])
        along = targets.values(spectra, AXIS, wanted)
        against = targets.values(spectra[:, ::-1], AXIS[::-1], wanted)
        np.testing.assert_allclose(along, against, rtol=1e-9, err_msg=name)


def test_a_users_function_is_given_measured_spectra_alone(tmp_path):
    (tmp_path / "own.py").write_text(
        "import numpy as np\ndef top(spectra, axis):\n"
        "    assert np.isfinite(spectra).all()\n    return spectra.max(1)\n"
    )
    spectra = lines(np.array([2.0, 3.0, 4.0]))
    spectra[1, 50] = np.nan
    wanted = Target(quantity="function", function=f"{tmp_path / 'own.py'}:top")
    found = targets.values(spectra, AXIS, wanted)
    np.testing.assert_allclose(found, [2, np.nan, 2], rtol=1e-3)
    assert np.isnan(targets.values(spectra[1:2], AXIS, wanted)).all()


@pytest.mark.parametrize(
    "given_",
    [
        {"range": [3.0, 2.0]},
        {"quantity": "function"},
        {"function": "own.py:total"},
        {"quantity": "component", "component": 5},
        {"several": {"one": {"range": [1.0]}}},
    ],
)
def test_contradictions_of_a_target_are_refused(given_):
    with pytest.raises(UserError):
        Target.of(given_).parts()


def test_several_numbers_have_names_and_weights():
    wanted = Target.of(
        {"several": {"low": {"quantity": "height"}, "red": {"quantity": "position"}}}
    )
    assert list(wanted.parts()) == ["low", "red"]
    assert targets.words(wanted.parts()["red"]) == "position of the peak"
    assert targets.unit(wanted.parts()["red"], "1", "eV") == "eV"
