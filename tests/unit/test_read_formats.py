"""Every format gives the same image, with the physical scale that its file really states."""

import importlib
import json

import dask
import h5py
import numpy as np
import pytest
from PIL import Image
from reading import EXAMPLES, atoms, signal, write_ibw, write_zspy

from vaescope import read, store
from vaescope.errors import UserError


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("DMReader_Image_SI-Survey.dm3", (1, 1, 512, 512)),
        ("Grain_boundry_gold_512px.png", (1, 1, 512, 512)),
        ("10_dso_8nm_none_none.png", (1, 1, 1024, 1024)),
    ],
)
def test_the_bundled_micrographs_are_read_in_pixels_since_none_says_its_scale(name, shape):
    image = read.load([EXAMPLES / name], {})
    assert image["image"].dims == ("time", "channel", "y", "x")
    assert image["image"].shape == shape
    assert image["image"].dtype == np.float32
    assert image.attrs["calibrated"] is False
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (1.0, "px")
    assert image.attrs["source_files"] == [name]
    table = (EXAMPLES / "README.md").read_text()
    assert f"{image.attrs['source_sha256'][0]}  {name}" in table


def test_a_dm3_keeps_its_numbers_and_its_metadata():
    image = read.load([EXAMPLES / "DMReader_Image_SI-Survey.dm3"], {})
    facts = json.loads(image.attrs["vendor_metadata"])
    assert "DocumentObjectList" in facts["original_metadata"]
    assert int(image["image"].max()) == 3_235_793


def test_what_is_read_can_be_stored_and_opened_again(tmp_path):
    image = read.load([EXAMPLES / "Grain_boundry_gold_512px.png"], {}, pixel_size="20 pm")
    store.write(image, tmp_path / "image.zarr")
    again = store.open(tmp_path / "image.zarr")
    np.testing.assert_array_equal(again["image"], image["image"])
    assert again["x"].attrs["units"] == "nm"
    assert float(again["x"][1]) == pytest.approx(0.02)


@pytest.mark.parametrize("extension", ["png", "bmp", "gif", "tif"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_gray_stored_as_colour_becomes_gray(tmp_path, extension, mode):
    if (extension, mode) in {("bmp", "LA"), ("bmp", "RGBA"), ("gif", "LA"), ("gif", "RGBA")}:
        mode = "L"  # these formats have no such mode
    gray = atoms().astype(np.uint8)
    Image.fromarray(gray).convert(mode).save(tmp_path / f"a.{extension}")
    image = read.load([tmp_path / f"a.{extension}"], {})
    assert list(image["channel"].values) == ["intensity"]
    np.testing.assert_array_equal(image["image"][0, 0], gray)


def test_jpeg_of_a_gray_picture_stored_in_colour_is_gray(tmp_path):
    gray = atoms().astype(np.uint8)
    Image.fromarray(gray).convert("RGB").save(tmp_path / "a.jpg", quality=95)
    image = read.load([tmp_path / "a.jpg"], {})
    assert image["image"].shape == (1, 1, 48, 64)
    assert abs(image["image"][0, 0].values - gray).mean() < 2  # JPEG is lossy


def test_true_colour_becomes_three_channels_and_the_recipe_can_choose(tmp_path):
    colour = np.stack([atoms(seed=k) for k in range(3)], -1).astype(np.uint8)
    Image.fromarray(colour).save(tmp_path / "a.png")
    image = read.load([tmp_path / "a.png"], {})
    assert list(image["channel"].values) == ["red", "green", "blue"]
    green = read.load([tmp_path / "a.png"], {"channel": "green"})
    np.testing.assert_array_equal(green["image"][0, 0], colour[..., 1])
    two = read.load([tmp_path / "a.png"], {"channel": [2, "red"]})
    assert list(two["channel"].values) == ["blue", "red"]
    with pytest.raises(UserError, match="0: red, 1: green, 2: blue"):
        read.load([tmp_path / "a.png"], {"channel": "yellow"})


def test_sixteen_bits_of_a_png_are_kept(tmp_path):
    deep = (atoms() * 300).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read.load([tmp_path / "a.png"])["image"][0, 0], deep)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_tiff_stack_is_a_series_in_time_with_the_scale_of_imagej(tmp_path, compression):
    import tifffile

    frames = np.stack([atoms(seed=k) for k in range(5)]).astype(np.float32)
    tifffile.imwrite(
        tmp_path / "movie.tif",
        frames,
        imagej=compression is None,
        compression=compression,
        resolution=(40, 40),
        metadata={"axes": "TYX", "unit": "nm"},
    )
    image = read.load([tmp_path / "movie.tif"])
    np.testing.assert_array_equal(image["image"][:, 0], frames)
    if compression is None:
        assert image.attrs["pixel_size"] == pytest.approx(0.025)
        assert image.attrs["pixel_unit"] == "nm"


@pytest.mark.parametrize(("unit", "size"), [("µm", 25.0), ("nm", 0.025), ("cm", None)])
def test_the_scale_of_imagej_and_ome_holds_along_both_sides(tmp_path, unit, size):
    import tifffile

    data = atoms().astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(40, 20),
        metadata={"unit": unit.replace("µ", "\\u00B5")},  # as ImageJ writes it
    )
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        data,
        metadata={
            "axes": "YX",
            "PhysicalSizeX": 0.025,
            "PhysicalSizeXUnit": unit,
            "PhysicalSizeY": 0.05,
            "PhysicalSizeYUnit": unit,
        },
    )
    for name in ("a.tif", "a.ome.tif"):
        attrs = read.load([tmp_path / name]).attrs
        if size is None:
            assert attrs["calibrated"] is False
        else:
            assert attrs["pixel_unit"] == "nm"
            assert attrs["pixel_size"] == pytest.approx(size)
            assert (attrs["resampled_axis"], attrs["resampled_factor"]) == ("y", 2)


