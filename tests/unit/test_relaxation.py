"""Lattices of polarisation relax along the slope of their energy, and walls move as they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.errors import UserError
from vaescope.simulate.ferroelectric import Material
from vaescope.simulate.relaxation import energies, relax

BOUNDARIES = ["dead", "open", "periodic"]


def energy(p, material, local, drive=None):
    return sum(energies(p, material, local, drive).values())


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(BOUNDARIES),
    st.sampled_from([1, 2]),
    st.floats(0, 1),
    st.floats(-20, 50),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_a_step_goes_down_the_slope_of_the_energy(
    seed, boundary, components, depolarisation, alpha3, uneven
):
    rng = np.random.default_rng(seed)
    material = Material(
        alpha1=rng.normal(-1.6, 1, (5, 6)) if uneven else -1.6,
        alpha3=alpha3,
        boundary=boundary,
        depolarisation=depolarisation,
        mobility=0.7,
    )
    p = torch.tensor(rng.normal(0, 0.4, (components, 5, 6, 2)), requires_grad=True)
    local = torch.tensor(rng.normal(0, 0.3, (components, 5, 6, 2)))
    drive = torch.tensor(rng.normal(0, 0.3, (components, 2)))
    (slope,) = torch.autograd.grad(energy(p, material, local, drive).sum(), p)
    step = 1e-4
    after = relax(p.detach(), material, local, np.array([step]), drive=drive[None])[0]
    assert torch.allclose((after - p) / step, -0.7 * slope, atol=1e-8)


def test_a_wall_has_the_width_and_speed_of_the_continuum():
    material = Material(alpha1=-1.0, alpha2=0.5, coupling=36.0, depolarisation=0, boundary="open")
    x = np.arange(120.0)
    width, step, field = material.wall_width, 0.02, 0.03
    start = torch.tensor(np.tanh((x - 40) / width) * np.ones((1, 3, 1)))[..., None]
    none = torch.zeros(1, 3, 120, 1, dtype=torch.float64)
    still = relax(start, material, none, np.full(300, step))[0]
    assert (still - start)[:, :, 20:60].abs().max() < 0.02

    def place(p):
        row = p[0, 1, :, 0] - (p[0, 1].max() + p[0, 1].min()) / 2
        k = int(np.flatnonzero(row < 0)[-1])
        return k + row[k] / (row[k] - row[k + 1])

    first, end = relax(start, material, none + field, np.full(1500, step), keep=[1, 1500]).numpy()
    speed = (place(first) - place(end)) / (1499 * step)
    assert speed == pytest.approx(1.5 * width * field, rel=0.03)


def test_blocks_of_the_batch_do_not_know_of_each_other(monkeypatch):
    rng = np.random.default_rng(2)
    p = torch.tensor(rng.normal(0, 0.3, (2, 6, 6, 7)))
    local = torch.tensor(rng.normal(0, 1, (2, 6, 6, 7)))
    drive = torch.tensor(rng.normal(0, 5, (40, 2, 7)))
    steps = rng.uniform(0.001, 0.003, 40)
    whole = relax(p, Material(), local, steps, drive=drive, keep=[0, 20, 40])
    monkeypatch.setattr("vaescope.simulate.relaxation._BLOCK", 3 * 2 * 36 * 8)
    parts = relax(p, Material(), local, steps, drive=drive, keep=[0, 20, 40])
    assert torch.equal(whole[0], p)
    assert torch.allclose(whole, parts, atol=1e-14)


def test_a_step_that_is_too_long_is_an_error_with_the_limit():
    material = replace(Material(), boundary="periodic")
    start, none = torch.full((1, 4, 4, 3), 0.3), torch.zeros(1, 4, 4, 1)
    with pytest.raises(UserError, match=r"too long.*3 lattices.*number 0.*up to 0.00"):
        relax(start, material, none, np.full(200, 1.0))
    weak, strong = torch.zeros(300, 1, 3), torch.zeros(300, 1, 3)
    strong[..., 2] = 100.0  # stable but for this field
    step = 0.95 * material.longest_step(float(material.saturation))
    assert relax(start, material, none, np.full(300, step), drive=weak).isfinite().all()
    with pytest.raises(UserError, match=r"in at least 1 lattices, the first of them number 2"):
        relax(start, material, none, np.full(300, step), drive=strong)
    limit = material.longest_step(material.largest(100.0))
    assert relax(start, material, none, np.full(300, limit), drive=strong).isfinite().all()


def test_materials_without_a_bound_are_refused():
    with pytest.raises(UserError, match=r"no such boundary.*dead, open, periodic"):
        Material(boundary="closed")
    with pytest.raises(UserError, match="nothing bounds"):
        Material(alpha3=-30.0)
    with pytest.raises(UserError, match="nothing bounds"):
        Material(alpha2=-1.0)
