"""Arrays of any number type are read as the numbers they are; odd ones are refused with reasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import atoms

from vaescope import read
from vaescope.errors import UserError

TYPES = ["u1", "i1", "<u2", ">u2", "<i4", ">i4", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(TYPES),
    frames=st.integers(0, 3),
    fortran=st.booleans(),
    kind=st.sampled_from(["npy", "npz", "npz compressed"]),
    seed=st.integers(0, 1000),
)
def test_an_array_comes_back_whatever_its_type_order_and_packing(
    tmp_path_factory, dtype, frames, fortran, kind, seed
):
    folder = tmp_path_factory.mktemp("arrays")
    shape = (frames, 17, 20) if frames else (17, 20)
    data = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    data = np.asfortranarray(data) if fortran else data
    path = folder / ("a.npy" if kind == "npy" else "a.npz")
    if kind == "npy":
        np.save(path, data)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, labels=np.arange(5), pic=data)
    image = read.load([path])["image"]
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image[:, 0], data if frames else data[None])


@pytest.mark.parametrize(
    ("shape", "expected", "channels"),
    [
        ((1, 20, 20), (1, 1, 20, 20), ["intensity"]),
        ((20, 20, 1), (1, 1, 20, 20), ["intensity"]),
        ((3, 20, 20), (3, 1, 20, 20), ["intensity"]),
        ((20, 20, 3), (1, 3, 20, 20), ["red", "green", "blue"]),
        ((20, 20, 2), (1, 2, 20, 20), ["intensity 0", "intensity 1"]),
        ((5, 20, 20, 3), (5, 3, 20, 20), ["red", "green", "blue"]),
        ((5, 2, 20, 20), (5, 2, 20, 20), ["intensity 0", "intensity 1"]),
    ],
)
def test_axes_are_told_by_their_lengths(tmp_path, shape, expected, channels):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).random(shape))
    image = read.load([tmp_path / "a.npy"])["image"]
    assert image.shape == expected
    assert list(image["channel"].values) == channels


def test_complex_numbers_become_magnitude_and_phase(tmp_path):
    wave = atoms() * np.exp(1j * np.linspace(-3, 3, 64))
    np.save(tmp_path / "a.npy", wave.astype(">c8"))
    image = read.load([tmp_path / "a.npy"])
    phase = ["intensity phase cos", "intensity phase sin"]
    assert list(image["channel"].values) == ["intensity magnitude", *phase]
    assert image.attrs["channel_units"] == ["", "1", "1"]
    np.testing.assert_allclose(image["image"][0, 0], abs(wave), rtol=1e-5)
    np.testing.assert_allclose(image["image"][0, 1], np.cos(np.angle(wave)), atol=1e-5)
    np.testing.assert_allclose(image["image"][0, 2], np.sin(np.angle(wave)), atol=1e-5)


@pytest.mark.parametrize("name", ["image", "images"])
def test_an_array_named_image_goes_before_others(tmp_path, name):
    np.savez(tmp_path / "a.npz", mask=atoms(seed=1), **{name: atoms()})
    image = read.load([tmp_path / "a.npz"])["image"]
    np.testing.assert_allclose(image[0, 0], atoms(), rtol=1e-6)


def test_several_possible_arrays_are_listed_and_the_recipe_can_name_one(tmp_path):
    np.savez(tmp_path / "a.npz", haadf=atoms(), bf=atoms(seed=1), n=np.arange(3))
    with pytest.raises(UserError, match=r"0: haadf \(48 × 64, float64\); 1: bf \(48"):
        read.load([tmp_path / "a.npz"])
    image = read.load([tmp_path / "a.npz"], {"array": "bf"})["image"]
    np.testing.assert_allclose(image[0, 0], atoms(seed=1), rtol=1e-6)
    with pytest.raises(UserError, match=r"names 'df'.*haadf"):
        read.load([tmp_path / "a.npz"], {"array": "df"})


def test_pickled_objects_are_refused_unopened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.save(tmp_path / "a.npy", np.array([[Trap()] * 20] * 20), allow_pickle=True)
    np.savez(tmp_path / "a.npz", image=np.array([[Trap()] * 20] * 20), allow_pickle=True)
    with pytest.raises(UserError, match="pickled"):
        read.load([tmp_path / "a.npy"])
    with pytest.raises(UserError):
        read.load([tmp_path / "a.npz"])
    with pytest.raises(UserError, match="pickled"):
        read.load([tmp_path / "a.npz"], {"array": "image"})
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("shape", [(20,), (), (20, 20, 20, 20), (2, 2, 20, 20, 20), (0, 20)])
def test_shapes_that_are_no_image_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(UserError, match=r"not understood|empty"):
        read.load([tmp_path / "a.npy"])
