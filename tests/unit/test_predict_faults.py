"""Poor data are predicted with bands that hold together, or refused in one clear message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from vaescope import predict
from vaescope.errors import UserError
from vaescope.samples.held_out import HeldOut


def cube(height: int, width: int, energies: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    """An image and spectra (y, x, energy) with a line whose energy follows the image."""
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(size=(height, width)), 2, mode="wrap")
    image /= image.std()
    energy = np.arange(energies)
    line = np.exp(-0.5 * ((energy - energies / 2 - 2 * image[..., None]) / 2) ** 2)
    return {"image": image, "spectra": line + 0.05 * rng.normal(size=line.shape)}


def pairs(image: np.ndarray, spectra: np.ndarray, **more: Any) -> predict.ImagedSpectra:
    y, x = np.indices(spectra.shape[:2]).reshape(2, -1).astype(float)
    flat = spectra.reshape(-1, spectra.shape[2])
    return predict.ImagedSpectra(flat, **{"image": image[None], "y": y, "x": x, **more})


def sound(found: xr.Dataset) -> None:
    """Predictions are finite and lie in their bands, the narrow one in the wide one."""
    names = ("_low_95", "_low", "", "_high", "_high_95")
    ends = np.stack([found[f"predicted_spectrum{name}"].values for name in names])
    assert np.isfinite(ends).all()
    assert (np.diff(ends, axis=0) >= 0).all()
    assert set(np.unique(found["held_out"])) == {0, 1}


def dead_pixels(data: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    data["spectra"][np.random.default_rng(1).random((20, 24)) < 0.2] = np.nan
    return pairs(**data)


def scan_lines_missing(data: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    data["image"][3:5] = np.nan
    return pairs(**data)


def one_channel(data: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    return pairs(data["image"], data["spectra"][..., :1])


def counts_below_zero(data: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    return pairs(**data, counts=True)


def strip(data: dict[str, np.ndarray]) -> predict.ImagedSpectra:
    made = cube(6, 49, 30)
    fine = np.kron(made["image"], np.ones((4, 4)))
    place = {axis: 4 * at + 1.5 for axis, at in zip("yx", np.indices((6, 49)), strict=True)}
    flat = {axis: at.ravel() for axis, at in place.items()}
    return pairs(fine, made["spectra"], **flat, pitch=4.0)


@pytest.mark.parametrize(
    "change", [dead_pixels, scan_lines_missing, one_channel, counts_below_zero, strip]
)
def test_bands_hold_together_on_poor_data(change):
    sound(predict.spectra(change(cube(20, 24)), {"window": 5}, seed=0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: {"spectra": d["spectra"] * np.nan}, "too few spectra"),
        (lambda d: {"spectra": np.where(np.arange(24)[:, None], np.nan, d["spectra"])}, "too few"),
        (lambda d: {"spectra": 0 * d["spectra"] + 1}, "are the same"),
        (lambda d: {"image": 0 * d["image"]}, "same value everywhere"),
        (lambda d: {"image": np.nan * d["image"]}, "same value everywhere"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(change, words):
    data = cube(12, 24)
    with pytest.raises(UserError, match=words):
        predict.spectra(pairs(**{**data, **change(data)}), {"window": 5})


@pytest.mark.parametrize("window", [25, 101])
def test_a_window_as_large_as_the_image_is_refused(window):
    with pytest.raises(UserError, match="make the window smaller"):
        predict.spectra(pairs(**cube(20, 24)), {"window": window})


def test_of_several_images_the_same_block_is_held_out():
    frames = [cube(20, 24, seed=seed) for seed in range(3)]
    y, x = (np.tile(at.ravel(), 3).astype(float) for at in np.indices((20, 24)))
    frame = np.repeat(np.arange(3), 480)
    made = predict.spectra(
        predict.ImagedSpectra(
            np.concatenate([one["spectra"].reshape(480, -1) for one in frames]),
            images=np.stack([one["image"][None] for one in frames]),
            frame=frame,
            y=y,
            x=x,
        ),
        {"window": 5},
        seed=0,
    )
    sound(made)
    assert (made.attrs["held_out"], made.attrs["flatters"]) == ("blocks", 0)
    test = made["held_out"].values.reshape(3, -1)
    assert (test == test[0]).all()
    assert made.attrs["relative_error"] < 0.4


def test_frames_are_seen_each_by_itself():
    from vaescope.predict import context

    images = np.stack([cube(20, 24, seed=seed)["image"][None] for seed in range(2)])
    y, x = (at.ravel().astype(float) for at in np.indices((20, 24)))
    alone = [context.of_image(image, y, x, 5) for image in images]
    order = np.random.default_rng(0).permutation(2 * len(y))
    many = context.of_frames(
        images, np.repeat([0, 1], len(y))[order], np.tile(y, 2)[order], np.tile(x, 2)[order], 5
    )
    wide = np.concatenate([one.wide for one in alone])
    np.testing.assert_array_equal(many.wide, wide[order])


@pytest.mark.parametrize(("placed", "way"), [(True, "blocks"), (False, "random")])
def test_samples_say_how_they_were_held_out(placed, way):
    samples = xr.Dataset(attrs={"placed": placed})
    assert HeldOut("blocks").way(samples) == way
    assert HeldOut("random").way(samples) == "random"
