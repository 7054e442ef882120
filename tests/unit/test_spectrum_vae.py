"""A VAE of spectra: shift, gain and background are separated from the shape, with honest errors."""

import numpy as np
import pytest
import torch
import xarray as xr

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.models import likelihoods
from vaescope.models.settings import ModelSettings
from vaescope.models.spectrum_decoder import shifted
from vaescope.models.views import VIEWS
from vaescope.samples.loading import load

STEP = 0.25  # eV per channel
WIDTH = 4.0  # channels, of the edge


def shape(channel: np.ndarray, white_line: float) -> np.ndarray:
    """An edge with a white line: (…, channel)."""
    edge = 0.5 * (1 + np.tanh((channel - 24) / WIDTH))
    return 0.3 + edge + white_line * np.exp(-0.5 * ((channel - 33) / 3) ** 2)


def samples(spectra: np.ndarray) -> xr.Dataset:
    """Spectra (site, channel) as in a store of samples."""
    count, channels = spectra.shape
    axis = {"units": "eV", "long_name": "energy loss"}
    return xr.Dataset(
        {
            "spectrum": (("site", "energy"), spectra.astype(np.float32)),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", np.arange(count) // 16 * 1.0),
            "x": ("site", np.arange(count) % 16 * 1.0),
        },
        {"site": np.arange(count), "energy": ("energy", 500 + STEP * np.arange(channels), axis)},
        {"method": "pixels", "lattice": False, "atoms": False, "placed": True},
    )


class Edges:
    """Edges shifted by about a tenth of their width, with gain and background of their own."""

    def __init__(self, seed: int, count: int = 240, counts: float = 3000.0) -> None:
        rng = np.random.default_rng(seed)
        self.shift = rng.normal(0, 0.1 * WIDTH, count)
        self.gain = np.exp(0.1 * rng.normal(size=count))
        self.background = 0.1 * rng.normal(size=count)
        self.white_line = rng.uniform(0.2, 1.0, count)
        channel = np.arange(64)
        places = channel - self.shift[:, None]
        pure = shape(places, self.white_line[:, None])
        mean = counts * (self.gain[:, None] * pure + 0.3 + self.background[:, None])
        self.counts = rng.poisson(mean)
        self.signal = self.counts / counts
        self.bound = self._bound(mean, counts)

    def _bound(self, mean: np.ndarray, counts: float) -> float:
        """Cramér–Rao bound (channels) of the shift with gain, background and white line unknown."""
        channel, small = np.arange(64), 1e-3
        bounds = []
        for k in range(0, len(mean), 12):
            at = channel - self.shift[k]
            line, gain = self.white_line[k], self.gain[k]
            derivatives = [
                gain * (shape(at - small, line) - shape(at + small, line)) / (2 * small),
                gain * shape(at, line),
                np.ones(64),
                gain * (shape(at, line + small) - shape(at, line - small)) / (2 * small),
            ]
            slopes = counts * np.stack(derivatives, 1)
            information = slopes.T @ (slopes / mean[k][:, None])
            bounds.append(np.linalg.inv(information)[0, 0])
        return float(np.sqrt(np.mean(bounds)))


def latents(data: xr.Dataset, folder, **settings) -> xr.Dataset:
    given = {"variant": "spectrum-vae", **settings}
    kept = folder / "members"
    train.fit(data, given, members=[0], seed=1, out=kept, checkpoints=folder / "checkpoints")
    return map_latents(kept, data, name="edges")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    edges = Edges(seed=5)
    return edges, latents(samples(edges.signal), tmp_path_factory.mktemp("gaussian"))


