"""Spectra packed for the explorer are those of the stores."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
import spectral_results

from vaescope.explorer import curves
from vaescope.explorer.pack import Blocks
from vaescope.figures import Look, load
from vaescope.results import Results


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    root = spectral_results.make(tmp_path_factory.mktemp("results") / "disc")
    return load(Results(root), ["im2spec"], Look(), "version")


def opened(blocks: Blocks, place: dict) -> np.ndarray:
    """The array at a place, as the browser opens it."""
    held = zlib.decompress(base64.b64decode(blocks.texts[place["block"]]))
    size, count = place["size"], place["count"]
    part = np.frombuffer(held, np.uint8, count * size, place["start"]).reshape(size, count)
    kind = {"Float32Array": "<f4", "Uint8Array": "u1"}[place["type"]]
    return np.ascontiguousarray(part.T).view(kind).ravel()


def unpacked(blocks: Blocks, packed: dict, kind: str) -> np.ndarray:
    """Curves (site, channel) of a kind."""
    held = packed["kinds"][kind]
    codes = np.concatenate([opened(blocks, place) for place in held["chunks"]])
    low, step = opened(blocks, held["low"]), opened(blocks, held["step"])
    return low[:, None] + step[:, None] * codes.reshape(-1, packed["channels"])


def test_measured_and_predicted_spectra_are_packed_to_a_255th_of_their_range(scene):
    blocks = Blocks()
    stores = {"im2spec": scene.results.latents("im2spec")}
    rows = np.arange(scene.sites.sizes["site"])
    packed = curves.pack(scene, curves.kinds(scene, stores), rows, blocks)
    assert packed["axis"] == "energy loss (eV)" and packed["signal"] == "counts"
    np.testing.assert_allclose(opened(blocks, packed["energy"]), spectral_results.ENERGY, rtol=1e-6)
    np.testing.assert_array_equal(packed["sites"], rows)
    wanted = {
        "spectrum": scene.patches["spectrum"].values,
        "im2spec/predicted": stores["im2spec"]["predicted_spectrum"].values,
        "im2spec/predicted_low": stores["im2spec"]["predicted_spectrum_low"].values,
        "im2spec/predicted_high": stores["im2spec"]["predicted_spectrum_high"].values,
    }
    assert packed["kinds"].keys() == wanted.keys()
    for name, values in wanted.items():
        apart = np.abs(unpacked(blocks, packed, name) - values)
        assert (apart <= 0.51 * np.ptp(values, axis=1)[:, None] / 255 + 1e-4).all(), name


def test_many_channels_are_averaged_and_many_sites_thinned(scene, monkeypatch):
    monkeypatch.setattr(curves, "MOST_CHANNELS", 16)
    monkeypatch.setattr(curves, "BUDGET", 16 * 100)
    blocks = Blocks()
    rows = np.arange(scene.sites.sizes["site"])
    packed = curves.pack(scene, curves.kinds(scene, {}), rows, blocks)
    assert packed["channels"] == 16 and len(packed["sites"]) == 100
    values = scene.patches["spectrum"].values[packed["sites"]].reshape(100, 16, 4).mean(-1)
    np.testing.assert_allclose(unpacked(blocks, packed, "spectrum"), values, atol=1.0)


def test_channels_are_averaged_before_any_site_is_left_out(scene, monkeypatch):
    rows = np.arange(scene.sites.sizes["site"])
    monkeypatch.setattr(curves, "LEAST_CHANNELS", 8)
    monkeypatch.setattr(curves, "BUDGET", 16 * len(rows))
    blocks = Blocks()
    packed = curves.pack(scene, curves.kinds(scene, {}), rows, blocks)
    assert packed["channels"] == 16 and len(packed["sites"]) == len(rows)
    first, stop = packed["window"]
    near = opened(blocks, packed["energy"])[first:stop]
    assert min(abs(near - 8).min(), abs(near - 15).min()) < 2  # at one of the two peaks


def test_sites_without_spectra_have_no_curves(scene):
    class Without:
        patches = scene.patches.drop_vars("spectrum")

    assert curves.kinds(Without, {}) == []
    assert curves.pack(Without, [], np.arange(3), Blocks()) is None
