"""The pixel size is what the file, its sidecar or the sheet says, and otherwise unknown."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import atoms

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import metadata, physical


def load(folder, sidecar=None, pixel_size=None, shape=(48, 64)):
    np.save(folder / "scan.npy", atoms(*shape))
    if sidecar is not None:
        text = sidecar if isinstance(sidecar, str) else json.dumps(sidecar)
        (folder / "scan.json").write_text(text)
    return read.load([folder / "scan.npy"], {}, pixel_size=pixel_size)


@pytest.mark.parametrize(
    "sidecar",
    [
        {"a": {"b": {"field_of_view_x": 6.4, "field_of_view_y": 4.8, "field_of_view_units": "nm"}}},
        {"fov": 6.4, "units": "nm"},
        {"pixel_size": 0.1, "pixel_unit": "nm"},
        {"pixelSize": 0.1, "pixelUnit": "nm"},
        {"pixel_size": 0.1, "length_unit": "nm"},
        {"pixel_size": "0,1", "pixel_units": "nm"},
        {"pixel_size": "0,1 nm"},
        {"pixel_size_x": 0.1, "pixel_size_y": 0.1, "pixel_size_unit": "nm"},
        {"pixel_width": 100, "pixel_height": 100, "pixel_size_units": "pm"},
        {"PhysicalSizeX": 1e-4, "PhysicalSizeXUnit": "µm"},
        {"pixel": {"size": 0.1, "unit": "nm"}},
        {"sampling": [0.1, 0.1], "units": "nm"},
        {"FOV_nm": 6.4},
        {"FieldOfView": "6.4 nm"},
        {"field_of_view": {"x": 64, "y": 48, "unit": "Å"}},
        {"pixel_size": 0.1, "unit": "nm"},
        {"pixelSize": {"value": 100, "units": "pm"}},
        {"scan": [{"pixel_size_nm": 0.1}]},
        {"pixel_size": [0.1, 0.1], "pixel_size_units": "nm"},
        {"nm_per_pixel": 0.1, "comment": "pixel size from the lattice"},
        {"Pixel Size (nm)": 0.1, "dwell": 3},
        {"pixel_width": 1e-10, "pixel_height": 1e-10, "units": "m"},
    ],
)
def test_a_sidecar_gives_the_pixel_size_however_it_is_written(tmp_path, sidecar):
    image = load(tmp_path, sidecar)
    assert image.attrs["calibrated"] is True
    assert image.attrs["pixel_size"] == pytest.approx(0.1)
    assert image.attrs["pixel_unit"] == "nm"
    assert "resampled_factor" not in image.attrs
    assert "scan.json" in image.attrs["calibration"]
    assert "scan.json" in json.loads(image.attrs["vendor_metadata"])


@pytest.mark.parametrize(
    "sidecar",
    [
        {},
        [],
        {"fov": 9.0},
        {"pixel_size": 0.1},
        {"pixel_size": None, "units": "nm"},
        {"pixel_size": True, "units": "nm"},
        {"pixel_size": 0.1, "units": "px"},
        {"size": 9.0, "units": "nm", "voltage": 60},
        {"pixel_size": [0.1, 0.2], "units": "nm"},
        {"scan_size": 512, "units": "nm"},
        {"scale": 5, "units": "nm"},  # of a bar, or of the axes
        {"pixel": 512, "units": "px"},
    ],
)
def test_nothing_is_invented_where_a_sidecar_does_not_say(tmp_path, sidecar):
    image = load(tmp_path, sidecar)
    assert image.attrs["calibrated"] is False
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (1.0, "px")
    assert image["x"].attrs["units"] == "px"


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ({"fov": -3, "units": "nm"}, "no possible length"),
        ({"pixel_size": 0, "units": "nm"}, "no possible length"),
        ({"pixel_size": 0.1, "fov": 9.0, "units": "nm"}, "contradict"),
        ('{"fov": 9,', "not valid JSON"),
    ],
)
def test_a_wrong_sidecar_is_named_unless_the_sheet_knows_better(tmp_path, sidecar, words):
    with pytest.raises(UserError, match=f"scan.json.*{words}"):
        load(tmp_path, sidecar)
    assert load(tmp_path, sidecar, "0.2 nm").attrs["pixel_size"] == pytest.approx(0.2)


def test_the_sample_sheet_goes_before_the_file(tmp_path):
    image = load(tmp_path, {"fov": 9, "units": "nm"}, "0.02 um")
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (20.0, "nm")
    assert image.attrs["calibration"] == "the sample sheet"
    assert float(image["y"][2]) == pytest.approx(40)


@pytest.mark.parametrize(
    ("cell", "nanometres"),
    [
        ("0.0078 nm", 0.0078),
        ("7.8pm", 0.0078),
        ("0.5 Å", 0.05),
        ("0.5 angstrom", 0.05),
        ("2 nm/px", 2),
        ("1e-10 m", 0.1),
        ("3 µm", 3000),
        (" 3 um per pixel ", 3000),
    ],
)
def test_sizes_in_the_sheet_are_understood_with_their_units(cell, nanometres):
    assert physical.from_sheet(cell).x * 1e9 == pytest.approx(nanometres)


@pytest.mark.parametrize("cell", [None, "", "  ", float("nan")])
def test_an_empty_cell_says_nothing(cell):
    assert physical.from_sheet(cell) is None


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("0.0078", "no unit"),
        (0.0078, "no unit"),
        ("0 nm", "above zero"),
        ("-1 nm", "above zero"),
        ("inf nm", "above zero"),
        ("nan nm", "above zero"),
        ("3 px", "unit of the pixel size is unknown"),
        ("3 kg", "unit of the pixel size is unknown"),
        ("small", "cannot be understood"),
        ("3 m", "no microscope"),
    ],
)
def test_sizes_that_make_no_sense_are_refused_with_an_example(cell, words):
    with pytest.raises(UserError, match=words) as caught:
        physical.from_sheet(cell)
    assert "0.0078 nm" in str(caught.value)


@given(st.floats(1e-13, 9e-4))
def test_the_unit_for_display_never_changes_the_length(side):
    y, x, unit = physical.display(physical.Pixel(2 * side, side))
    assert x * physical.metres_per(unit) == pytest.approx(side, rel=1e-9)
    assert y == pytest.approx(2 * x, rel=1e-9)


@pytest.mark.parametrize("unit", [None, "", "px", "1/nm", "eV", "<undefined>", 3, "Mm"])
def test_what_is_no_length_is_not_taken_for_one(unit):
    assert physical.length(1.0, unit) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_metadata_becomes_valid_json(value):
    json.loads(metadata.to_json(value), parse_constant=pytest.fail)


def test_metadata_cannot_grow_without_end():
    huge = {str(k): {"values": list(range(1000)), "text": "x" * 10_000} for k in range(500)}
    assert len(metadata.to_json(huge)) <= metadata.LONGEST
    assert len(metadata.to_json({"a": np.zeros((1000, 1000))})) < 100


@pytest.mark.parametrize(
    ("stated", "step"),
    [
        ({"frame_interval": "2.5 s"}, 2.5),
        ({"frame_interval_ms": 2500}, 2.5),
        ({"scan": {"frameTime": 2.5, "time_unit": "min"}}, 150.0),
        ({"frame_interval": 2.5}, None),  # of what?
        ({"frame_interval": 2.5, "unit": "nm"}, None),
        ({"frame_interval": "-1 s"}, None),
        ({"frame_interval": {"s": []}}, None),
    ],
)
def test_a_sidecar_gives_the_time_between_frames_if_it_states_a_unit(tmp_path, stated, step):
    np.save(tmp_path / "scan.npy", np.stack([atoms(48, 64)] * 3))
    (tmp_path / "scan.json").write_text(json.dumps({"fov": 6.4, "units": "nm"} | stated))
    for size in (None, "0.1 nm"):
        time = read.load([tmp_path / "scan.npy"], {}, pixel_size=size)["time"]
        assert time.attrs["units"] == ("frame" if step is None else "s")
        np.testing.assert_allclose(time.values, np.arange(3) * (step or 1.0))