def deviation(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of values from the truth, but for a common zero, which no spectrum has."""
    apart = values - truth
    return apart - apart.mean()


def test_the_shift_of_an_edge_reaches_the_cramer_rao_bound(found):
    edges, maps = found
    apart = deviation(maps["consensus_shift"].values / STEP, edges.shift)
    # 240 sites know the bound to 5 %; mean spectrum and component are themselves estimates.
    assert apart.std() < 1.25 * edges.bound
    assert maps["consensus_shift"].attrs["units"] == "eV"


def test_two_thirds_of_the_shifts_lie_within_their_error(found):
    edges, maps = found
    apart = deviation(maps["consensus_shift"].values, edges.shift * STEP)
    inside = np.mean(np.abs(apart) < maps["shift_spread"].values)
    assert 0.56 < inside < 0.80  # 0.68, of 240 sites ± 0.09 (3 standard deviations)


def test_gain_background_and_shape_are_found(found):
    edges, maps = found
    for name, truth in (("gain", edges.gain), ("background", edges.background)):
        assert np.corrcoef(maps[f"consensus_{name}"], truth)[0, 1] > 0.9, name
    content = maps["consensus_content"].values
    assert max(abs(np.corrcoef(z, edges.white_line)[0, 1]) for z in content.T) > 0.97
    # The shape does not contain what the pose explains.
    assert max(abs(np.corrcoef(z, edges.shift)[0, 1]) for z in content.T) < 0.25


def test_what_is_drawn_of_a_spectrum_lies_on_its_axis(found):
    _, maps = found
    assert maps["reconstruction"].dims == ("site", "signal", "line", "energy")
    assert maps["energy"].attrs["units"] == "eV"
    assert maps["decoded_grid"].dims[-1] == "energy"


def test_sharp_lines_are_found_many_widths_away(tmp_path):
    rng = np.random.default_rng(3)
    shift, channel = rng.normal(0, 6.0, 150), np.arange(80)
    height = rng.uniform(0.2, 0.6, 150)
    place = channel - 40 - shift[:, None]
    lines = np.exp(-0.5 * (place / 1.5) ** 2) + height[:, None] * np.exp(
        -0.5 * ((place - 9) / 1.5) ** 2
    )
    counts = rng.poisson(400 * (lines + 0.2))
    maps = latents(samples(counts), tmp_path, likelihood="poisson", shift_sd=6.0, steps=500)
    apart = deviation(maps["consensus_shift"].values / STEP, shift)
    apart = apart - np.median(apart)  # one line may leave the window
    # A line of that width and 1500 counts is known to 1.5 / sqrt(1500) = 0.04 channels.
    assert np.median(np.abs(apart)) < 0.06
    assert np.mean(np.abs(apart) < 1) > 0.97


def test_counts_scaled_by_the_detector_have_the_errors_of_counts(tmp_path):
    edges = Edges(seed=6, count=160, counts=60.0)
    detector = 25.0  # signal per count
    signal = detector * edges.counts
    maps = latents(
        samples(signal),
        tmp_path,
        likelihood="poisson",
        detector_gain=detector,
        steps=800,
    )
    apart = deviation(maps["consensus_shift"].values / STEP, edges.shift)
    error = maps["shift_spread"].values / STEP
    assert 0.7 < np.mean(error**2) ** 0.5 / edges.bound < 1.3
    assert 0.54 < np.mean(np.abs(apart) < error) < 0.82


def test_a_shifted_spline_is_the_shifted_function():
    channel = torch.arange(40, dtype=torch.double)
    from scipy.ndimage import spline_filter1d

    bump = torch.exp(-0.5 * ((channel - 20) / 2.5) ** 2)
    coefficients = torch.from_numpy(spline_filter1d(bump.numpy(), order=3, mode="mirror"))
    for shift in (-2.3, 0.0, 0.37, 4.0):
        seen = shifted(coefficients[None], torch.tensor(shift, dtype=torch.double), 5, 30)
        expected = torch.exp(-0.5 * ((channel[:30] + 5 - shift - 20) / 2.5) ** 2)
        assert (seen[0] - expected).abs().max() < 2e-3


def test_shifts_and_coefficients_have_exact_gradients():
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(2, 1, 16, dtype=torch.double, generator=generator)
    shift = torch.tensor([0.3, -1.6], dtype=torch.double)
    given = (coefficients.requires_grad_(), shift.requires_grad_())
    assert torch.autograd.gradcheck(lambda c, d: shifted(c, d, 3, 10), given)


def test_the_density_of_scaled_counts_is_that_of_the_counts():
    settings = ModelSettings(view="spectrum", likelihood="poisson", detector_gain=4.0)
    scaled, plain = likelihoods.of(settings), likelihoods.LIKELIHOODS["poisson"]
    counts, rate = torch.tensor([[[3.0, 0.0, 7.0]]]), torch.tensor([[[2.0, 0.5, 9.0]]])
    none = torch.zeros(1, 1)
    one = scaled.log_density(scaled.output(4 * rate), 4 * counts, none, None)
    other = plain.log_density(plain.output(rate), counts, none, None)
    assert float(one) == pytest.approx(float(other) - 3 * np.log(4.0), abs=1e-3)


def test_channels_that_were_not_measured_are_masked():
    values = np.ones((3, 5))
    values[0, 2] = np.nan
    spectra, measured = load(samples(values), VIEWS["spectrum"])
    assert measured is not None
    assert not measured[0, 0, 2] and measured.sum() == 14
    assert spectra[0, 0, 0, 2] == 1.0


def test_sites_without_spectra_are_refused_with_the_remedy():
    with pytest.raises(UserError, match="no spectrum"):
        load(samples(np.ones((3, 5))).drop_vars("spectrum"), VIEWS["spectrum"])


@pytest.mark.parametrize("decoder", ["canonical", "convolutional", "basis"])
def test_every_decoder_of_spectra_trains_and_is_mapped(decoder, tmp_path):
    data = samples(Edges(seed=1, count=40).signal)
    encoder = "convolutional" if decoder == "convolutional" else "dense"
    maps = latents(data, tmp_path, decoder=decoder, encoder=encoder, steps=40, hidden=16)
    assert np.isfinite(maps["consensus_shift"]).all()
    assert np.isfinite(maps["reconstruction"]).all()


def test_classes_of_spectra_are_found(tmp_path):
    edges = Edges(seed=2, count=160)
    kind = np.arange(160) % 2
    line = np.exp(-0.5 * ((np.arange(64) - 48) / 3) ** 2)
    data = samples(edges.signal + kind[:, None] * line)
    maps = latents(data, tmp_path, variant="jvae", view="spectrum", classes=2, steps=400, hidden=64)
    found = maps["consensus_class"].values
    assert max(np.mean(found == kind), np.mean(found != kind)) > 0.95
