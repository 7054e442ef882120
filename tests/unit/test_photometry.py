"""The photometric pose of patches, and noise that depends on the signal."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from vaescope import ensemble, train
from vaescope.errors import UserError
from vaescope.models import pose
from vaescope.models.copies import turned_copies
from vaescope.models.photometry import Photometry
from vaescope.models.pixel_noise import PixelNoise, SignalNoise
from vaescope.models.settings import ModelSettings

SIDE = 9
WHERE = pose.disc(SIDE).flatten().nonzero().squeeze(1)


def photometry(noise="constant", members=2, channels=2, **parts):
    chosen = ModelSettings.from_recipe({"variant": "rvae", "noise": noise, **parts})
    return Photometry(members, (channels, SIDE, SIDE), WHERE, chosen)


def batch(own, turns=3):
    shape = len(own.log_sd), 2, turns, own.log_sd.shape[1], len(WHERE)
    shown = torch.randn(shape, requires_grad=True)
    patch = torch.randn(*shape[:2], 1, *shape[3:])
    return shown, patch, 0.2 * torch.randn(shape[0], shape[3]) - 1


def by_hand(own, shown, patch, log_sigma, known, relative=None):
    """log p of every row as a normal density of all its pixels."""
    out = torch.zeros(shown.shape[:3], dtype=torch.double)
    for m, i, j in np.ndindex(*out.shape):
        seen = torch.ones(len(WHERE), dtype=bool) if known is None else known[m, i, 0, 0] > 0
        for c in range(shown.shape[3]):
            picture = shown[m, i, j, c]
            columns = [picture[:, None]] if own.gain else []
            design = torch.cat([*columns, own.plane], 1)[seen].double()
            variance = torch.exp(2 * log_sigma[m, c].double()).expand(int(seen.sum()))
            if relative is not None:
                variance = variance * relative[m, i, j, c, seen].double()
            wide = torch.diag(own.prior_sd()[m, c] ** 2)
            covariance = torch.diag(variance) + design @ wide @ design.T
            density = MultivariateNormal(picture[seen].double(), covariance)
            out[m, i, j] += density.log_prob(patch[m, i, 0, c, seen].double())
    return out


@given(
    gain=st.booleans(), background=st.booleans(), slope=st.booleans(), gaps=st.booleans(),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_the_bound_integrates_gain_and_background_out(gain, background, slope, gaps, seed):
    torch.manual_seed(seed)
    if not (gain or background or slope):
        gain = True
    own = photometry(gain=gain, background=background, slope=slope)
    with torch.no_grad():
        own.log_sd.copy_(0.3 * torch.randn_like(own.log_sd) - 1)
    shown, patch, log_sigma = batch(own)
    known = (torch.rand(2, 2, 1, 1, len(WHERE)) > 0.4).float() if gaps else None
    found, moments = own.log_density(shown, patch, log_sigma, known)
    expected = by_hand(own, shown, patch, log_sigma, known)
    assert moments is None
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=5e-3)
    slopes = torch.autograd.grad(found.sum(), shown, retain_graph=True)[0]
    by_rows = torch.autograd.grad(expected.sum(), shown)[0]
    torch.testing.assert_close(slopes, by_rows, rtol=1e-3, atol=1e-3)


def test_pixels_that_were_not_measured_may_hold_anything():
    torch.manual_seed(0)
    own = photometry("signal", gain=True, background=True, slope=True)
    own.noise.rise.fill_(0.4)
    shown, patch, log_sigma = batch(own)
    known = (torch.rand(2, 2, 1, 1, len(WHERE)) > 0.4).float()
    spoilt = torch.where(known > 0, patch, 1e3)
    for one, other in zip(
        own.log_density(shown, patch, log_sigma, known),
        own.log_density(shown, spoilt, log_sigma, known),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_gain_and_background_of_a_patch_are_found_with_their_errors():
    torch.manual_seed(1)
    own = photometry(members=1, channels=1, gain=True, background=True, slope=True)
    with torch.no_grad():
        own.log_sd.fill_(0.0)
    picture = torch.rand(len(WHERE))
    true = torch.tensor([0.3, -0.2, 0.1, 0.05])
    sigma = 0.1
    design = torch.cat([picture[:, None], own.plane], 1)
    clean = picture + design @ true
    shown = picture.expand(1, 400, 1, 1, -1)
    patch = (clean + sigma * torch.randn(400, len(WHERE)))[None, :, None, None]
    found = own.fit(shown, patch, torch.full((1, 1), np.log(sigma)), None)
    pulls = (found.mean - true).detach() / found.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert float(pulls.detach().square().mean().sqrt()) == pytest.approx(1, abs=0.12)


def test_what_the_encoder_sees_has_no_gain_and_no_background():
    parts = {"gain": True, "background": True, "slope": True}
    chosen = ModelSettings.from_recipe({"variant": "rvae", "turns": 4, **parts})
    turned = turned_copies((2, 12, 12), chosen)
    patch = torch.rand(5, 2, 12, 12)
    x, y, _ = pose.points((12, 12)).reshape(3, 12, 12)
    other = 2.5 * patch + 0.7 + 0.3 * x - 0.2 * y
    torch.testing.assert_close(turned(patch), turned(other), rtol=1e-3, atol=1e-3)


def test_the_noise_is_the_line_through_squared_residuals():
    random = np.random.default_rng(0)
    mean = random.uniform(0.0, 1.0, (60, 1, 20, 20))
    patch = mean + random.normal(0, np.sqrt(0.001 + 0.004 * mean))
    own = SignalNoise(1, 1)
    own.initialise(torch.from_numpy(patch).float())
    rows = [torch.from_numpy(x).float().flatten(2)[None, :, None] for x in (mean, patch)]
    for _ in range(20):
        variance = own.learn(own.moments_of(*rows, None).mean((1, 2)))
    level = float(own.level)
    assert float(variance) == pytest.approx(0.001 + 0.004 * level, rel=0.03)
    assert float(own.rise * variance) == pytest.approx(0.004, rel=0.05)
    known = PixelNoise(np.sqrt(variance[0].numpy()), own.rise[0].numpy(), own.level[0].numpy())
    residual = (patch - mean) / known.sd(mean)
    assert np.mean(residual[mean < 0.3] ** 2) == pytest.approx(1, abs=0.05)
    assert np.mean(residual[mean > 0.7] ** 2) == pytest.approx(1, abs=0.05)


def test_the_noise_of_several_members_has_their_mean_variance():
    random = np.random.default_rng(1)
    members = [PixelNoise(*random.uniform(0.1, 0.5, (3, 2))) for _ in range(4)]
    mean = random.uniform(0.3, 0.9, (5, 2, 3, 3))
    each = np.mean([member.sd(mean) ** 2 for member in members], 0)
    np.testing.assert_allclose(PixelNoise.of_all(members).sd(mean) ** 2, each, rtol=1e-6)


def film(count=160, seed=0):
    """Patches of two structures whose gain and background vary from site to site."""
    random = np.random.default_rng(seed)
    y, x = (np.indices((16, 16)) - 7.5) / 8
    kind = np.arange(count) % 2
    gain, level = random.uniform(0.5, 1.5, count), random.uniform(0.0, 0.5, count)
    angle = random.uniform(-np.pi, np.pi, count)
    along = 0.5 * np.cos(angle), -0.5 * np.sin(angle)  # y points down

    def spot(dx, dy, strength):
        squares = (x - dx[:, None, None]) ** 2 + (y - dy[:, None, None]) ** 2
        return strength[:, None, None] * np.exp(-squares / 0.08)

    zero = np.zeros(count)
    clean = spot(zero, zero, np.ones(count)) + spot(*along, np.where(kind == 0, 0.5, 0.9))
    patch = gain[:, None, None] * clean + level[:, None, None]
    variance = 4e-4 + 2e-3 * patch
    patch = patch + random.normal(0, np.sqrt(variance))
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), patch[:, None].astype(np.float32)),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", random.uniform(0, 100, count)),
            "x": ("site", random.uniform(0, 100, count)),
            "truth_kind": ("site", kind),
            "truth_gain": ("site", gain),
            "truth_level": ("site", level),
        },
        coords={"site": np.arange(count)},
        attrs={"pitch": 1.0},
    )


@pytest.mark.slow
def test_brightness_is_mapped_and_content_says_structure_only(tmp_path):
    patches = film()
    chosen = {"variant": "rvae", "gain": True, "background": True, "noise": "signal", "steps": 350}
    train.fit(
        patches, chosen, members=range(2), seed=0,
        out=tmp_path / "members", checkpoints=tmp_path / "checkpoints", log=lambda _: None,
    )  # fmt: skip
    maps = ensemble.map_latents(tmp_path / "members", patches, name="rvae").load()
    kind, gain = patches["truth_kind"].values, patches["truth_gain"].values
    content = maps["consensus_content"].values
    for latent in content.T:
        assert abs(np.corrcoef(latent, patches["patch"].mean(("channel", "py", "px")))[0, 1]) < 0.25
    # Brightness is not lost: it has maps of its own, with errors.
    assert np.corrcoef(maps["consensus_gain"], gain * (1 + 0.2 * kind))[0, 1] > 0.98
    mean = patches["patch"].values[:, 0][:, pose.disc(16).numpy() > 0].mean(1)
    error = maps["consensus_background"].values - mean
    assert np.std(error) < 0.02
    assert maps["background_spread"].median() < 0.02
    assert maps["consensus_gain"].attrs["units"] == "1"
    # Bright and dark sites are explained alike.
    residual = maps["residual"].values
    assert abs(np.corrcoef(residual, gain)[0, 1]) < 0.3


@pytest.mark.parametrize(
    "wrong",
    [{"likelihood": "bernoulli"}, {"target": "clean"}, {"spectrum": "joint", "variant": "dualvae"}],
)
def test_what_does_not_determine_the_brightness_is_refused(wrong):
    with pytest.raises(UserError, match="read from the patch itself"):
        ModelSettings.from_recipe({"variant": "rvae", "gain": True, **wrong})


def test_noise_that_follows_the_signal_needs_gaussian_pictures():
    with pytest.raises(UserError, match="noise: constant"):
        ModelSettings.from_recipe({"variant": "rvae", "noise": "signal", "likelihood": "poisson"})