def test_print_resolution_is_not_taken_for_the_scale_of_the_specimen(tmp_path):
    Image.fromarray(atoms().astype(np.uint8)).save(tmp_path / "a.tif", dpi=(300, 300))
    assert read.load([tmp_path / "a.tif"]).attrs["calibrated"] is False


@pytest.mark.parametrize("extension", ["hspy", "zspy", "emd"])
def test_hyperspy_and_emd_files_keep_scale_unit_and_metadata(tmp_path, extension):
    made = signal(atoms().astype("f4"), y=(25.0, "pm", False), x=(25.0, "pm", False))
    path = tmp_path / f"a.{extension}"
    if extension == "zspy":
        write_zspy(path, made)
    else:
        importlib.import_module(f"rsciio.{extension}").file_writer(str(path), made)
    image = read.load([path])
    np.testing.assert_array_equal(image["image"][0, 0], made["data"])
    assert image.attrs["pixel_size"] == pytest.approx(0.025)
    assert image.attrs["pixel_unit"] == "nm"
    assert "HAADF" in image.attrs["vendor_metadata"]
    assert len(image.attrs["source_sha256"][0]) == 64


def test_a_movie_in_hspy_keeps_its_frame_time(tmp_path):
    from rsciio import hspy

    frames = np.stack([atoms(seed=k) for k in range(3)])
    made = signal(frames, t=(0.5, "s", True), y=(1.0, "Å", False), x=(2.0, "Å", False))
    hspy.file_writer(str(tmp_path / "m.hspy"), made)
    image = read.load([tmp_path / "m.hspy"])
    assert list(image["time"].values) == [0, 0.5, 1]
    assert image["time"].attrs["units"] == "s"
    assert image.attrs["pixel_size"] == pytest.approx(0.1)
    assert (image.attrs["resampled_axis"], image.attrs["resampled_factor"]) == ("x", 2)
    assert float(image["y"][10]) == pytest.approx(1.0)
    np.testing.assert_allclose(image["image"].values[:, 0, :, ::2], frames, atol=1e-5)


def test_a_file_with_spectra_only_says_what_it_holds(tmp_path):
    from rsciio import hspy

    cube = np.random.default_rng(0).random((20, 20, 100))
    made = signal(cube, "EELS", y=(1.0, "nm", True), x=(1.0, "nm", True), loss=(0.5, "eV", False))
    hspy.file_writer(str(tmp_path / "s.hspy"), made)
    with pytest.raises(UserError, match=r"EELS \(20 × 20 × 100.*`spectra: read: true`"):
        read.load([tmp_path / "s.hspy"])


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc_of_either_byte_order_is_read_with_its_cell(tmp_path, order):
    data = (atoms() * 10).astype(f"{order}i2")
    header = np.zeros(256, f"{order}i4")
    header[:4] = data.shape[1], data.shape[0], 1, 1
    header[7:10] = data.shape[1], data.shape[0], 1
    header[10:13] = np.array([64 * 0.2, 48 * 0.2, 0.2], f"{order}f4").view(header.dtype)
    raw = bytearray(header.tobytes())
    raw[208:216] = b"MAP " + (b"\x11\x11\0\0" if order == ">" else b"\x44\x44\0\0")
    (tmp_path / "a.mrc").write_bytes(bytes(raw) + data.tobytes())
    image = read.load([tmp_path / "a.mrc"])
    np.testing.assert_array_equal(image["image"][0, 0], data)
    assert image.attrs["pixel_size"] == pytest.approx(0.02)


