"""Channels, inverted values, unknown and reciprocal scales are read as their programs mean them."""

import numpy as np
import pytest
import xarray as xr
from reading import atoms, signal

from vaescope import read
from vaescope.errors import UserError
from vaescope.judge import findings


def planes(*shape: int) -> np.ndarray:
    """Pictures that all differ, (…, height, width) uint16."""
    count = int(np.prod(shape))
    made = np.stack([atoms(seed=k) + 10 * k for k in range(count)])
    return made.reshape(*shape, *made.shape[1:]).astype(np.uint16)


@pytest.mark.parametrize("named", [True, False])
def test_channels_of_an_ome_tiff_are_channels_under_their_names(tmp_path, named):
    import tifffile

    data = planes(2)
    about = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "Å"}
    about |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "Å"}
    if named:
        about["Channel"] = {"Name": ["HAADF", "BF"]}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata=about)
    image = read.load([tmp_path / "a.ome.tif"])
    np.testing.assert_array_equal(image["image"].values[0], data)
    expected = ["HAADF", "BF"] if named else ["channel 0", "channel 1"]
    assert list(image["channel"].values) == expected
    assert image.attrs["pixel_size"] == pytest.approx(0.05)
    one = read.load([tmp_path / "a.ome.tif"], {"channel": expected[1]})
    np.testing.assert_array_equal(one["image"].values[0, 0], data[1])


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_hyperstack_has_times_and_channels(tmp_path, channels, frames):
    import tifffile

    data = planes(frames, channels)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(40, 40),
        metadata={"axes": "TCYX", "unit": "nm", "finterval": 0.5},
    )
    image = read.load([tmp_path / "a.tif"])
    np.testing.assert_array_equal(image["image"].values, data)
    assert list(image["channel"].values) == [f"channel {k}" for k in range(channels)]
    assert image.attrs["pixel_size"] == pytest.approx(0.025)
    if frames > 1:
        assert list(image["time"].values) == [0, 0.5]


def test_a_tiff_with_depth_and_time_says_that_it_has_too_many_axes(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", planes(2, 3), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(UserError, match="more axes than a series of images"):
        read.load([tmp_path / "a.tif"])


@pytest.mark.parametrize(
    ("data", "highest"),
    [(planes(1)[0], 65535), (atoms().astype("u1"), 255), (atoms().astype("f4"), 0)],
)
def test_a_tiff_in_which_the_least_value_is_white_is_read_as_it_is_seen(tmp_path, data, highest):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite")
    tifffile.imwrite(tmp_path / "b.tif", data, photometric="minisblack")
    image = read.load([tmp_path / "a.tif"])
    np.testing.assert_array_equal(image["image"].values[0, 0], highest - data.astype("f8"))
    assert "inverted" in image.attrs["reader"]
    plain = read.load([tmp_path / "b.tif"])
    np.testing.assert_array_equal(plain["image"].values[0, 0], data)
    assert "inverted" not in plain.attrs["reader"]


def write_mrc(path, data, cell):
    """An MRC file of int16 with a cell of so many ångström."""
    header = np.zeros(256, "<i4")
    header[:4] = data.shape[1], data.shape[0], 1, 1
    header[7:10] = data.shape[1], data.shape[0], 1
    header[10:13] = np.array(cell, "<f4").view("<i4")
    raw = bytearray(header.tobytes())
    raw[208:216] = b"MAP \x44\x44\0\0"
    path.write_bytes(bytes(raw) + data.astype("<i2").tobytes())


@pytest.mark.parametrize("cell", [(-640, -480, -1), (0, 0, 0), (np.nan, np.nan, 1)])
def test_an_mrc_whose_cell_is_unknown_is_not_calibrated(tmp_path, cell):
    write_mrc(tmp_path / "a.mrc", 10 * atoms(), cell)
    attrs = read.load([tmp_path / "a.mrc"]).attrs
    assert attrs["calibrated"] is False
    assert (attrs["pixel_size"], attrs["pixel_unit"]) == (1.0, "px")
    sized = read.load([tmp_path / "a.mrc"], pixel_size="0.02 nm").attrs
    assert sized["pixel_size"] == pytest.approx(0.02)


@pytest.mark.parametrize("unit", ["1/nm", "nm^-1", "nm$^{-1}$", "1 / Å", "nm⁻¹", "1/m"])
def test_axes_in_reciprocal_space_are_said_to_be_so(tmp_path, unit):
    from rsciio import hspy

    made = signal(atoms(), "pattern", y=(0.1, unit, False), x=(0.1, unit, False))
    hspy.file_writer(str(tmp_path / "a.hspy"), made)
    image = read.load([tmp_path / "a.hspy"])
    assert image.attrs["calibrated"] is False
    assert image.attrs["reciprocal_unit"] == unit
    assert unit in image.attrs["calibration"]
    found = of_sites(image)["reciprocal space"]
    assert found.severity == "serious" and unit in found.says
    assert "not calibrated" not in of_sites(image)


def test_an_image_in_lengths_is_not_called_a_pattern(tmp_path):
    from rsciio import hspy

    made = signal(atoms(), y=(0.1, "nm", False), x=(0.1, "nm", False))
    hspy.file_writer(str(tmp_path / "a.hspy"), made)
    image = read.load([tmp_path / "a.hspy"])
    assert "reciprocal_unit" not in image.attrs
    assert not {"reciprocal space", "not calibrated"} & set(of_sites(image))


def test_of_an_image_and_its_transform_the_image_is_read():
    """A file may hold both in one shape; the transform can still be named."""
    from vaescope.read import signals

    image, pattern = atoms(), atoms(seed=1)
    both = [
        signal(pattern, "FFT", y=(0.1, "1/nm", False), x=(0.1, "1/nm", False)),
        signal(image, "HAADF", y=(0.1, "nm", False), x=(0.1, "nm", False)),
    ]
    raw = signals.to_raw(both, None, "a reader", path="a.emd")
    np.testing.assert_array_equal(raw.data[0, 0], image)
    assert raw.data.shape[1] == 1 and not raw.reciprocal
    named = signals.to_raw(both, "FFT", "a reader", path="a.emd")
    np.testing.assert_array_equal(named.data[0, 0], pattern)
    assert named.reciprocal == "1/nm"


def of_sites(image):
    """Findings about an image on which 200 sites lie, by their kind."""
    place = {"y": ("site", np.zeros(200)), "x": ("site", np.zeros(200))}
    sites = xr.Dataset(place, attrs={"placed": 1, "spacing": 9.0})
    patches = xr.Dataset({"patch": ("site", np.zeros(200))})
    return {one.kind: one for one in findings.of_sites(image, sites, patches, {})}
