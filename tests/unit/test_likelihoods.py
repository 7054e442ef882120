"""Likelihoods and the bound: densities that integrate to one, sums that are exact."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.errors import UserError
from vaescope.models import likelihoods
from vaescope.models.elbo import Weights
from vaescope.models.family import Family
from vaescope.models.likelihoods import LIKELIHOODS
from vaescope.models.settings import ModelSettings, at
from vaescope.models.side import Side


def log_density(kind, raw, values):
    """log p(value | raw) of single pixels (n,)."""
    seen = torch.as_tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1, 1)
    raw = torch.full_like(seen, raw)
    found = LIKELIHOODS[kind].log_density(raw, seen, torch.full((1, 1), -0.7).double())
    return found.reshape(-1)


@settings(max_examples=20, deadline=None)
@given(st.floats(-12, 12))
def test_the_continuous_bernoulli_integrates_to_one_and_has_the_stated_mean(logit):
    x = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    density = log_density("continuous-bernoulli", logit, x).exp()
    assert float(torch.trapezoid(density, x)) == pytest.approx(1.0, abs=1e-4)
    mean = LIKELIHOODS["continuous-bernoulli"].mean(torch.tensor(logit, dtype=torch.float64))
    assert float(mean) == pytest.approx(float(torch.trapezoid(x * density, x)), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3))
def test_gaussian_bernoulli_and_poisson_are_densities(raw):
    x = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    gaussian = log_density("gaussian", raw, x).exp()
    assert float(torch.trapezoid(gaussian, x)) == pytest.approx(1.0, abs=1e-6)
    assert float(log_density("bernoulli", raw, [0.0, 1.0]).exp().sum()) == pytest.approx(1.0)
    counts = torch.arange(60, dtype=torch.float64)
    poisson = log_density("poisson", raw, counts).exp()
    assert float(poisson.sum()) == pytest.approx(1.0, abs=1e-6)
    rate = float(LIKELIHOODS["poisson"].mean(torch.tensor(raw, dtype=torch.float64)))
    assert float((counts * poisson).sum()) == pytest.approx(rate, abs=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "bernoulli", "poisson"])
def test_a_decoder_starts_at_the_mean_it_was_given(kind):
    value = torch.tensor([0.1, 0.5, 0.9])
    own = LIKELIHOODS[kind]
    found = own.mean(own.start(value))
    torch.testing.assert_close(found, value, atol=2 * likelihoods.LOWEST_RATE, rtol=0)


@pytest.mark.parametrize(
    ("kind", "low", "high", "refused"),
    [
        ("bernoulli", 0.0, 1.0, False),
        ("bernoulli", 0.0, 2.0, True),
        ("continuous-bernoulli", -0.5, 1.0, True),
        ("poisson", 0.0, 90.0, False),
        ("poisson", -1.0, 9.0, True),
        ("gaussian", -9.0, 9.0, False),
    ],
)
def test_pictures_that_a_likelihood_cannot_make_are_refused(kind, low, high, refused):
    pictures = torch.linspace(low, high, 16).reshape(1, 1, 4, 4)
    if refused:
        with pytest.raises(UserError, match="do not suit the likelihood"):
            likelihoods.refuse_unlike(pictures, ModelSettings(likelihood=kind))
    else:
        likelihoods.refuse_unlike(pictures, ModelSettings(likelihood=kind))


def model_of(side=4, **changes):
    chosen = ModelSettings.from_recipe({"hidden": 8, "turns": 5, "offsets": False, **changes})
    model = Family(1, (1, side, side), chosen).double()
    patches = torch.rand(3, 1, side, side, generator=torch.Generator().manual_seed(1)).double()
    model.initialise([torch.Generator().manual_seed(2)], patches)
    with torch.no_grad():  # a decoder that depends on its latent
        for parameter in model.decoder.parameters():
            parameter.mul_(2.0)
    return model, patches


def test_the_bound_is_never_above_the_exact_likelihood():
    model, patches = model_of(variant="vae", latent=1)
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    eye = torch.eye(2, 3, dtype=torch.float64).expand(1, 1, len(z), 2, 3)
    raw = model.decode_rows(z.reshape(1, 1, -1, 1), eye, z.new_zeros(1, 1, 0)).flatten(-2)
    seen = patches[None, :, None].flatten(-2)
    log_p = model.likelihood.log_density(raw, seen, model.log_sigma)[0]
    log_prior = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    exact = torch.logsumexp(log_p + log_prior, -1) + math.log(float(z[1] - z[0]))
    # Gauss–Hermite nodes stand for the noise, so that the expectation under q is exact.
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = torch.as_tensor(weights / weights.sum())
    total = torch.zeros(3, dtype=torch.float64)
    copies = model.copies(patches)[None]
    for node, weight in zip(nodes, weights, strict=True):
        noise = torch.full((1, 3, 1, 1), node, dtype=torch.float64)
        total += weight * model(patches[None], copies, noise).elbo[0]
    assert (total <= exact + 1e-6).all()


def test_the_sum_over_turns_is_exact_for_the_best_posterior():
    model, patches = model_of(variant="rvae")
    copies = model.copies(patches)[None]
    told = copies.new_zeros(1, 3, 0)
    encoded = model.encoder(copies, told)
    turns = model.turns.expand(1, 3, 5)
    noise = copies.new_zeros(1, 3, 5, model.noise_size())
    each = model.each_turn(patches[None], encoded, turns, noise, Side(), Weights())
    score = each["reconstruction"] - each["kl_content"] - each["kl_angle"] - math.log(5)
    with torch.no_grad():  # the encoder is made to say the exact posterior
        exact = torch.log_softmax(score, -1)
        model.encoder.forward = lambda copies, told: type(encoded)(
            exact, encoded.content, encoded.parts
        )
        terms = model(patches[None], copies, noise)
    torch.testing.assert_close(terms.elbo, torch.logsumexp(score, -1))


def test_the_sum_over_classes_is_exact():
    model, patches = model_of(variant="jvae", classes=3)
    model.mixture.activate()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in (model.mixture.mean, model.mixture.logit, model.mixture.slant):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    copies = model.copies(patches)[None]
    encoded = model.encoder(copies, copies.new_zeros(1, 3, 0))
    terms = model(patches[None], copies, copies.new_zeros(1, 3, 1, model.noise_size()))
    divergence = model.mixture.divergences(encoded.content)[:, :, 0]
    log_prior = torch.log_softmax(model.mixture.logit, -1)[:, None]
    torch.testing.assert_close(
        terms.divergences["content"] + terms.divergences["class"],
        -torch.logsumexp(log_prior - divergence, -1),
    )


@pytest.mark.parametrize("decoder", ["canonical", "coordinate", "convolutional"])
def test_decoders_turn_what_they_draw(decoder):
    model, _ = model_of(side=16, variant="rvae", decoder=decoder)
    content = torch.randn(1, 1, 1, 2, generator=torch.Generator().manual_seed(5)).double()
    told = content.new_zeros(1, 1, 0)
    turns = torch.tensor([[[0.0, np.pi / 2]]]).double()
    poses = model.poses(turns, {})
    shown = model.decode_rows(content.expand(1, 1, 2, 2), poses, told)[0, 0, :, 0]
    torch.testing.assert_close(shown[1], torch.rot90(shown[0]), rtol=1e-4, atol=1e-4)


def test_capacities_are_reached_from_both_sides():
    weights = Weights(beta=4.0, capacity=2.0, beta_class=3.0, capacity_class=0.5)
    model, patches = model_of(variant="jvae", classes=3)
    model.mixture.activate()
    copies = model.copies(patches)[None]
    noise = copies.new_zeros(1, 3, 1, model.noise_size())
    terms = model(patches[None], copies, noise, weights=weights)
    expected = (
        terms.reconstruction.mean(1)
        - 4.0 * (terms.divergences["content"].mean(1) - 2.0).abs()
        - 3.0 * (terms.divergences["class"].mean(1) - 0.5).abs()
    )
    torch.testing.assert_close(terms.objective, expected)


def test_structures_shear_along_axes_of_their_own():
    model, _ = model_of(variant="rvae-fixed-centre", shear=True)
    lean, axis = 0.2, 0.3
    model.shear_axis.data[0] = 3.0 * torch.tensor([math.cos(2 * axis), math.sin(2 * axis)])
    turn = torch.zeros(1, 1, 1).double()
    found = model.poses(turn, {"shear": torch.full((1, 1, 1, 1), lean).double()})[0, 0, 0, :, :2]
    cos, sin = math.cos(axis), math.sin(axis)
    turned = np.array([[cos, -sin], [sin, cos]])
    tensor = turned @ np.array([[0, lean], [lean, 0]]) @ turned.T
    values, vectors = np.linalg.eigh(-tensor)
    expected = vectors @ np.diag(np.exp(values)) @ vectors.T
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-6)


def test_a_schedule_runs_straight_between_its_points():
    schedule = [[0.0, 10.0], [0.5, 0.0]]
    assert [at(schedule, t) for t in (0, 0.25, 0.5, 1)] == [10.0, 5.0, 0.0, 0.0]
    assert Weights.of(ModelSettings(beta=schedule), 0.25).beta == 5.0
    with pytest.raises(UserError, match="no schedule"):
        ModelSettings(beta=[[0.5, 1.0], [0.2, 2.0]])
    with pytest.raises(UserError, match="out of range"):
        ModelSettings(beta=[[0.0, -1.0]])
