"""The direction of a wall is the prior of its angle, and the zero of the angles of all walls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from vaescope import circular, train, traits
from vaescope.ensemble.mapping import map_latents
from vaescope.errors import UserError
from vaescope.judge import findings
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.train.data import gather

SMALL = {"latent": 2, "hidden": 64, "batch": 48, "turns": 12, "steps": 250}


def walls(count=240, noise=0.2, seed=0, blunt=0.0):
    """Patches of curved walls between two domains at any direction; curvature is what varies.

    The tangent is (cos, sin) of the direction in (x, y), y down, and the positive domain lies at
    its normal (-sin, cos). ``blunt``: standard deviation of what is known of the direction, rad.
    """
    rng = np.random.default_rng(seed)
    side = 20
    direction = rng.uniform(-np.pi, np.pi, count)
    bend = rng.normal(0, 0.04, count)
    axis = np.arange(side) - (side - 1) / 2
    x, y = axis[None, None, :], axis[None, :, None]
    cos, sin = np.cos(direction)[:, None, None], np.sin(direction)[:, None, None]
    along, across = x * cos + y * sin, -x * sin + y * cos
    patch = np.tanh((across - bend[:, None, None] * along**2 / 2) / 1.5)
    patch = patch + noise * rng.normal(size=patch.shape)
    known = circular.wrap(direction + blunt * rng.normal(size=count), 2 * np.pi)
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), patch[:, None].astype(np.float32)),
            "direction": ("site", known),
            "truth_direction": ("site", direction),
            "truth_curvature": ("site", bend),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", rng.uniform(0, 200, count)),
            "x": ("site", rng.uniform(0, 200, count)),
        },
        coords={"site": np.arange(count), "channel": ["in-phase"], "py": axis, "px": axis},
        attrs={
            **traits.WALLS.attributes(),
            "spacing": 4.0,
            "size": float(side),
            "pitch": 1.0,
            "pixels": side,
        },
    )


def mapped(samples, folder, members=1, **settings):
    """The maps of an ensemble trained on samples."""
    out = folder / "members"
    train.fit(
        samples,
        {"variant": "rvae", **SMALL, **settings},
        members=range(members),
        seed=0,
        out=out,
        checkpoints=folder / "checkpoints",
        threads=1,
    )
    return map_latents(out, samples, name="rvae")


def off(latents, samples):
    """By how much angles differ from minus the true direction, rad."""
    angle = latents["consensus_angle"].values
    return circular.wrap(angle + samples["truth_direction"].values, 2 * np.pi)


@pytest.mark.parametrize("blunt", [0.0, 0.2])
def test_angles_follow_the_direction_with_one_zero_for_all_walls(tmp_path, blunt):
    """Even where directions are known to 11 degrees alone, angles are right to a few."""
    samples = walls(blunt=blunt)
    latents = mapped(samples, tmp_path, angle_prior="direction", angle_sd=0.3)
    apart = off(latents, samples)
    zero = circular.mean(apart, 2 * np.pi)
    assert abs(np.degrees(zero)) < 3
    assert np.degrees(np.median(np.abs(apart - zero))) < 4
    assert (np.abs(apart - zero) < np.radians(20)).mean() > 0.98
    assert latents.attrs["angle_zero"] == "direction of the site along x"
    curved = np.abs(np.corrcoef(latents["consensus_content"].values.T, samples.truth_curvature)[-1])
    assert curved[:2].max() > 0.9


def test_a_model_without_the_prior_has_the_same_zero(tmp_path):
    samples = walls()
    latents = mapped(samples, tmp_path)
    apart = off(latents, samples)
    assert abs(np.degrees(circular.mean(apart, 2 * np.pi))) < 3
    assert np.degrees(np.median(np.abs(apart))) < 5


def family(**settings):
    chosen = ModelSettings.from_recipe({"variant": "rvae", **SMALL, **settings})
    return Family(1, (1, 20, 20), chosen)


@pytest.mark.parametrize("sd", [0.2, 0.5, 2.0])
def test_the_prior_is_largest_at_minus_the_direction_and_as_wide_as_stated(sd):
    model = family(turns=120, angle_prior="direction", angle_sd=sd)
    direction = torch.tensor([[0.3, -2.0, 3.1]])
    prior = model.log_turn_prior(Side(direction=direction))[0].exp().numpy()
    np.testing.assert_allclose(prior.sum(1), 1, rtol=1e-5)
    apart = circular.wrap(model.turns.numpy() + direction[0].numpy()[:, None], 2 * np.pi)
    assert np.abs((prior * apart).sum(1)).max() < 0.03
    if sd < 1:  # a wider one reaches around the circle
        np.testing.assert_allclose(np.sqrt((prior * apart**2).sum(1)), sd, rtol=0.02)


def test_a_site_without_a_direction_may_lie_at_any_angle():
    model = family(angle_prior="direction", angle_sd=0.3)
    prior = model.log_turn_prior(Side(direction=torch.tensor([[0.3, float("nan")]])))[0].exp()
    np.testing.assert_allclose(prior[1].numpy(), 1 / 12, rtol=1e-5)


def test_directions_modulo_the_symmetry_give_one_prior():
    model = family(angle_prior="direction", angle_sd=0.3, symmetry=2)
    prior = model.log_turn_prior(Side(direction=torch.tensor([[0.3, 0.3 + np.pi]])))[0]
    np.testing.assert_allclose(prior[0].numpy(), prior[1].numpy(), atol=1e-4)


def test_other_priors_do_not_look_at_directions():
    given = Side(direction=torch.tensor([[0.3, 1.0]]))
    for prior in ("learned", "uniform", "normal"):
        model = family(angle_prior=prior)
        np.testing.assert_array_equal(
            model.log_turn_prior(given).detach().numpy(), model.log_turn_prior(Side()).detach()
        )


def test_sites_without_directions_are_refused_with_the_remedy():
    settings = ModelSettings.from_recipe({"variant": "rvae", "angle_prior": "direction"})
    with pytest.raises(UserError, match="these have none") as error:
        gather(walls(8).drop_vars("direction"), settings)
    assert "angle_prior: learned" in str(error.value)


@pytest.mark.parametrize("wrong", [{"rotation": False}, {"turns": 1}])
def test_a_direction_needs_a_grid_of_angles(wrong):
    with pytest.raises(UserError, match="angle_prior: direction"):
        replace(ModelSettings(), angle_prior="direction", **wrong)


def test_a_training_on_other_directions_is_another_training():
    settings = ModelSettings.from_recipe({"variant": "rvae", "angle_prior": "direction"})
    samples = walls(8)
    one = gather(samples, settings).digest()
    assert gather(samples.assign(direction=-samples.direction), settings).digest() != one


@pytest.mark.parametrize(("kind", "severity"), [("walls", "serious"), ("windows", "note")])
def test_that_windows_have_no_direction_is_no_cause_for_concern(kind, severity):
    rng = np.random.default_rng(0)
    own = traits.WALLS if kind == "walls" else traits.Traits(regular=True, windows=True)
    latents = xr.Dataset(
        {
            "consensus_content": (("site", "latent"), rng.normal(size=(40, 2))),
            "content_spread": (("site", "latent"), np.full((40, 2), 0.1)),
            "angle_spread": ("site", np.full(40, 1.4)),
        },
        attrs={**own.attributes(), "members_kept": [0]},
    )
    found = [one for one in findings.of_latents("rvae", latents, {}) if one.kind == "unsure angles"]
    assert [one.severity for one in found] == [severity]
