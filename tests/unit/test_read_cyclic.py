"""Phases are read as cosine and sine, which have no step where a turn is full."""

import numpy as np
import pytest
import xarray as xr
from test_read_formats import write_ibw

from vaescope import read, samples

SIDE, SLOPE = 96, 0.25  # px, rad per px


def ramp() -> tuple[np.ndarray, np.ndarray]:
    """A smooth phase (rad), which turns many times from left to right, and its wrapped values."""
    y, x = np.mgrid[:SIDE, :SIDE]
    smooth = SLOPE * (x + 0.4 * y)
    return smooth, np.angle(np.exp(1j * smooth))


def in_radians(folder):
    """The phase of complex numbers."""
    np.save(folder / "a.npy", 3.0 * np.exp(1j * ramp()[0]))
    return folder / "a.npy"


def in_degrees(folder):
    """The phase of a scanning probe; its first line is the lowest."""
    layers = np.stack([ramp()[0], np.degrees(ramp()[1])], -1)[::-1].astype("f4")
    names = ["AmplitudeRetrace", "PhaseRetrace"]
    write_ibw(folder / "a.ibw", layers.transpose(1, 0, 2), names, "ScanSize: 2e-6\r")
    return folder / "a.ibw"


@pytest.mark.parametrize("file", [in_radians, in_degrees])
def test_a_wrapped_phase_is_sampled_as_if_it_were_smooth(tmp_path, file):
    """Spline and Gaussian across ±180° had made 2.5 % of the samples wrong by more than 0.3 rad."""
    image = read.load([file(tmp_path)], {"channel": "phase"})
    assert [str(name).split()[-1] for name in image["channel"].values] == ["cos", "sin"]
    assert image.attrs["channel_units"] == ["1", "1"]
    random = np.random.default_rng(0)
    y, x = random.uniform(25, SIDE - 25, (2, 50))
    sites = xr.Dataset(
        {"frame": ("site", np.zeros(50, int)), "y": ("site", y), "x": ("site", x)},
        coords={"site": np.arange(50)},
        attrs={"spacing": 10.0},
    )
    cut = samples.extract(image, sites, {"size": 30, "pixels": 15, "normalise": "none"})
    cos, sin = cut["patch"].values.transpose(1, 0, 2, 3)
    py, px = cut["py"].values, cut["px"].values
    true = SLOPE * ((x[:, None, None] + px) + 0.4 * (y[:, None] + py)[:, :, None])
    error = np.angle(np.exp(1j * (np.arctan2(sin, cos) - true)))
    assert np.abs(error).max() < 0.01
    assert np.abs(cut["patch"].values).max() < 1.01
    assert ramp()[0].max() > 4 * np.pi  # else nothing was wrapped


def test_an_image_without_phases_stays_as_it_is(tmp_path):
    values = ramp()[1].astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    image = read.load([tmp_path / "a.npy"])
    assert image["image"].values[0, 0].tobytes() == values.tobytes()
    assert image.sizes["channel"] == 1
