"""The family of models: divergences, poses, settings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import COMMA, spots, turn
from torch.distributions import Normal

from vaescope.errors import UserError
from vaescope.models import pose, posterior
from vaescope.models.copies import TurnedCopies
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings
from vaescope.models.side import Side
from vaescope.models.zoo import LABELS, NEEDS, OF_SPECTRA, VARIANTS


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 2), st.floats(-1.5, 1.0), st.floats(-1.0, 1.0))
def test_the_divergence_of_normals_equals_its_integral(mean, log_sd, prior_log_sd):
    x = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    m, s, r = (torch.tensor(v, dtype=torch.float64) for v in (mean, log_sd, prior_log_sd))
    log_q, log_p = Normal(m, s.exp()).log_prob(x), Normal(0.0, r.exp()).log_prob(x)
    integral = torch.trapezoid(log_q.exp() * (log_q - log_p), x)
    closed = posterior.kl_normal(m[None], s[None], math.exp(prior_log_sd))
    assert float(closed) == pytest.approx(float(integral), abs=1e-6)


def test_the_divergence_of_classes_vanishes_only_for_the_prior():
    prior = torch.log_softmax(torch.tensor([0.3, 1.0, -0.5]), -1)
    other = torch.log_softmax(torch.tensor([3.0, 0.0, 0.0]), -1)
    assert float(posterior.kl_categorical(prior, prior)) == pytest.approx(0.0, abs=1e-7)
    assert float(posterior.kl_categorical(other, prior)) > 0.1


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 180, 271])
def test_a_pose_turns_counter_clockwise_as_seen(degrees):
    angle = np.radians(degrees)
    upright = torch.tensor(spots(COMMA, 48), dtype=torch.float32)[None, None]
    expected = spots(turn(COMMA, angle), 48)
    poses = pose.affine(torch.tensor([angle], dtype=torch.float32), None, None)
    assert np.abs(pose.resample(upright, poses)[0, 0].numpy() - expected).max() < 0.03


def test_a_pose_shifts_and_stretches_what_it_shows():
    upright = torch.tensor(spots(COMMA, 48), dtype=torch.float32)[None, None]
    offset = torch.tensor([[0.1, -0.2]])
    strain = torch.tensor([[0.1, -0.05, 0.03]])
    poses = pose.affine(torch.zeros(1), offset, strain)
    seen = pose.resample(upright, poses)[0, 0].numpy()
    stretch = np.linalg.inv(np.array([[1 - 0.1, -0.03], [-0.03, 1 + 0.05]]))
    axis = (np.arange(48) + 0.5) * (2 / 48) - 1
    for place in COMMA @ stretch.T + np.array([0.1, -0.2]):
        near = np.hypot(axis[:, None] - place[1], axis[None] - place[0]) < 0.15
        row, column = np.unravel_index(np.where(near, seen, 0).argmax(), seen.shape)
        assert np.hypot(axis[column] - place[0], axis[row] - place[1]) < 0.06


def test_the_upright_copy_undoes_the_turn():
    turns = pose.turn_grid(12)
    patch = torch.tensor(spots(turn(COMMA, float(turns[5])), 48), dtype=torch.float32)[None, None]
    copies = TurnedCopies(turns, (48, 48), torch.arange(48 * 48))(patch)
    copies = copies.reshape(12, 48, 48).numpy()
    errors = np.abs(copies - spots(COMMA, 48)).mean((1, 2))
    assert errors.argmin() == 5


@pytest.mark.parametrize("side", [11, 12])
@pytest.mark.parametrize("turns, symmetry", [(12, 1), (12, 2), (12, 3), (6, 4), (5, 1)])
def test_copies_of_every_quarter_are_those_that_interpolation_gives(side, turns, symmetry):
    grid, seen = pose.turn_grid(turns, symmetry), pose.disc(side).flatten().nonzero().squeeze(1)
    patches = torch.rand(3, 2, side, side)
    copies = TurnedCopies(grid, (side, side), seen)(patches)
    # The patch under the opposite turn, pixel by pixel.
    turned = [
        pose.resample(patches, pose.affine(-grid[k].expand(3), None, None)) for k in range(turns)
    ]
    plain = torch.stack([pose.pixels(one, seen).flatten(1) for one in turned], 1)
    torch.testing.assert_close(copies, plain, atol=1e-4, rtol=0)


def test_spline_resampling_is_nearer_to_the_turned_structure():
    angle, side = 0.4, 24
    upright, turned = (
        torch.tensor(spots(turn(COMMA, a), side, width=0.12), dtype=torch.float32)[None, None]
        for a in (0.0, angle)
    )
    place = pose.affine(torch.tensor([angle]), None, None)
    error = {
        kind: float((pose.resample(upright, place, kind) - turned).square().mean())
        for kind in ("bilinear", "spline")
    }
    assert error["spline"] < 0.2 * error["bilinear"]


EXAMPLES = {"classes": 3, "labels": "kind", "condition": ["kind"], "target": "clean"}


def patches_and_model(**changes):
    needed = {key: EXAMPLES[key] for key in NEEDS.get(changes.get("variant", "rvae"), ())}
    chosen = ModelSettings.from_recipe(
        {"variant": "rvae", "hidden": 16, "turns": 6, **needed, **changes}
    )
    model = Family(2, (1, 12, 12), chosen, conditions=2 if chosen.condition else 0)
    patches = torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(1))
    model.initialise([torch.Generator().manual_seed(k) for k in (1, 2)], patches)
    noise = torch.zeros(2, 5, 6 if chosen.rotation else 1, model.noise_size())
    return (
        model,
        patches.expand(2, -1, -1, -1, -1),
        model.copies(patches).expand(2, -1, -1, -1),
        noise,
    )


@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - set(OF_SPECTRA)))
@pytest.mark.parametrize("decoder", ["canonical", "coordinate"])
def test_every_variant_of_pictures_has_a_finite_bound_whose_terms_add_up(variant, decoder):
    model, patches, copies, noise = patches_and_model(variant=variant, decoder=decoder)
    if model.settings.classes:
        model.mixture.activate()
        with torch.no_grad():
            model.mixture.mean.copy_(torch.randn(model.mixture.mean.shape))
    terms = model(patches, copies, noise)
    total = terms.reconstruction - sum(terms.divergences.values())
    assert torch.isfinite(terms.elbo).all()
    if model.settings.beta == 0:
        total = terms.reconstruction
    torch.testing.assert_close(terms.elbo, total)
    torch.testing.assert_close(terms.objective, total.mean(1))
    (-terms.objective.sum()).backward()
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for name, p in model.encoder.named_parameters()
    )
    assert variant in LABELS


@pytest.mark.parametrize("depth", [2, 4])
def test_the_bound_needs_only_the_pixels_under_the_mask(depth):
    model, patches, copies, noise = patches_and_model(
        variant="skip-rvae", decoder="coordinate", depth=depth
    )
    few = model(patches, copies, noise)
    model.physics = lambda pictures, latents: pictures.new_zeros(len(pictures))
    every = model(patches, copies, noise)
    torch.testing.assert_close(few.reconstruction, every.reconstruction)
    assert len(model.counted) < model.mask.numel()


def test_the_posterior_of_the_class_makes_the_bound_largest():
    model, patches, copies, noise = patches_and_model(variant="jrvae", classes=3)
    model.mixture.activate()
    with torch.no_grad():
        model.mixture.mean.copy_(torch.randn(model.mixture.mean.shape))
        model.mixture.logit.copy_(torch.randn(model.mixture.logit.shape))
    best = model(patches, copies, noise).elbo
    for seed in range(5):
        other = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(seed))
        other = other / other.sum(-1, keepdim=True)
        side = Side(target_assignment=other, teacher_weight=torch.full((2, 5), 0.5))
        worse = model(patches, copies, noise, side).elbo
        assert (worse <= best + 1e-4).all()


def test_dear_content_costs_as_many_times_its_divergence():
    plain, patches, copies, noise = patches_and_model()
    dear, *_ = patches_and_model(content_weight=[[0, 50], [1, 7]])
    dear.load_state_dict(plain.state_dict())
    one, other = (model(patches, copies, noise) for model in (plain, dear))
    torch.testing.assert_close(
        one.objective - other.objective, 6 * one.divergences["content"].mean(1)
    )
    torch.testing.assert_close(one.elbo - other.elbo, 6 * one.divergences["content"])


def test_a_pose_that_is_taught_costs_its_distance_in_standard_errors():
    model, patches, copies, noise = patches_and_model(shear=True)
    turn = torch.zeros(2, 5, dtype=torch.long)
    free = model(patches, copies, noise, Side(turn=turn))
    said = model.encoder(copies[:, :, :1], torch.zeros(2, 5, 0)).parts["shear"][0].squeeze(2)
    error = torch.full((2, 5, 1), 0.01)
    target_assignment = Side(turn=turn, pose={"shear": (said + 0.02, error)})
    torch.testing.assert_close(
        model(patches, copies, noise, target_assignment).penalty - free.penalty,
        torch.full((2, 5), 2.0),
    )


def test_members_do_not_see_each_other():
    model, patches, copies, noise = patches_and_model()
    both = model(patches, copies, noise).elbo
    with torch.no_grad():
        model.encoder.network.first.weight[1].mul_(3.0)
    changed = model(patches, copies, noise).elbo
    torch.testing.assert_close(both[0], changed[0])
    assert not torch.allclose(both[1], changed[1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"variant": "rvea"}, "`models.variant` is not known"),
        ({"variant": "rvae", "latnt": 3}, "Did you mean `latent`"),
        ({"variant": "rvae", "latent": 0}, "out of range"),
        ({"variant": "jrvae", "classes": 1}, "a single class separates nothing"),
        ({"variant": "jrvae", "classes": 0}, "needs classes"),
        ({"variant": "rvae", "likelihood": "poison"}, "is not known"),
    ],
)
def test_impossible_settings_are_refused_in_words(given, said):
    with pytest.raises(UserError, match=said):
        ModelSettings.from_recipe(given)


def test_the_divergence_from_a_slanted_class_equals_that_of_torch():
    generator = torch.Generator().manual_seed(4)
    mean, log_sd, middle = (torch.randn(3, generator=generator).double() for _ in range(3))
    root = torch.randn(3, 3, generator=generator).double()
    covariance = root @ root.T + torch.eye(3)
    whitening = torch.linalg.inv(torch.linalg.cholesky(covariance))
    found = posterior.kl_to_full(mean, log_sd, middle, whitening)
    normal = torch.distributions.MultivariateNormal
    expected = torch.distributions.kl_divergence(
        normal(mean, torch.diag((2 * log_sd).exp())), normal(middle, covariance)
    )
    torch.testing.assert_close(found, expected)


def test_placed_classes_have_the_covariance_they_were_given():
    model, *_ = patches_and_model(variant="jrvae", classes=3)
    root = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(5))
    covariance = root @ root.transpose(-1, -2) + 0.1 * torch.eye(2)
    model.mixture.place(1, torch.ones(3) / 3, torch.zeros(3, 2), covariance)
    whitening = model.mixture.whitening()[1]
    back = torch.linalg.inv(whitening.transpose(-1, -2) @ whitening)
    torch.testing.assert_close(back, covariance, rtol=1e-3, atol=1e-4)
