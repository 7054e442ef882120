"""Classical methods on spectra: end members and shares of mixtures with known truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from scipy.stats import norm

from vaescope import baselines
from vaescope.baselines import fit, mixture, posterior, rows, seen, subspace, unmixing
from vaescope.baselines.dirichlet import log_mass
from vaescope.baselines.settings import BaselineSettings

METHODS = ["pca", "nmf", "unmixing", "kmeans", "gmm"]


def peaks(count: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Spectra (component, channel) of a few peaks on a constant, with a mean of about 1."""
    axis = np.linspace(0, 1, channels)
    made = np.full((count, channels), 0.1)
    for spectrum in made:
        for _ in range(3):
            centre, width = rng.uniform(0.05, 0.95), rng.uniform(0.02, 0.05)
            spectrum += np.exp(-0.5 * ((axis - centre) / width) ** 2)
        spectrum /= spectrum.mean()
    return made * rng.uniform(0.8, 1.2, (count, 1))


def mixtures(
    seed: int, count: int = 3, dose: float = 50, sites: int = 900, purest: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poisson counts (site, channel), true shares (site, component) and spectra."""
    rng = np.random.default_rng(seed)
    spectra = dose * peaks(count, 120, rng)
    shares = rng.dirichlet(np.ones(count), sites)
    while (mixed := shares.max(1) > purest).any():
        shares[mixed] = rng.dirichlet(np.ones(count), mixed.sum())
    return rng.poisson(shares @ spectra).astype(np.float32), shares, spectra


def samples_of(counts: np.ndarray, *, raw: bool = True) -> xr.Dataset:
    """A Dataset in the form of a samples store of spectra, which are normalised together."""
    side = int(np.ceil(np.sqrt(len(counts))))
    y, x = np.divmod(np.arange(len(counts)), side)
    scale = float(np.percentile(counts, 99.9))
    return xr.Dataset(
        {
            "spectrum": (("site", "energy"), counts / np.float32(scale)),
            "spectrum_scale": ("site", np.full(len(counts), scale), {"units": "counts"}),
            "frame": ("site", np.zeros(len(counts), int)),
            "y": ("site", 1.0 * y),
            "x": ("site", 1.0 * x),
        },
        coords={
            "site": np.arange(len(counts)),
            "energy": ("energy", 100 + 0.5 * np.arange(counts.shape[1]), {"units": "eV"}),
        },
        attrs={"spectra_counts": int(raw)},
    )


def error_of(found: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Root mean square error of shares after the best naming of components, and that naming."""
    squared = ((found[:, :, None] - truth[:, None]) ** 2).mean(0)
    row, column = linear_sum_assignment(squared)
    return float(np.sqrt(squared[row, column].mean())), column


def nearest_shares(counts: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    return unmixing.abundances(counts.astype(float), spectra.astype(float))


@pytest.mark.parametrize("concentration", [0.1, 0.7, 1.0, 3.0])
def test_integrals_over_a_share_are_those_by_quadrature(concentration):
    t = np.array([-30.0, -5.0, -0.3, 0.0, 2.0, 12.0, 60.0])
    u = np.geomspace(1e-12, 90, 400_001)  # evenly in log u, by which u^a φ(u − t) is integrated
    each = concentration * np.log(u) + norm.logpdf(u - t[:, None]) + np.log(np.log(u[1] / u[0]))
    # What lies below the first u is an integral of u^(a−1) alone.
    first = concentration * np.log(u[0]) - np.log(concentration) + norm.logpdf(t)
    wanted = np.logaddexp(logsumexp(each, axis=1), first)
    found = log_mass(np.array([concentration]), t[:, None])[:, 0]
    # Expansions beyond the table leave out terms of the order 1/t².
    np.testing.assert_allclose(found, wanted, atol=0.05)
    step = 1e-3
    up, down = (log_mass(np.array([concentration]), t[:, None] + s) for s in (step, -step))
    slope = log_mass(np.array([concentration]), t[:, None], by_t=1)
    np.testing.assert_allclose((up - down) / (2 * step), slope, rtol=0.02, atol=2e-3)


def test_posterior_of_two_shares_is_that_by_quadrature():
    corners, noise = np.array([[0.0], [1.0]]), np.full((5, 1, 1), 0.2**2)
    points = np.array([[-0.3], [0.05], [0.5], [0.8], [1.4]])
    concentration = np.array([0.6, 2.0])
    found = posterior.shares(points, noise, corners, concentration)
    share = (np.arange(40_000) + 0.5) / 40_000  # of the second corner
    prior = (1 - share) ** (concentration[0] - 1) * share ** (concentration[1] - 1)
    density = prior * norm.pdf(points, share[None], 0.2)
    mean = (density * share).sum(1) / density.sum(1)
    spread = np.sqrt((density * share**2).sum(1) / density.sum(1) - mean**2)
    evidence = np.log(density.sum(1) / prior.sum())
    np.testing.assert_allclose(found.mean[:, 1], mean, atol=0.02)
    np.testing.assert_allclose(np.sqrt(found.covariance[:, 1, 1]), spread, rtol=0.15)
    np.testing.assert_allclose(found.evidence, evidence, atol=0.1)
    np.testing.assert_allclose(found.mean.sum(1), 1)


@pytest.mark.parametrize(("seed", "count", "purest"), [(0, 3, 1.0), (2, 4, 0.8)])
def test_shares_are_nearly_as_good_as_with_the_true_spectra(seed, count, purest):
    counts, shares, spectra = mixtures(seed, count, purest=purest)
    found = mixture.unmix(lambda some: counts[some], *counts.shape, count, counts=True)
    error, names = error_of(found.shares, shares)
    best = error_of(nearest_shares(counts, spectra), shares)[0]
    assert not found.free
    assert error < 1.4 * best  # of maximum likelihood with the spectra known
    inside = np.abs(found.shares - shares[:, names]) < found.errors
    assert 0.5 < inside.mean() < 0.8  # shares near 0 have no normal errors
    relative = np.linalg.norm(found.spectra - spectra[names], axis=1)
    assert (relative < 0.12 * np.linalg.norm(spectra[names], axis=1)).all()


def test_spectra_that_differ_in_strength_have_free_amounts():
    counts, shares, spectra = mixtures(3, purest=0.9)
    strength = np.random.default_rng(3).uniform(0.5, 1.5, len(shares))
    counts = np.random.default_rng(4).poisson(strength[:, None] * (shares @ spectra))
    found = mixture.unmix(lambda some: counts[some], *counts.shape, 3, counts=True)
    assert found.free
    total = spectra.sum(1)
    of_signal = shares * total / (shares @ total)[:, None]
    assert error_of(found.shares, of_signal)[0] < 0.03
    np.testing.assert_allclose(found.amount, strength * (shares @ total), rtol=0.1)


def test_end_members_of_other_methods_are_sites_that_are_nearly_pure():
    counts, shares, _ = mixtures(5)
    for method in ("n-findr", "vca"):
        found = mixture.unmix(
            lambda some: counts[some], *counts.shape, 3, counts=True, method=method
        )
        assert error_of(found.shares, shares)[0] < 0.1


def test_vertex_components_are_the_pure_points():
    rng = np.random.default_rng(0)
    shares = np.concatenate([np.eye(4), rng.dirichlet(np.ones(4), 300)])
    points = shares @ rng.uniform(0.5, 1.5, (4, 30))
    scores = points @ np.linalg.svd(points)[2][:4].T
    assert sorted(unmixing.vca(scores, seed=1)) == [0, 1, 2, 3]


@pytest.mark.parametrize("raw", [True, False])
def test_the_number_of_components_is_that_of_the_mixture(raw):
    for seed, count in ((0, 2), (1, 3), (2, 5)):
        counts, _, _ = mixtures(seed, count, sites=600)
        if not raw:
            rng = np.random.default_rng(seed)
            counts = counts * 0 + mixtures(seed, count, sites=600)[1] @ mixtures(seed, count)[2]
            counts = (counts + rng.normal(0, 5, counts.shape)).astype(np.float32)
        asked = BaselineSettings.of({"components": "auto"})
        looked, why = seen.look(
            samples_of(counts, raw=raw), asked, disc=False, clusters=3, seed=0, most=4000
        )
        assert looked.components == count and str(count) in why
        assert looked.counts == raw


@settings(max_examples=20, deadline=None)
@given(sites=st.integers(30, 90), channels=st.integers(5, 700), block=st.integers(7, 100))
def test_directions_in_blocks_are_those_of_the_whole(sites, channels, block):
    rng = np.random.default_rng(sites + channels)
    values = rng.normal(size=(sites, 3)) @ (5 * rng.normal(size=(3, channels)))
    values = (values + 0.01 * rng.normal(size=values.shape)).astype(np.float32)
    old, rows.BLOCK = rows.BLOCK, block
    try:
        mean = subspace.mean_of(lambda some: values[some], sites)
        ones = np.ones(channels, np.float32)
        found = subspace.directions(lambda some: values[some], sites, ones, mean, 3, 0)
    finally:
        rows.BLOCK = old
    wanted = np.linalg.svd(values - values.mean(0), full_matrices=False)[2][:3]
    np.testing.assert_allclose(np.abs((found.vectors * wanted).sum(1)), 1, atol=1e-3)


def test_methods_see_spectra_and_what_they_draw_has_their_axis(monkeypatch):
    monkeypatch.setattr(fit, "REFITS", 1)
    counts, shares, _ = mixtures(7)
    found, _ = baselines.run(
        samples_of(counts), {"methods": METHODS, "components": 3, "clusters": 3}
    )
    assert found.attrs["view"] == "spectrum" and not found["failed"].any(), found["note"].values
    assert found["spectra"].dims == ("baseline", "picture", "energy")
    assert found["spectra"].attrs["units"] == "counts"
    assert found["energy"].attrs["units"] == "eV" and float(found["energy"][1]) == 100.5
    amounts = found["embedding"].sel(baseline="nmf").values
    assert (amounts >= 0).all()
    assert error_of(found["embedding"].sel(baseline="unmixing").values, shares)[0] < 0.03
    for name in ("nmf", "unmixing"):  # a mixture leaves noise alone
        assert float(found["residual"].sel(baseline=name).mean()) == pytest.approx(1, abs=0.05)
    assert float(found["explained"].sel(baseline="pca")) > 0.5


def test_spectra_that_are_read_in_blocks_give_the_same(monkeypatch):
    counts, _, _ = mixtures(8, sites=450)
    samples = samples_of(counts)
    asked = {"methods": METHODS, "components": 3, "clusters": 3}
    monkeypatch.setattr(fit, "_stability", lambda *_: np.nan)
    whole, _ = baselines.run(samples, asked)
    monkeypatch.setattr(seen, "HELD", 1)
    monkeypatch.setattr(rows, "BLOCK", 200)
    parts, _ = baselines.run(samples.chunk(site=150), asked)
    for name in ("unmixing", "nmf", "kmeans"):
        agree = whole["label"].sel(baseline=name) == parts["label"].sel(baseline=name)
        assert float(agree.mean()) > 0.97, name
    assert not parts["failed"].any()


def test_counts_that_were_averaged_over_blocks_are_recognised_and_others_are_not():
    counts = np.random.default_rng(0).poisson(30, (50, 40)).astype(np.float32)
    for side in (1, 2, 3):
        samples = samples_of(counts / np.float32(side**2))
        asked = BaselineSettings()
        looked, _ = seen.look(samples, asked, disc=False, clusters=2, seed=0, most=4000)
        assert looked.counts
        np.testing.assert_allclose(np.asarray(looked.values), counts, rtol=1e-5)
    rng = np.random.default_rng(1)
    noisy = samples_of(counts + rng.normal(0, 0.3, counts.shape).astype(np.float32))
    looked, _ = seen.look(noisy, asked, disc=False, clusters=2, seed=0, most=4000)
    assert not looked.counts


def test_channels_that_were_not_measured_are_left_out():
    counts, _, _ = mixtures(9)
    samples = samples_of(counts)
    samples["spectrum"][:, :10] = np.nan
    found, _ = baselines.run(samples, {"methods": ["nmf", "kmeans"], "components": 3})
    assert not found["failed"].any(), found["note"].values
    drawn = found["spectra"].sel(baseline="nmf").values[:3]
    assert np.isnan(drawn[:, :10]).all() and np.isfinite(drawn[:, 10:]).all()


def test_a_view_that_is_not_there_is_named():
    counts, _, _ = mixtures(0)
    found, _ = baselines.run(samples_of(counts), {"view": "patch", "methods": ["pca"]})
    assert bool(found["failed"].all()) and "patch" in str(found["note"].values[0])
