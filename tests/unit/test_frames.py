"""Stacks of pictures that are patches already: read with what is known, cut without loss."""

import h5py
import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from vaescope import read, samples, sites
from vaescope.errors import UserError

RANDOM = np.random.default_rng(0)
IMAGES = (RANDOM.random((30, 24, 24)) * 255).astype(np.uint8)
FRAMES = {"method": "frames"}


def cut(path, settings=None, ingest=None):
    image = read.load([path], ingest or {})
    return samples.extract(image, sites.find(image, FRAMES), settings or {"normalise": "none"})


def write(path, **arrays):
    np.savez(path, images=IMAGES, **arrays)
    return path


def test_every_frame_is_a_patch_with_what_is_known_of_it(tmp_path):
    label, angle = np.arange(30) % 4, np.linspace(-90, 90, 30)
    found = cut(write(tmp_path / "a.npz", label=label, angle=angle, mood=RANDOM.random(30)))
    np.testing.assert_array_equal(found["patch"].values[:, 0], IMAGES)
    np.testing.assert_array_equal(found["truth_label"].values, label)
    np.testing.assert_allclose(found["truth_angle"].values, np.radians(angle))
    assert found["truth_angle"].attrs["units"] == "rad"
    assert "truth_mood" in found


def test_angles_that_may_be_radians_are_taken_as_such(tmp_path):
    angle = np.linspace(-2, 2, 30)
    found = cut(write(tmp_path / "a.npz", angle=angle))
    np.testing.assert_allclose(found["truth_angle"].values, angle)


def test_arrays_of_another_length_are_left_aside(tmp_path):
    found = cut(write(tmp_path / "a.npz", label=np.arange(29), table=np.zeros((5, 5))))
    assert not [name for name in found if str(name).startswith("truth_")]


@pytest.mark.parametrize("kind", ["npy", "tif", "h5", "npz-compressed"])
def test_stacks_of_all_kinds_give_the_same_patches(tmp_path, kind):
    path = tmp_path / f"stack.{kind[:3].rstrip('-')}"
    if kind == "npy":
        np.save(path, IMAGES)
    elif kind == "tif":
        tifffile.imwrite(path, IMAGES)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["images"], file["label"] = IMAGES, np.arange(30)
    else:
        np.savez_compressed(path, images=IMAGES, label=np.arange(30))
    found = cut(path)
    np.testing.assert_array_equal(found["patch"].values[:, 0], IMAGES)
    assert ("truth_label" in found) == (kind in ("h5", "npz-compressed"))


def test_colours_are_channels_and_clean_twins_lie_on_the_scale_of_the_patches(tmp_path):
    colour = RANDOM.random((30, 24, 24, 3)).astype(np.float32)
    clean = IMAGES.astype(np.float32) / 2
    found = cut(write(tmp_path / "a.npz", colour=colour, clean=clean), {"normalise": "unit"})
    assert found["truth_colour"].shape == (30, 3, 24, 24)
    low, high = float(IMAGES.min()), float(IMAGES.max())
    np.testing.assert_allclose(
        found["truth_clean"].values[:, 0], (clean - low) / (high - low), atol=1e-6
    )
    np.savez(tmp_path / "b.npz", images=colour)
    assert cut(tmp_path / "b.npz")["patch"].shape == (30, 3, 24, 24)


def test_curves_stay_curves(tmp_path):
    found = cut(write(tmp_path / "a.npz", spectrum=RANDOM.random((30, 7))))
    assert found["truth_spectrum"].shape == (30, 7)


def test_unit_normalisation_reaches_from_nought_to_one_and_can_be_undone(tmp_path):
    found = cut(write(tmp_path / "a.npz"), {"normalise": "unit"})
    values = found["patch"].values
    assert values.min() == 0.0 and values.max() == 1.0
    back = values * found["norm_scale"].values[..., None, None]
    back = back + found["norm_offset"].values[..., None, None]
    np.testing.assert_allclose(back[:, 0], IMAGES, atol=1e-3)


def test_oblong_frames_become_squares_of_the_samples_asked_for(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES[:, :20])
    found = cut(tmp_path / "a.npy", {"pixels": 16, "normalise": "none"})
    assert found["patch"].shape == (30, 1, 16, 16)
    assert found["patch"].values.mean() == pytest.approx(IMAGES[:, :20].mean(), rel=0.02)


def test_one_picture_is_no_stack(tmp_path):
    np.save(tmp_path / "a.npy", IMAGES[0])
    with pytest.raises(UserError, match="one picture, not a stack"):
        cut(tmp_path / "a.npy")


def test_frames_can_be_turned_for_a_study(tmp_path):
    import torch

    from vaescope.models import pose

    smooth = gaussian_filter(RANDOM.random((6, 41, 41)).astype(np.float32), (0, 3, 3))
    np.savez(tmp_path / "a.npz", images=smooth)
    found = cut(tmp_path / "a.npz", ingest={"preprocess": {"turn_frames": 180}})
    angle = torch.as_tensor(found["truth_angle"].values, dtype=torch.float32)
    expected = pose.resample(torch.from_numpy(smooth)[:, None], pose.affine(angle, None, None))
    axis = np.linspace(-1, 1, 41)
    inside = np.hypot(axis[:, None], axis[None]) < 0.8
    apart = found["patch"].values[:, 0] - expected[:, 0].numpy()
    assert np.abs(apart[:, inside]).max() < 1e-5
    assert np.abs(found["truth_angle"].values).max() > 0.5


def test_small_frames_share_chunks(tmp_path):
    np.save(tmp_path / "a.npy", np.tile(IMAGES, (40, 1, 1)))
    image = read.load([tmp_path / "a.npy"], {})
    assert image["image"].data.npartitions <= 4