def test_pynsid_images_are_channels_in_the_order_of_the_screen(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for k, (quantity, unit) in enumerate((("Amplitude", "m"), ("Phase", "deg"))):
            group = file.create_group(f"Measurement_000/Channel_{k}/Channel_{k}")
            main = group.create_dataset(f"Channel_{k}", data=atoms(seed=k).T.astype("f4"))
            main.attrs.update(
                main_data_name="generic", data_type="IMAGE", quantity=quantity, units=unit
            )
            for axis, (name, size) in enumerate((("x", 64), ("y", 48))):
                scale = group.create_dataset(name, data=np.arange(size) * 4e-9)
                scale.make_scale(name)
                scale.attrs.update(units="m", dimension_type="SPATIAL", quantity=name)
                main.dims[axis].label = name
                main.dims[axis].attach_scale(scale)
            group.create_group("original_metadata").attrs["ScanSize"] = "2e-6"
    image = read.load([tmp_path / "a.h5"])
    assert list(image["channel"].values) == ["Amplitude", "Phase cos", "Phase sin"]
    assert image.attrs["channel_units"] == ["m", "1", "1"]
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (4.0, "nm")
    np.testing.assert_array_equal(image["image"][0, 0], atoms(seed=0).astype("f4"))
    turn = np.radians(atoms(seed=1).astype("f4"))
    np.testing.assert_allclose(image["image"][0, 1], np.cos(turn), atol=1e-6)
    np.testing.assert_allclose(image["image"][0, 2], np.sin(turn), atol=1e-6)
    assert "ScanSize" in image.attrs["vendor_metadata"]
    phase = read.load([tmp_path / "a.h5"], {"array": "Phase"})
    assert list(phase["channel"].values) == ["Phase cos", "Phase sin"]


def test_usid_datasets_are_folded_back_into_images(tmp_path):
    picture = atoms().astype("f4")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("Measurement_000/Channel_000")
        y, x = (grid.ravel() for grid in np.mgrid[:48, :64])
        for name, scale in (("Position_Indices", 1), ("Position_Values", 2e-9)):
            made = group.create_dataset(name, data=np.stack([x, y], 1) * scale)
            made.attrs["labels"], made.attrs["units"] = ["X", "Y"], ["m", "m"]
        for name in ("Spectroscopic_Indices", "Spectroscopic_Values"):
            group.create_dataset(name, data=np.zeros((1, 1)))
        main = group.create_dataset("Raw_Data", data=picture.reshape(-1, 1))
        main.attrs.update(quantity="Height", units="m")
        for name in list(group):
            if name != "Raw_Data":
                main.attrs[name] = group[name].ref
    image = read.load([tmp_path / "a.h5"])
    np.testing.assert_array_equal(image["image"][0, 0], picture)
    assert list(image["channel"].values) == ["Height"]
    assert image.attrs["pixel_size"] == pytest.approx(2.0)


def test_other_hdf5_files_give_their_only_image_or_ask_which(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/detector/data"] = atoms()
        file["entry/detector/data"].attrs.update(pixel_size=0.1, units="nm")
        file["entry/energy"] = np.arange(100.0)
        file["entry/title"] = "a text"
    image = read.load([tmp_path / "a.h5"])
    np.testing.assert_allclose(image["image"][0, 0], atoms(), rtol=1e-6)
    assert image.attrs["pixel_size"] == pytest.approx(0.1)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["entry/other"] = atoms(seed=1)
    with pytest.raises(UserError, match=r"entry/detector/data.*entry/other"):
        read.load([tmp_path / "a.h5"])
    named = read.load([tmp_path / "a.h5"], {"array": "other"})
    np.testing.assert_allclose(named["image"][0, 0], atoms(seed=1), rtol=1e-6)


def test_a_nanonis_scan_is_turned_as_on_the_screen(tmp_path):
    picture = atoms().astype(">f4")
    head = (
        ":NANONIS_VERSION:\n2\n:SCANIT_TYPE:\n              FLOAT            MSBFIRST\n"
        ":SCAN_PIXELS:\n       64       48\n:SCAN_RANGE:\n  6.4E-9  4.8E-9\n:SCAN_DIR:\nup\n"
        ":Z-CONTROLLER>TIP LIFT:\n0.0\n"
        ":DATA_INFO:\n\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
        "\t14\tZ\tm\tboth\t1.0\t0.0\n\n:SCANIT_END:\n\n\n"
    )
    body = picture[::-1].tobytes() + picture[::-1, ::-1].tobytes()
    (tmp_path / "a.sxm").write_bytes(head.encode() + b"\x1a\x04" + body)
    image = read.load([tmp_path / "a.sxm"])
    assert list(image["channel"].values) == ["Z forward", "Z backward"]
    np.testing.assert_array_equal(image["image"][0, 0], picture)
    np.testing.assert_array_equal(image["image"][0, 1], picture)
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (0.1, "nm")
    assert "TIP LIFT" in image.attrs["vendor_metadata"]
    (tmp_path / "a.sxm").write_bytes(head.encode() + b"\x1a\x04" + body[:-100])
    with pytest.raises(UserError, match="the file ends after"):
        read.load([tmp_path / "a.sxm"])


def test_the_height_map_of_a_nanonis_grid_is_its_image(tmp_path):
    grid = np.random.default_rng(0).random((20, 24, 4 + 2 * 5)).astype(">f4")
    head = (
        'Grid dim="24 x 20"\r\nGrid settings=0;0;4.8E-9;4E-9;0\r\nSweep Signal="Bias (V)"\r\n'
        'Fixed parameters="Sweep Start;Sweep End"\r\nExperiment parameters="X (m);Z (m)"\r\n'
        '# Parameters (4 byte)=4\r\nPoints=5\r\nChannels="Current (A);LockinX (V)"\r\n'
        ":HEADER_END:\r\n"
    )
    (tmp_path / "a.3ds").write_bytes(head.encode() + grid.tobytes())
    image = read.load([tmp_path / "a.3ds"])
    np.testing.assert_array_equal(image["image"][0, 0], grid[::-1, :, 3])
    assert image.attrs["channel_units"] == ["m"]
    assert image.attrs["pixel_size"] == pytest.approx(0.2)


def test_an_asylum_scan_has_the_names_units_and_scale_of_its_channels(tmp_path):
    pictures = np.stack([atoms(seed=k) for k in range(2)], -1).astype("f4")
    names = ["AmplitudeRetrace", "PhaseRetrace"]
    note = "ScanSize: 2e-6\rImagingMode: PFM Mode\r"
    write_ibw(tmp_path / "a.ibw", pictures.transpose(1, 0, 2), names, note)
    image = read.load([tmp_path / "a.ibw"])
    parts = ["PhaseRetrace cos", "PhaseRetrace sin"]
    assert list(image["channel"].values) == ["AmplitudeRetrace", *parts]
    assert image.attrs["channel_units"] == ["m", "1", "1"]
    assert (image.attrs["pixel_size"], image.attrs["pixel_unit"]) == (4.0, "nm")
    assert "PFM Mode" in image.attrs["vendor_metadata"]
    # The first line was scanned at the bottom.
    np.testing.assert_array_equal(image["image"][0, 0], pictures[::-1, :, 0])
    turn = np.radians(pictures[::-1, :, 1])
    np.testing.assert_allclose(image["image"][0, 2], np.sin(turn), atol=1e-6)
    phase = read.load([tmp_path / "a.ibw"], {"channel": "phase"})
    assert list(phase["channel"].values) == parts
    whole = (tmp_path / "a.ibw").read_bytes()
    (tmp_path / "a.ibw").write_bytes(whole[:5000])
    with pytest.raises(UserError, match="the file ends after 5,000 of"):
        read.load([tmp_path / "a.ibw"])


def test_several_files_are_frames_in_the_order_of_their_numbers(tmp_path):
    for k in (10, 2, 1):
        np.save(tmp_path / f"frame{k}.npy", atoms(seed=k))
    image = read.load(list(tmp_path.glob("*.npy")))
    assert image.attrs["source_files"] == ["frame1.npy", "frame2.npy", "frame10.npy"]
    assert len(set(image.attrs["source_sha256"])) == 3
    np.testing.assert_allclose(image["image"][2, 0], atoms(seed=10), rtol=1e-6)
    np.save(tmp_path / "frame3.npy", atoms(height=32))
    with pytest.raises(UserError, match=r"frame3.*equal shapes"):
        read.load(list(tmp_path.glob("*.npy")))


def test_a_large_array_is_never_held_as_a_whole(tmp_path):
    """48 MB on disk; what the reader itself holds stays below a few chunks of 4 MB."""
    import tracemalloc

    big = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "<f4", (12, 1000, 1000))
    big[:] = np.random.default_rng(0).random((1, 1000, 1000), np.float32)
    big.flush()
    del big
    with dask.config.set(scheduler="synchronous"):
        tracemalloc.start()
        image = read.load([tmp_path / "a.npy"])
        image["image"].mean().compute()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 40e6
    assert set(image["image"].data.chunksize) == {1, 1000}
