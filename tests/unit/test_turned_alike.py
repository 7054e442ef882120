"""What cannot be known of an angle is known: how often a turned picture fits better."""

import numpy as np
import pytest
import xarray as xr
from pictures import COMMA, spots

from vaescope.ensemble.turned_alike import FOLDS, mistaken_turn, variables
from vaescope.judge.of_turns import of_turns


def nearly_even(uneven, side=24):
    """A pair of spots on either side of the middle, one of them a little stronger."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    left, right = (np.exp(-((x - c) ** 2 + y**2) / 8) for c in (-5, 5))
    return ((1 + uneven) * left + right)[None]


@pytest.mark.parametrize("uneven", [0.02, 0.05, 0.1])
def test_the_share_mistaken_is_that_of_the_likelihood_ratio(uneven):
    picture, noise = nearly_even(uneven), 0.2
    turned = np.rot90(picture, 2, (1, 2))
    rng = np.random.default_rng(0)
    patches = picture + noise * rng.normal(size=(4000, *picture.shape))
    wrong = ((patches - turned) ** 2).sum((1, 2, 3)) < ((patches - picture) ** 2).sum((1, 2, 3))
    assert mistaken_turn(picture, noise, 2) == pytest.approx(wrong.mean(), abs=0.025)


def judged(*pictures, noise=0.2, symmetry=1):
    found = xr.Dataset(variables(np.stack(pictures), np.array([noise])))
    found.attrs["symmetry"] = symmetry
    return of_turns("rvae", found)


def test_what_is_nearly_symmetric_is_named_with_its_mode_turn_and_remedy():
    comma = np.array(spots(COMMA, 24), float)[None]
    (finding,) = judged(comma, nearly_even(0.1))
    assert finding.kind == "nearly symmetric"
    assert "Mode 2" in finding.says and "180°" in finding.says
    assert "symmetry: 2" in finding.remedy and "dose" in finding.remedy
    (finding,) = judged(comma, nearly_even(0.0))
    assert finding.kind == "ambiguous turn" and finding.severity == "note"


def test_nothing_is_said_where_the_noise_does_not_hide_it_or_angles_are_modulo_it():
    assert not judged(nearly_even(0.1), noise=0.01)
    assert not judged(nearly_even(0.0), symmetry=2)
    assert not of_turns("vae", xr.Dataset())


def test_every_fold_is_judged():
    found = variables(nearly_even(0.0)[None], np.array([0.1]))
    _, values, _ = found["mode_mistaken_turn"]
    assert values.shape == (1, len(FOLDS))
    assert values[0, FOLDS.index(2)] == pytest.approx(0.5, abs=1e-6)
    assert values[0, FOLDS.index(4)] < 1e-3
