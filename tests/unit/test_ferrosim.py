"""FerroSim: what the published program gives, a curl that means what it says, clear refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.errors import UserError
from vaescope.simulate import ferrosim

PUBLISHED = np.load(Path(__file__).parent / "data" / "ferrosim-10x10.npz")
TIMES = np.linspace(0, 1.5, 400)

models = st.sampled_from(list(ferrosim.MODELS))
boundaries = st.sampled_from(["open", "periodic", "dead"])


def test_the_course_of_the_published_program_is_reproduced():
    field = PUBLISHED["field"]
    fields = np.stack([field, -field, 0.5 * field])  # others beside it in the batch
    found = ferrosim.run(
        fields, PUBLISHED["times"], PUBLISHED["defects"], 10, as_published=True, keep=range(950)
    )
    assert np.abs(found[0, -1] - PUBLISHED["polarisation"]).max() < 1e-12
    assert np.abs(found[0].mean(axis=(-1, -2)) - PUBLISHED["total"] / 100).max() < 1e-12
    assert np.abs(found[1, -1] - PUBLISHED["polarisation"]).max() > 0.1
    last = ferrosim.run(fields[:1], PUBLISHED["times"], PUBLISHED["defects"], 10, as_published=True)
    assert np.abs(last[0] - found[0, -1]).max() < 1e-13  # vectors of another length round otherwise


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
        ({"times": 20 * TIMES}, "too long.*Take shorter steps"),
        ({"model": "tetragnal"}, "no such model.*`tetragonal`"),
        ({"field": np.zeros((0, 400, 2))}, "do not fit together.*at least one"),
        ({"start": np.zeros((2, 5, 6))}, r"start does not fit.*\(2, 6, 6\)"),
        ({"start": np.full((2, 6, 6), np.nan)}, "start holds values.*72 of 72"),
        ({"keep": [0, 400]}, "not among those of the field.*0 to 400.*0 to 399"),
        ({"keep": []}, "not among those of the field.*no number"),
        ({"dtype": "float16"}, "no such type.*float32 or float64"),
        ({"device": "cuda:99"}, "device for lattices is not there"),
        ({"coupling": -1.0}, "coupling -1.*from 0"),
        ({"depolarisation": np.nan}, "depolarisation nan.*from 0"),
        ({"field": np.full((3, 400, 2), 1e30)}, "too long"),
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


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(1e-5, 1e3),
    models,
    boundaries,
    st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_asked_there_is_a_finite_answer_or_an_error(size, step, model, boundary, dtype):
    field = size * np.ones((2, 40, 2))
    try:
        found = ferrosim.run(
            field, np.arange(40) * step, None, 3, model=model, boundary=boundary, dtype=dtype
        )
    except UserError:
        return
    assert np.isfinite(found).all()


def test_tensors_stay_tensors():
    field = torch.zeros(2, 5, 2, dtype=torch.float64)
    assert ferrosim.run(field, torch.arange(5) / 500, None, 3).dtype == torch.float32
    found = ferrosim.run(field, torch.arange(5) / 500, None, 3, dtype="float64")
    assert found.dtype == torch.float64 and found.shape == (2, 2, 3, 3)
    assert isinstance(ferrosim.curl(found), torch.Tensor)


@given(st.integers(0, 2**32 - 1), models, boundaries, st.floats(0, 2))
@settings(max_examples=20, deadline=None)
def test_energy_never_rises_in_a_constant_field(seed, model, boundary, depolarisation):
    rng = np.random.default_rng(seed)
    kind = {"model": model, "boundary": boundary, "depolarisation": depolarisation}
    side, defects = 6, rng.normal(0, 3, (36, 2))
    field = rng.normal(0, 20, (4, 1, 2)) * np.ones((80, 1))
    material = ferrosim.of_model(model, 100.0, depolarisation, boundary)
    largest = max(1.5, material.largest(20 * 5 * material.coercive_field))
    times = np.arange(80) * material.longest_step(largest)
    course = ferrosim.run(
        field,
        times,
        defects,
        side,
        start=rng.uniform(-1.5, 1.5, (4, 2, side, side)),
        keep=range(80),
        dtype="float64",
        **kind,
    )
    energy = sum(ferrosim.energies(course, field, defects, **kind).values())
    assert (np.diff(energy, axis=1) <= 1e-9 * np.abs(energy[:, 1:])).all()
    assert (energy[:, -1] < energy[:, 0]).all()


@pytest.mark.parametrize("boundary", ["open", "periodic", "dead"])
@pytest.mark.parametrize("model", ferrosim.MODELS)
def test_halving_the_step_changes_next_to_nothing(model, boundary):
    # Lattices that are about to choose between two domains can go either way: nine in ten count.
    rng = np.random.default_rng(7)
    unit = ferrosim.of_model(model).coercive_field
    size, phase = rng.normal(0, 10 / unit, (20, 1, 2)), rng.uniform(0, 2 * np.pi, (20, 1, 2))
    defects = rng.normal(0, 2 / unit, (20, 36, 2))

    def course(steps):
        times = np.linspace(0, 3, steps + 1)
        field, keep = size * np.sin(2.5 * times[:, None] + phase), range(0, steps + 1, steps // 50)
        return ferrosim.run(
            field, times, defects, 6, model=model, boundary=boundary, keep=keep
        ).reshape(20, -1)

    coarse, fine = course(900), course(1800)
    away = np.sqrt(((coarse - fine) ** 2).mean(axis=1)) / np.abs(fine).max(axis=1)
    assert np.quantile(away, 0.9) < 0.004  # rms over a course, of the largest component


@given(st.integers(0, 2**32 - 1), models, boundaries)
@settings(max_examples=8, deadline=None)
def test_gradients_agree_with_finite_differences(seed, model, boundary):
    rng = np.random.default_rng(seed)
    times = np.arange(80) * 0.003
    kind = {"model": model, "boundary": boundary, "dtype": "float64"}
    unit = ferrosim.of_model(model).coercive_field
    field = torch.tensor(rng.normal(0, 6 / unit, (2, 80, 2)), requires_grad=True)
    defects = torch.tensor(rng.normal(0, 1 / unit, (25, 2)), requires_grad=True)
    weights = torch.tensor(rng.normal(0, 1, (5, 5)))

    def objective(at, held):
        end = ferrosim.run(at, times, held, 5, **kind)
        return (weights * ferrosim.curl(end, boundary=boundary)).sum() + end.sum()

    slopes = torch.autograd.grad(objective(field, defects), [field, defects])
    with torch.no_grad():
        for given_, slope in zip((field, defects), slopes, strict=True):
            way = torch.tensor(rng.normal(0, 1, given_.shape))
            step = 1e-5
            ahead, behind = (
                objective(*(each + sign * step * way if each is given_ else each for each in pair))
                for pair in [(field, defects)]
                for sign in (1, -1)
            )
            measured = (ahead - behind) / (2 * step)
            error = abs(float((slope * way).sum() - measured))
            assert error < 1e-5 * float(slope.norm() * way.norm())


@pytest.mark.parametrize("boundary", ["open", "periodic", "dead"])
@pytest.mark.parametrize("model", ferrosim.MODELS)
def test_numbers_of_32_bits_are_enough(model, boundary):
    rng = np.random.default_rng(11)
    times = np.linspace(0, 3, 900)
    unit = ferrosim.of_model(model).coercive_field
    field = rng.normal(0, 10 / unit, (30, 1, 2)) * np.sin(2.5 * times)[:, None]
    defects = rng.normal(0, 2 / unit, (30, 64, 2))
    short, long = (
        ferrosim.run(field, times, defects, 8, model=model, boundary=boundary, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    away = np.abs(short - long).reshape(30, -1).max(axis=1)
    assert np.median(away) < 2e-5
    assert np.quantile(away, 0.9) < 1e-4  # more only where a lattice can go either way


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_a_uniform_lattice_has_no_energy_of_coupling(boundary):
    rng = np.random.default_rng(1)
    p, field = rng.normal(0, 1, (3, 2, 1, 1)) * np.ones((7, 7)), rng.normal(0, 1, (3, 2))
    parts = ferrosim.energies(p, field, boundary=boundary)
    assert np.allclose(parts["coupling"], 0)
    unit = ferrosim.of_model("tetragonal").coercive_field
    assert np.allclose(parts["field"], -49 * unit * (p[..., 0, 0] * field).sum(axis=1))
    assert not parts["defects"].any() and (parts["depolarisation"] > 0).all()
