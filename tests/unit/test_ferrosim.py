"""FerroSim: what the published program gives, a curl that means what it says, clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vaescope.errors import UserError
from vaescope.simulate import ferrosim

PUBLISHED = np.load(Path(__file__).parent / "data" / "ferrosim-10x10.npz")
TIMES = np.linspace(0, 3, 400)


def test_the_course_of_the_published_program_is_reproduced():
    field = PUBLISHED["field"]
    fields = np.stack([field, -field, 0.5 * field])  # others beside it in the batch
    found = ferrosim.run(
        fields, PUBLISHED["times"], PUBLISHED["defects"], 10, as_published=True, keep=range(950)
    )
    assert np.abs(found[0, -1] - PUBLISHED["polarisation"]).max() < 1e-12
    assert np.abs(found[0].sum(axis=(-1, -2)) - PUBLISHED["total"]).max() < 1e-11  # of 100 sites
    assert np.abs(found[1, -1] - PUBLISHED["polarisation"]).max() > 0.1
    last = ferrosim.run(fields[:1], PUBLISHED["times"], PUBLISHED["defects"], 10, as_published=True)
    assert np.array_equal(last[0], found[0, -1])


def vortex(side=9, clockwise=1):
    """(2, side, side): in a picture with row 0 on top it turns clockwise."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return clockwise * np.stack([-y, x])


@pytest.mark.parametrize("clockwise", [1, -1])
def test_a_vortex_has_the_curl_of_a_vortex(clockwise):
    inside = ferrosim.curl(vortex(clockwise=clockwise))[1:-1, 1:-1]
    assert np.allclose(inside, 2 * clockwise)  # the curl of (−y, x)
    directions = ferrosim.curl(vortex(40, clockwise), normalised=True)
    y, x = np.mgrid[:40, :40] - 19.5
    far = (np.hypot(y, x) > 5) & (np.abs(y) < 19) & (np.abs(x) < 19)
    assert np.allclose(directions[far], clockwise / np.hypot(y, x)[far], rtol=0.03)
    assert np.allclose(ferrosim.curl(np.stack([x, y])[None])[0, 1:-1, 1:-1], 0)  # a source has none
    assert np.allclose(ferrosim.curl(vortex(), as_published=True)[1:-1, 1:-1], 0)


def test_a_curl_ends_at_the_rim_as_the_coupling_does():
    one = np.ones((1, 2, 5, 6))
    assert not ferrosim.curl(one, boundary="open").any()
    assert not ferrosim.curl(one, boundary="periodic").any()
    dead = ferrosim.curl(one, boundary="dead")[0]
    assert dead[0, 2] == -0.5 and dead[-1, 2] == 0.5  # of Px, which ends at these rims
    assert dead[2, 0] == 0.5 and dead[2, -1] == -0.5  # of Py
    assert not dead[1:-1, 1:-1].any()
    turned = np.roll(vortex()[None], (2, 3), (-2, -1))
    rolled = np.roll(ferrosim.curl(vortex()[None], boundary="periodic"), (2, 3), (-2, -1))
    assert np.allclose(ferrosim.curl(turned, boundary="periodic"), rolled)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"field": np.full((3, 400, 2), np.nan)}, "field holds values.*3 of 3 courses"),
        ({"defects": np.full((36, 2), np.inf)}, "defects hold values.*72 of 72"),
        ({"defects": np.zeros((9, 2))}, r"defects do not fit.*\(36, 2\)"),
        ({"side": 1, "defects": np.zeros((1, 2))}, "too small.*1 sites.*at least 2"),
        ({"times": TIMES[:-1]}, "do not fit together.*399"),
        ({"times": TIMES[::-1]}, "do not ascend"),
        ({"times": TIMES * np.nan}, "do not ascend"),
        ({"times": 10 * TIMES}, "polarisation of the lattice diverges.*shorter step"),
        ({"model": "tetragnal"}, "no such model.*`tetragonal`"),
        ({"boundary": "closed"}, "no such boundary.*dead, open, periodic"),
    ],
)
def test_what_no_lattice_can_follow_is_refused(change, words):
    rng = np.random.default_rng(1)
    given = {
        "field": rng.normal(0, 30, (3, 1, 2)) * np.ones((400, 1)),
        "times": TIMES,
        "defects": np.zeros((36, 2)),
        "side": 6,
    }
    with pytest.raises(UserError, match=words):
        ferrosim.run(**{**given, **change})


@pytest.mark.parametrize("model", ferrosim.MODELS)
def test_without_a_field_a_lattice_stays_in_its_minimum(model):
    still = np.zeros((1, 50, 2))
    found = ferrosim.run(still, TIMES[:50], None, 5, model=model, depolarisation=0.0, keep=[0, -1])
    assert found.shape == (1, 2, 2, 5, 5)
    assert np.allclose(found[:, 0], found[:, 1], atol=1e-6)
    assert (found[0, 0, 1] < 0).all()


def test_tensors_stay_tensors():
    field = torch.zeros(2, 5, 2, dtype=torch.float64)
    assert ferrosim.run(field, torch.arange(5) / 500, None, 3).dtype == torch.float32
    found = ferrosim.run(field, torch.arange(5) / 500, None, 3, dtype="float64")
    assert found.dtype == torch.float64 and found.shape == (2, 2, 3, 3)
    assert isinstance(ferrosim.curl(found), torch.Tensor)
