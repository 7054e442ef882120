"""Spectra of scanning probes and of DigitalMicrograph, with what their files know of places."""

import gwyfile.objects as gwy
import numpy as np
import pytest
from igor2 import binarywave
from reading import atoms, write_ibw
from spectral_files import cube, load

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import rosetta
from vaescope.read.spectra.geometry import Extent, relate
from vaescope.read.spectra_settings import SpectraSettings


def grid_file(path, current, z, sweep=(-0.2, 0.2)):
    """A Nanonis grid of one channel beside the measured bias; the first point is lower left."""
    height, width, points = current.shape
    header = (
        f'Grid dim="{width} x {height}"\r\nGrid settings=0;0;{width * 1e-9};{height * 1e-9};0\r\n'
        'Sweep Signal="Bias (V)"\r\nFixed parameters="Sweep Start;Sweep End"\r\n'
        'Experiment parameters="X (m);Y (m);Z (m)"\r\n# Parameters (4 byte)=5\r\n'
        f'Points={points}\r\nChannels="Current (A);Bias (V)"\r\n:HEADER_END:\r\n'
    )
    record = np.zeros((height, width, 5 + 2 * points), ">f4")
    record[..., 0], record[..., 1] = sweep
    record[..., 4] = z[::-1]
    record[..., 5 : 5 + points] = current[::-1]
    path.write_bytes(header.encode() + record.tobytes())


def test_a_grid_of_a_tunnelling_microscope_lies_on_its_topography(tmp_path):
    z = 1e-9 * atoms(17, 20)
    grid_file(tmp_path / "a.3ds", 1e-11 * cube(), z)
    image, spectra = load(tmp_path / "a.3ds")
    np.testing.assert_allclose(image["image"].values[0, 0], z, rtol=1e-5)
    np.testing.assert_allclose(spectra["spectra"].values[0], 1e-11 * cube(), rtol=1e-5)
    np.testing.assert_allclose(spectra["energy"], np.linspace(-0.2, 0.2, 64))
    assert spectra["energy"].attrs == {"long_name": "bias", "units": "V"}
    assert spectra["spectra"].attrs == {"long_name": "Current", "units": "A"}
    assert image.attrs.get("image_from", "") == spectra.attrs["image_from"] == ""
    assert spectra["x"].values[1] == pytest.approx(1) and spectra.attrs["counts"] == 0


def test_a_grid_too_small_for_an_image_gives_one_of_its_spectra(tmp_path):
    grid_file(tmp_path / "a.3ds", cube(5, 20), atoms(5, 20))
    image, _ = load(tmp_path / "a.3ds")
    assert image.attrs["image_from"] == "sum over bias"
    assert image["image"].shape == (1, 1, 5, 20)


def test_a_grid_that_was_aborted_is_used_as_far_as_it_goes(tmp_path):
    grid_file(tmp_path / "whole.3ds", 1e-11 * cube(), 1e-9 * atoms(17, 20))
    whole = (tmp_path / "whole.3ds").read_bytes()
    record = 4 * (5 + 2 * 64)
    reached = 7 * 20 + 6  # points, from the lower left corner upwards
    (tmp_path / "a.3ds").write_bytes(whole[: len(whole) - record * (17 * 20 - reached) - 4])
    image, spectra = load(tmp_path / "a.3ds")
    seen = spectra["measured"].values[0]
    assert seen.sum() == reached - 1 and seen[10:].all() and not seen[:9].any()
    np.testing.assert_allclose(spectra["spectra"].values[0][seen], 1e-11 * cube()[seen], rtol=1e-5)
    np.testing.assert_array_equal(image["measured"].values[0], seen)
    (tmp_path / "a.3ds").write_bytes(whole[: len(whole) - record * (17 * 20 - 10)])
    with pytest.raises(UserError, match="the file ends after"):
        load(tmp_path / "a.3ds")


def gwy_file(path, images=(), bricks=(), points=None):
    """A Gwyddion file of images, of volumes (z, y, x), and of point spectra (n, z)."""
    made = gwy.GwyContainer()
    for k, image in enumerate(images):
        made[f"/{k}/data"] = gwy.GwyDataField(
            image, xreal=image.shape[1] * 2e-9, yreal=image.shape[0] * 2e-9, si_unit_xy="m"
        )
        made[f"/{k}/data/title"] = f"Height {k}"
    unit = {name: gwy.GwySIUnit(unitstr=name) for name in ("m", "V", "A")}
    for k, brick in enumerate(bricks):
        names = ("z", "y", "x")
        facts = {f"{n}res": int(s) for n, s in zip(names, brick.shape, strict=True)}
        facts |= {"xreal": brick.shape[2] * 2e-9, "yreal": brick.shape[1] * 2e-9, "zreal": 6.4}
        facts |= {"xoff": 0.0, "yoff": 0.0, "zoff": -3.0}
        facts |= {"si_unit_x": unit["m"], "si_unit_y": unit["m"], "si_unit_z": unit["V"]}
        facts |= {"si_unit_w": unit["A"], "data": brick.astype("f8").ravel()}
        made[f"/brick/{k}"] = gwy.GwyObject("GwyBrick", facts)
        made[f"/brick/{k}/title"] = f"dI/dV {k}"
    if points is not None:
        lines = [
            gwy.GwyObject(
                "GwyDataLine",
                {"res": len(one), "real": 6.4, "off": -3.0, "data": one, "si_unit_x": unit["V"]},
            )
            for one in points
        ]
        facts = {"title": "STS", "data": lines}
        made["/sps/0"] = gwy.GwyObject("GwySpectra", facts, typecodes={"data": "O"})
    made.tofile(str(path))


