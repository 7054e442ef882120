"""The lattice of polarisation relaxes as it should, whoever gives the arrays."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.errors import UserError
from vaescope.simulate import ferroelectric
from vaescope.simulate.ferroelectric import Material

PUBLISHED = np.load(Path(__file__).parent / "data" / "ferrosim-10x10.npz")


def last(p, fields, step, material):
    return deque(ferroelectric.relax(p, fields, step, material), maxlen=1)[0]


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_a_batch_reproduces_the_published_code_with_full_updates(make):
    material = Material()
    side, unit = 10, material.coercive_field
    defects = PUBLISHED["defects"].reshape(side, side, 2).transpose(2, 0, 1) * unit
    start = np.zeros((3, 2, side, side))
    start[:, 1] = -np.sqrt(1.6 / 12.2)
    curve = PUBLISHED["field"][1:, None, :, None, None] * unit
    signs = np.array([1.0, -1.0, 0.5])[:, None, None, None]  # other fields beside it in the batch
    courses = (make(at * signs + defects) for at in curve)
    found = last(make(start), courses, float(PUBLISHED["step"]), material)
    assert np.abs(np.asarray(found)[0] - PUBLISHED["polarisation"]).max() < 1e-12
    assert np.abs(np.asarray(found)[1] - PUBLISHED["polarisation"]).max() > 0.1


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["dead", "open", "periodic"]),
    st.sampled_from([1, 2]),
    st.floats(0, 1),
)
@settings(max_examples=20, deadline=None)
def test_the_rate_is_the_slope_of_the_energy(seed, boundary, components, depolarisation):
    rng = np.random.default_rng(seed)
    material = Material(boundary=boundary, depolarisation=depolarisation, mobility=0.7)
    p = torch.tensor(rng.normal(0, 0.4, (2, components, 5, 6)), requires_grad=True)
    field = torch.tensor(rng.normal(0, 0.3, (2, components, 5, 6)))
    (slope,) = torch.autograd.grad(ferroelectric.energy(p, field, material).sum(), p)
    assert torch.allclose(ferroelectric.rate(p, field, material), -0.7 * slope, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["dead", "open", "periodic"]))
@settings(max_examples=10, deadline=None)
def test_energy_never_rises_in_a_constant_field(seed, boundary):
    rng = np.random.default_rng(seed)
    material = Material(boundary=boundary)
    p = rng.normal(0, 0.3, (4, 2, 8, 8))
    field = rng.normal(0, 0.3, (4, 2, 1, 1)) + rng.normal(0, 0.1, (2, 8, 8))
    step = 0.5 * ferroelectric.longest_step(material, 1.2)
    before = ferroelectric.energy(p, field, material)
    for at in ferroelectric.relax(p, [field] * 60, step, material):
        after = ferroelectric.energy(at, field, material)
        assert (after <= before + 1e-9 * np.abs(before)).all()
        before = after


def test_a_wall_has_the_width_and_speed_of_the_continuum():
    material = Material(alpha1=-1.0, alpha2=0.5, coupling=36.0, depolarisation=0, boundary="open")
    x = np.arange(120.0)
    width, step, field = material.wall_width, 0.02, 0.03
    start = np.tanh((x - 40) / width)[None, None] * np.ones((1, 3, 1))
    still = last(start, [np.zeros(1)] * 300, step, material)
    assert np.abs(still - start)[..., 20:60].max() < 0.02

    def place(p):
        row = p[0, 1] - (p[0, 1].max() + p[0, 1].min()) / 2
        k = int(np.flatnonzero(row < 0)[-1])
        return k + row[k] / (row[k] - row[k + 1])

    first, *_, end = ferroelectric.relax(start, [np.full(1, field)] * 1500, step, material)
    speed = (place(first) - place(end)) / (1499 * step)
    assert speed == pytest.approx(1.5 * width * field, rel=0.03)


def test_halving_the_step_changes_next_to_nothing():
    rng = np.random.default_rng(3)
    material = Material()
    p, time = rng.normal(0, 0.1, (2, 12, 12)), np.linspace(0, 3, 900, endpoint=False)
    fields = 20 * material.coercive_field * np.sin(3 * time)[:, None, None, None] * [[[1]], [[0]]]
    coarse = last(p, fields, 3 / 900, material)
    fine = last(p, np.repeat(fields, 2, axis=0), 3 / 1800, material)
    assert np.abs(coarse - fine).max() < 3e-3


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_step_that_is_too_long_is_an_error_with_the_limit():
    material = replace(Material(), boundary="periodic")
    with pytest.raises(UserError, match=r"diverges.*below 0.00"):
        last(np.full((1, 4, 4), 0.3), [np.zeros(1)] * 200, 1.0, material)
    with pytest.raises(UserError, match="diverges"):
        last(np.full((1, 4, 4), 0.3), [np.full(1, np.nan)], 0.001, material)
    with pytest.raises(UserError, match=r"no such boundary.*dead, open, periodic"):
        Material(boundary="closed")
