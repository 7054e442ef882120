"""Figures of spectra: what they draw is what the stores hold."""

from __future__ import annotations

import numpy as np
import pytest
import spectral_results
from spectral_results import ENERGY, SIDE, numbers

from vaescope import store
from vaescope.figures import Look, load, spectra
from vaescope.results import Results


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A disc with a peak at 15 eV in a matrix with one at 8 eV, and its spectra predicted."""
    yield from spectral_results.scene(tmp_path_factory.mktemp("results") / "disc")


def test_examples_are_of_both_kinds_and_on_the_axis_of_the_spectra(scene):
    drawn = spectra.examples(scene)
    columns = numbers(drawn)
    np.testing.assert_allclose(columns["energy_loss_eV"], ENERGY, rtol=1e-6)
    peaks = {
        round(float(ENERGY[values.argmax()]) / 7.5)
        for name, values in columns.items()
        if name.startswith("site_")
    }
    assert peaks == {1, 2}  # near 8 and near 15 eV
    shown = int(next(name for name in columns if name.startswith("site_")).removeprefix("site_"))
    measured = scene.patches["spectrum"].sel(site=shown).values
    np.testing.assert_allclose(columns[f"site_{shown}"], measured, rtol=1e-6)
    (axes,) = [a for a in drawn.figure.axes if a.get_xlabel()]
    assert axes.get_xlabel() == "energy loss (eV)"


def test_predictions_are_shown_where_no_training_has_seen_from_the_best_to_the_worst(scene):
    drawn = spectra.predicted(scene, scene.views[0])
    columns = numbers(drawn)
    shown = list(dict.fromkeys(columns["site"].astype(int)))
    assert len(shown) == 6 and all(site % SIDE > 16 for site in shown)
    errors = []
    for site in shown:
        rows = columns["site"] == site
        measured = scene.patches["spectrum"].sel(site=site).values
        np.testing.assert_allclose(columns["measured"][rows], measured, rtol=1e-6)
        errors.append(np.mean((columns["predicted"][rows] - columns["measured"][rows]) ** 2))
        assert (columns["low"][rows] < columns["high"][rows]).all()
    assert errors == sorted(errors)
    assert "no training has seen" in drawn.caption


def test_what_has_no_spectrum_or_no_prediction_has_no_figure(scene, tmp_path):
    root = tmp_path / "plain"
    results = scene.results
    for name in ("image", "sites"):
        store.write(getattr(results, name).load(), root / f"{name}.zarr")
    store.write(results.patches.drop_vars(["spectrum", "energy"]).load(), root / "samples.zarr")
    latents = results.latents("im2spec").drop_vars("predicted_spectrum").load()
    store.write(latents, root / "im2spec/latents.zarr")
    without = load(Results(root), ["im2spec"], Look(), "version")
    assert spectra.examples(without) is None
    assert spectra.predicted(without, without.views[0]) is None


def test_curves_lie_in_tiles_in_reading_order():
    from matplotlib.figure import Figure

    from vaescope.figures.montage import show

    curves = np.zeros((5, 1, 1, 20))
    for k in range(5):
        curves[k, 0, 0, 3 * k] = 1.0
    axes = Figure().add_subplot()
    show(axes, curves, 3, (0.0, 1.0))
    drawn = [line.get_xydata() for line in axes.lines[1::2]]
    assert len(drawn) == 5
    for k, line in enumerate(drawn):
        row, column = divmod(k, 3)
        top = line[line[:, 1].argmin()]  # the axis points down, as that of a picture
        assert column * 21 < line[0, 0] < line[-1, 0] < column * 21 + 19
        step = line[1, 0] - line[0, 0]
        assert top[0] == pytest.approx(line[0, 0] + 3 * k * step)
        assert row * 21 < top[1] < row * 21 + 3
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_neighbouring_curves_never_touch_and_share_one_scale():
    from matplotlib.figure import Figure

    from vaescope.figures.montage import show

    curves = np.random.default_rng(0).uniform(-3, 3, (9, 1, 1, 30))
    curves[:, 0, 0, ::2] = 1.0
    axes = Figure().add_subplot()
    show(axes, curves, 3, (-2.0, 2.0))
    rules, drawn = ([line.get_xydata() for line in axes.lines[k::2]] for k in (0, 1))
    for one, other in ((drawn[0], drawn[1]), (drawn[4], drawn[5])):
        assert other[0, 0] - one[-1, 0] > 3
    for above, below in ((0, 3), (4, 7)):
        assert drawn[below][:, 1].min() - drawn[above][:, 1].max() > 2
        # At one value every curve is as far from its own rule, which is at zero.
        height = [rules[k][0, 1] - drawn[k][0, 1] for k in (above, below)]
        assert height[0] == pytest.approx(height[1]) and height[0] > 0