def test_a_gwyddion_volume_is_a_cube_beside_its_images(tmp_path):
    gwy_file(tmp_path / "a.gwy", [atoms(17, 20)], [np.moveaxis(cube(), -1, 0)])
    image, spectra = load(tmp_path / "a.gwy")
    np.testing.assert_allclose(image["image"].values[0, 0], atoms(17, 20), rtol=1e-6)
    assert image.attrs["pixel_size"] == pytest.approx(2) and image.attrs["pixel_unit"] == "nm"
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    np.testing.assert_allclose(spectra["energy"], -3 + 0.1 * np.arange(64))
    assert spectra["energy"].attrs == {"long_name": "bias", "units": "V"}
    assert spectra["spectra"].attrs == {"long_name": "dI/dV 0", "units": "A"}


def test_gwyddion_images_become_channels_and_point_spectra_a_series(tmp_path):
    images = [atoms(40, 30, seed=k) for k in range(2)]
    gwy_file(tmp_path / "a.gwy", images, points=cube().reshape(-1, 64)[:9])
    image = read.load(tmp_path / "a.gwy")
    assert list(image["channel"].values) == ["Height 0", "Height 1"]
    np.testing.assert_allclose(image["image"].values[0], images, rtol=1e-6)
    one = read.load(tmp_path / "a.gwy", {"array": "Height 1"})
    np.testing.assert_allclose(one["image"].values[0, 0], images[1], rtol=1e-6)
    gwy_file(tmp_path / "b.gwy", points=cube().reshape(-1, 64)[:9])
    _, spectra = load(tmp_path / "b.gwy")
    assert spectra["spectra"].shape == (9, 1, 1, 64)
    whole = (tmp_path / "a.gwy").read_bytes()
    (tmp_path / "c.gwy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="probably incomplete"):
        read.load(tmp_path / "c.gwy")


def test_an_igor_cube_is_known_by_the_unit_of_its_third_axis(tmp_path, monkeypatch):
    write_ibw(tmp_path / "a.ibw", np.transpose(cube(), (1, 0, 2)), ["", *"a" * 64], "")
    wave = binarywave.load(str(tmp_path / "a.ibw"))
    units = wave["wave"]["wave_header"]["dimUnits"]
    units[2][0] = b"V"
    monkeypatch.setattr(binarywave, "load", lambda _: wave)
    image, spectra = load(tmp_path / "a.ibw")
    assert image.attrs["image_from"] == "sum over bias"
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    assert spectra["energy"].attrs == {"long_name": "bias", "units": "V"}


def note(label, sides):
    return {"Label": label, "Rectangle": sides}


def test_spectra_lie_where_a_survey_marks_them():
    notes = {"TagGroup0": note("Spectrum Image", (52, 213, 428, 259)), "TagGroup1": note("", (1,))}
    facts = {"DocumentObjectList": {"TagGroup0": {"AnnotationGroupList": notes}}}
    area = rosetta.marked({"original_metadata": facts})
    assert area == (52, 213, 428, 259)
    survey = Extent(512, 512, marked=area)
    found = relate(survey, Extent(49, 6), SpectraSettings(), path="a", other="b")
    assert found.pitch == pytest.approx((376 / 49, 46 / 6))
    assert found.start == pytest.approx((52 + (376 / 49 - 1) / 2, 213 + (46 / 6 - 1) / 2))
    with pytest.raises(UserError, match="other proportions"):
        relate(survey, Extent(49, 12), SpectraSettings(), path="a", other="b")
    notes["TagGroup1"] = note("Spectrum Image", (0, 0, 5, 5))
    assert rosetta.marked({"original_metadata": facts}) is None
    assert rosetta.marked({}) is None


@pytest.mark.parametrize("length", [0, 7])
def test_a_renishaw_file_whose_blocks_lead_nowhere_is_refused(tmp_path, length):
    head = b"WDF1" + (1).to_bytes(4, "little") + length.to_bytes(8, "little")
    (tmp_path / "a.wdf").write_bytes(head.ljust(512, b"\0"))
    with pytest.raises(UserError, match="blocks of this Renishaw file"):
        load(tmp_path / "a.wdf")


def test_pages_of_a_tiff_are_channels_where_the_recipe_says_so(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(cube(), -1, 0).astype("f4"))
    with pytest.raises(UserError, match="no spectra in this file") as error:
        load(tmp_path / "a.tif")
    assert "spectra: axis: first" in error.value.found
    image, spectra = load(tmp_path / "a.tif", {"axis": "first"})
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    assert image.attrs["image_from"] == "sum over channels"
