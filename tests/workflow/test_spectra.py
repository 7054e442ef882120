"""Spectra through the whole workflow: spectrum images, pairs of views, and bad input among them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from lab import Lab

from vaescope.figures import versions

SMALL = """\
ensemble: {members: 2}
baselines: {methods: [pca, nmf, unmixing]}
figures: {formats: [png], dpi: 40}
"""
SPECTRA = (
    "extends: spectra\n" + SMALL + "models: {vae: {steps: 40, hidden: 16, batch: 32, refine: 2}}\n"
)
IM2SPEC = (
    "extends: im2spec\n"
    + SMALL.replace("[pca, nmf, unmixing]", "[]")
    + "models: {im2spec: {steps: 40, hidden: 16, batch: 32, latent: 2, turns: 4}}\n"
)
DUAL = (
    "extends: dualvae\nreports: light\n"
    + SMALL.replace("[pca, nmf, unmixing]", "[]")
    + "models: {dualvae: {steps: 40, hidden: 16, batch: 32, latent: 2, turns: 4}}\n"
)
ENERGY = np.linspace(300, 340, 48)


def discs(seed: int, height: int = 20, width: int = 30) -> dict[str, np.ndarray]:
    """Bright discs with a peak at 315 eV in a matrix with one at 325 eV, and their image."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    inside = np.zeros((height, width))
    for cy, cx, radius in ((6, 6, 3), (13, 14, 4), (6, 23, 4)):
        inside = np.maximum(inside, np.hypot(y - cy, x - cx) < radius)

    def peak(at: float) -> np.ndarray:
        return 60 * np.exp(-0.5 * ((ENERGY - at) / 3) ** 2)

    expected = inside[..., None] * peak(315) + (1 - inside[..., None]) * peak(325) + 10
    return {
        "image": (inside + rng.normal(0, 0.1, inside.shape)).astype(np.float32),
        "spectra": rng.poisson(expected).astype(np.float32),
        "energy": ENERGY,
    }


@pytest.fixture(scope="module")
def finished_spectra(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """One run of four datasets, one of which cannot be read."""
    lab = Lab(tmp_path_factory.mktemp("spectra") / "lab").prepare()
    made = discs(0)
    data = lab.folder / "data"
    np.savez(data / "both.npz", **made)
    np.save(data / "image.npy", made["image"])
    np.savez(data / "cube.npz", spectra=made["spectra"], energy=ENERGY)
    np.savez(data / "wrong.npz", spectra=made["spectra"][:, :7], energy=ENERGY)
    rng = np.random.default_rng(1)
    np.savez(
        data / "pairs.npz",
        patches=rng.normal(size=(60, 12, 12)).astype(np.float32),
        spectra=rng.poisson(20, (60, 40)).astype(np.float32),
        truth_kind=rng.integers(0, 2, 60),
    )
    for name, text in (("spectral", SPECTRA), ("predicting", IM2SPEC), ("dual", DUAL)):
        lab.recipe(name, text)
    lab.header = "dataset\trecipe\tsource\tspectra"
    lab.sheet(
        "cube\tspectral\t../data/cube.npz\t",
        "pair\tpredicting\t../data/image.npy\t../data/cube.npz",
        "particles\tdual\t../data/pairs.npz\t",
        "wrong\tspectral\t../data/image.npy\t../data/wrong.npz",
    )
    lab.run_output = lab.run()
    return lab


def latents(lab: Lab, dataset: str, model: str) -> xr.Dataset:
    return xr.open_zarr(lab.results / dataset / model / "latents.zarr", consolidated=False)


def figures(lab: Lab, dataset: str) -> set[str]:
    latest = versions.newest(lab.results / dataset / "figures")
    drawn = json.loads((latest / "figures.json").read_text())
    return {figure["name"] for figure in drawn["figures"]}


def test_every_pixel_of_a_spectrum_image_is_mapped_and_its_image_is_said_to_be_made(
    finished_spectra: Lab,
):
    lab = finished_spectra
    samples = xr.open_zarr(lab.results / "cube/samples.zarr", consolidated=False)
    assert samples["spectrum"].shape == (600, 48) and "patch" not in samples
    np.testing.assert_array_equal(
        samples["spectrum"].values.reshape(20, 30, 48), discs(0)["spectra"]
    )
    np.testing.assert_allclose(samples["energy"], ENERGY)
    found = latents(lab, "cube", "vae")
    assert {"consensus_shift", "shift_spread", "consensus_content"} <= set(found)
    image = xr.open_zarr(lab.results / "cube/image.zarr", consolidated=False)
    assert "sum" in image.attrs["image_from"]
    assert {"spectra", "vae-maps-cells", "vae-decoded-grid", "baselines-components"} <= figures(
        lab, "cube"
    )
    assert "vae-maps-points" not in figures(lab, "cube")
    report = (lab.results / "cube/report.html").read_text(encoding="utf-8")
    assert "Every pixel of the spectrum image is a site" in report
    assert "made of the spectra (sum" in report and "only spectra count" in report


def test_spectra_of_another_file_are_predicted_from_the_image_on_a_block_held_out(
    finished_spectra: Lab,
):
    lab = finished_spectra
    found = latents(lab, "pair", "im2spec")
    samples = xr.open_zarr(lab.results / "pair/samples.zarr", consolidated=False)
    assert found["predicted_spectrum"].dims == ("site", "energy")
    low, high = (found[f"predicted_spectrum_{end}"].values for end in ("low", "high"))
    assert (low <= high).all()
    np.testing.assert_array_equal(found["held_out"].values == 1, samples["held_out"].values == 1)
    test = found["held_out"].values == 1
    assert 0.1 < test.mean() < 0.4
    measured = samples["spectrum"].values
    missed = np.mean((found["predicted_spectrum"].values - measured)[test] ** 2)
    trained = samples["held_out"].values == 0
    mean = np.mean((measured[trained].mean(0) - measured[test]) ** 2)
    assert missed < 0.7 * mean  # discs held out look like those of the training
    assert {
        "energy-windows",
        "im2spec-predicted-spectra",
        "im2spec-energy-windows",
        "im2spec-prediction-error",
        "im2spec-prediction-summary",
        "im2spec-decoded-pairs",
        "im2spec-latent-error",
    } <= figures(lab, "pair")
    facts = json.loads((lab.results / "pair/facts.json").read_text())
    names = {score["name"] for score in facts["scores"]}
    assert {"prediction_relative_error", "prediction_coverage_68"} <= names
    kinds = {finding["kind"] for finding in facts["findings"]}
    assert "image is part of the spectra" not in kinds


def test_patches_and_spectra_of_particles_go_through_a_dual_model(finished_spectra: Lab):
    found = latents(finished_spectra, "particles", "dualvae")
    assert found["predicted_spectrum"].shape == (60, 40)
    assert found["predicted_patch"].dims == ("site", "channel", "py", "px")
    assert set(np.unique(found["held_out"].values)) == {0, 1}
    assert "dualvae-predicted-spectra" in figures(finished_spectra, "particles")


def test_an_image_and_spectra_that_do_not_fit_stop_their_own_dataset_alone(finished_spectra: Lab):
    run = finished_spectra.run_output
    assert run.code != 0
    assert "do not fit" in run.output and "wrong.npz" in run.output
    for dataset in ("cube", "pair", "particles"):
        assert (finished_spectra.results / dataset / "report.html").is_file()
    assert not (finished_spectra.results / "wrong/report.html").exists()
    assert "wrong" in (finished_spectra.results / "index.html").read_text(encoding="utf-8")
