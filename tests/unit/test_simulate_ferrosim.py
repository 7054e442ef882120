"""Movies of polarisation in a field: loops, switching, and a truth that belongs to the picture."""

from __future__ import annotations

import numpy as np
import pytest

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate import ferrosim

SMALL = "ferrosim?size=16&frames=21&cycles=2&field=40"


def course(image, part):
    return image[f"truth_{part}"].values


@pytest.mark.parametrize("model", ferrosim.MODELS)
def test_a_cycle_of_the_field_makes_a_loop(model):
    unit = ferrosim.of_model(model).coercive_field
    image = simulate.make(f"{SMALL}&model={model}&field={20 / unit:.3g}&frames=81&strength=5", 1)
    field, mean = course(image, "field_y"), course(image, "polarisation_y").mean(axis=(1, 2))
    again = slice(41, None)  # the second cycle: the loop that repeats
    rising = np.gradient(field)[again] > 0
    up, down = mean[again][rising], mean[again][~rising]
    fields = field[again][rising], field[again][~rising]
    at_zero = [
        np.interp(0, *(v[np.argsort(f)] for v in (f, p)))
        for f, p in zip(fields, (up, down), strict=True)
    ]
    assert at_zero[0] < -0.1 and at_zero[1] > 0.1  # remanence of either branch
    assert abs(at_zero[0] + at_zero[1]) < 0.1 * abs(at_zero[1])


def test_the_channels_are_the_truth_with_the_noise_stated():
    image = simulate.make(f"{SMALL}&noise=0.1&boundary=periodic", 3)
    assert list(image["channel"].values) == ["polarisation x", "polarisation y"]
    clean = np.stack([course(image, "polarisation_x"), course(image, "polarisation_y")], axis=1)
    away = image["image"].values - clean
    largest = np.sqrt((clean**2).sum(axis=1)).max()
    assert away.std() == pytest.approx(0.1 * largest, rel=0.05)
    assert np.allclose(course(image, "curl"), ferrosim.curl(clean, boundary="periodic"), atol=1e-6)
    assert np.abs(course(image, "curl").sum(axis=(1, 2))).max() < 1e-3  # on a torus it sums to zero
    share = (course(image, "defect")[0] > 0).mean()
    assert 0.01 < share < 0.12


def test_in_a_constant_field_the_energy_falls_and_the_poled_lattice_switches():
    image = simulate.make("ferrosim?size=16&course=switch&field=30&frames=11&duration=2", 2)
    parts = [name for name in image.variables if str(name).startswith("truth_energy_")]
    energy = sum(image[name].values for name in parts)
    assert len(parts) == 5 and (np.diff(energy) < 1e-6).all()
    mean = course(image, "polarisation_y").mean(axis=(1, 2))
    assert mean[0] < -0.2 and mean[-1] > 0.2
    alone = simulate.make("ferrosim?size=16&course=switch&field=30&frames=1&duration=2", 2)
    assert course(alone, "polarisation_y").mean() == pytest.approx(mean[-1], abs=1e-3)


def test_the_same_seed_gives_the_same_movie_and_hours_are_refused():
    one, same, other = (simulate.make(SMALL, seed)["image"].values for seed in (4, 4, 5))
    assert np.array_equal(one, same) and not np.allclose(one, other)
    with pytest.raises(UserError, match="too long or too much memory"):
        simulate.make("ferrosim?size=1024&duration=1000", 0)
