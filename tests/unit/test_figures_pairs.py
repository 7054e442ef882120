"""Figures of models that predict one view of a sample from another: what they draw is known."""

from __future__ import annotations

import numpy as np
import pair_results
import pytest
import spectral_results
import xarray as xr
from pair_results import COUNT
from spectral_results import numbers, table

from vaescope.figures import (
    Look,
    dark_field,
    decoded_pairs,
    house,
    kinds,
    latent,
    latent_error,
    load,
    patch_predictions,
    prediction_summary,
    windows,
)
from vaescope.results import Results


@pytest.fixture(scope="module")
def particles(tmp_path_factory):
    """Discs and squares whose peak follows their size, and what is predicted of them."""
    root = pair_results.make(tmp_path_factory.mktemp("pairs") / "particles")
    with house():
        yield load(Results(root), ["dualvae"], Look(), "version")


@pytest.fixture(scope="module")
def disc(tmp_path_factory):
    """A disc with a peak at 15 eV in a matrix with one at 8 eV, and its spectra predicted."""
    yield from spectral_results.scene(tmp_path_factory.mktemp("results") / "disc")


def spectra(values: np.ndarray, energy: np.ndarray) -> xr.DataArray:
    about = {"long_name": "energy loss", "units": "eV"}
    return xr.DataArray(
        values, dims=("site", "energy"), coords={"energy": ("energy", energy, about)}
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("downwards", [False, True])
def test_windows_lie_where_spectra_differ_the_weak_line_among_them(seed, downwards):
    rng = np.random.default_rng(seed)
    energy = np.linspace(350, 860, 512)[:: -1 if downwards else 1]
    thick = rng.uniform(0.8, 1.2, 400)
    strong, weak = rng.random((2, 400))

    def line(at: float) -> np.ndarray:
        return np.exp(-0.5 * ((energy - at) / 4) ** 2)

    expected = 2000 * (energy / 350) ** -3 * thick[:, None]
    expected = expected + 800 * np.outer(strong, line(455)) + 150 * np.outer(weak, line(840))
    found = windows.choose(spectra(rng.poisson(expected).astype(float), energy))
    assert len(found) == 3
    middles = [energy[w.start : w.stop].mean() for w in found]
    for place in (455, 840):
        assert min(abs(middle - place) for middle in middles) < 4
    image = found[int(np.argmin(np.abs(np.array(middles) - 840)))]
    values = image.of(spectra(expected, energy))
    assert np.corrcoef(values, weak)[0, 1] > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_spectra_that_differ_by_noise_alone_have_no_window(seed):
    rng = np.random.default_rng(seed)
    energy = np.linspace(0, 1, 200)
    expected = 50 + 500 * np.exp(-0.5 * ((energy - 0.5) / 0.02) ** 2)
    values = rng.poisson(np.tile(expected, (300, 1))).astype(float)
    assert windows.choose(spectra(values, energy)) == []
    values[:, :20] = np.nan  # channels that were not measured
    values[7] = np.nan
    assert windows.choose(spectra(values, energy)) == []
    values[:150, 100:110] += 200
    (found,) = windows.choose(spectra(values, energy))
    assert found.start >= 98 and found.stop <= 112


def test_peaks_are_placed_between_channels_and_edges_of_the_axis_are_none():
    energy = np.linspace(0, 10, 101)
    at = np.array([2.03, 5.0, 7.777])
    shape = np.exp(-0.5 * ((energy - at[:, None]) / 0.5) ** 2)
    np.testing.assert_allclose(windows.peaks(shape, energy), at, atol=0.01)
    falling = np.exp(-energy)[None] + 1e-3 * np.random.default_rng(0).normal(size=(20, 101))
    place = windows.peaks(falling, energy)
    assert not windows.has_peaks(place, energy)
    loop = np.concatenate([np.linspace(-1, 1, 50), np.linspace(1, -1, 50)])
    assert not windows.has_peaks(np.ones(10), loop)


def test_the_image_in_a_window_is_measured_beside_predicted_with_the_held_out_part(disc):
    drawn = dark_field.predicted(disc, disc.views[0])
    columns = numbers(drawn)
    measured = [name for name in columns if name.endswith("_measured")]
    assert measured
    place = np.argsort(disc.patches["site"].values)
    inside = disc.image.ravel() > 0.5
    for name in measured:
        said = columns[name.replace("_measured", "_predicted")]
        assert abs(np.corrcoef(columns[name], inside[place])[0, 1]) > 0.9
        assert np.corrcoef(columns[name], said)[0, 1] > 0.9
    assert "outlined: held out" in drawn.caption
    assert dark_field.measured(disc) is not None


def test_places_of_the_plane_have_a_spectrum_beneath_their_patch(particles, disc):
    view = particles.views[0]
    drawn = decoded_pairs.manifold(particles, view)
    columns = numbers(drawn)
    held = view.latents["decoded_grid_spectrum"]
    one = held.isel(grid_row=2, grid_column=5)
    rows = np.isclose(columns["latent_1"], float(one["grid_column"])) & np.isclose(
        columns["latent_2"], float(one["grid_row"])
    )
    np.testing.assert_allclose(columns["spectrum"][rows], one.values, rtol=1e-5)
    assert "decodes together" in drawn.caption
    assert latent.decoded_grid(particles, view) is None  # it would be the same again
    # A model that decodes spectra alone has the patch of the nearest site above each.
    from_patches = decoded_pairs.manifold(disc, disc.views[0])
    assert (
        from_patches is None
        if "patch" not in disc.patches
        else ("patch of the site that lies nearest" in from_patches.caption)
    )


def test_predicted_patches_are_shown_from_the_best_to_the_worst(particles):
    drawn = patch_predictions.predicted_patches(particles, particles.views[0])
    columns = numbers(drawn)
    np.testing.assert_array_equal(columns["site"], np.arange(0, COUNT, 3))
    np.testing.assert_allclose(
        columns["root_mean_square_error"], 0.001 * np.arange(0, COUNT, 3), atol=1e-6
    )
    assert "no training has seen" in drawn.caption


def test_the_summary_finds_the_constant_error_of_the_peaks(particles):
    drawn = prediction_summary.summary(particles, particles.views[0])
    columns = numbers(drawn)
    apart = columns["predicted_peak_position_eV"] - columns["measured_peak_position_eV"]
    assert abs(np.nanmedian(apart) - 0.1) < 0.02
    truth = columns["true_radius_from_the_latents"]
    said = columns["predicted_radius_from_the_latents"]
    held = columns["held_out"] == 1
    assert np.isnan(said[~held]).all()
    assert np.corrcoef(truth[held], said[held])[0, 1] > 0.99
    area = columns["measured_diameter_of_equal_area_nm"]
    np.testing.assert_allclose(columns["predicted_diameter_of_equal_area_nm"], area)
    assert np.corrcoef(area, truth)[0, 1] > 0.9


def test_kinds_are_counted_where_no_training_has_been(particles):
    drawn = kinds.kinds(particles, particles.views[0])
    columns = table(drawn)
    latents = columns["from"] == "the latents"
    assert list(columns["true_kind"][latents]) == ["round", "square"]
    right = [columns["found_round"][latents][0], columns["found_square"][latents][1]]
    assert [float(k) for k in right] == [15, 15]  # of 30 held out, and 2 kinds in turns


def test_errors_over_the_latent_plane_are_those_of_the_predictions(particles):
    drawn = latent_error.latent_error(particles, particles.views[0])
    columns = numbers(drawn)
    np.testing.assert_allclose(columns["patch_error"], 0.001 * np.arange(COUNT), atol=1e-6)
    measured = particles.patches["spectrum"].values
    said = particles.views[0].values("predicted_spectrum")
    np.testing.assert_allclose(
        columns["spectrum_error"], np.sqrt(((measured - said) ** 2).mean(1)), rtol=1e-4
    )
    assert {"peak_position_eV", "latent_2"} <= set(columns)
