"""Of files that hold several images, a recipe takes the one it means, by name or by number."""

import importlib
import re

import h5py
import numpy as np
import pytest
from reading import atoms, signal, write_velox

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import chosen

SECOND = atoms(40, 56, seed=1)


def npz(path):
    np.savez(path, overview=atoms(), detail=SECOND)


def hdf5(path):
    with h5py.File(path, "w") as file:
        file["scan/overview"], file["scan/detail"] = atoms(), SECOND
        file["scan/x"] = np.arange(64.0)


def pynsid(path):
    with h5py.File(path, "w") as file:
        for k, (name, image) in enumerate((("overview", atoms()), ("detail", SECOND))):
            group = file.create_group(f"Measurement_000/Channel_{k:03}/data")
            main = group.create_dataset("data", data=image)
            main.attrs.update(main_data_name="generic", quantity=name, units="m")
            for axis, word in enumerate("yx"):
                scale = group.create_dataset(word, data=np.arange(image.shape[axis]) * 4e-9)
                scale.make_scale(word)
                scale.attrs.update(units="m", dimension_type="SPATIAL")
                main.dims[axis].label = word
                main.dims[axis].attach_scale(scale)


def usid(path):
    with h5py.File(path, "w") as file:
        for k, (name, image) in enumerate((("overview", atoms()), ("detail", SECOND))):
            group = file.create_group(f"Measurement_000/Channel_{k:03}")
            y, x = (grid.ravel() for grid in np.indices(image.shape))
            for word in ("Position_Indices", "Position_Values"):
                made = group.create_dataset(word, data=np.stack([x, y], 1))
                made.attrs["labels"], made.attrs["units"] = ["X", "Y"], ["m", "m"]
            for word in ("Spectroscopic_Indices", "Spectroscopic_Values"):
                group.create_dataset(word, data=np.zeros((1, 1)))
            main = group.create_dataset("Raw_Data", data=image.reshape(-1, 1))
            main.attrs.update(quantity=name, units="m")
            for word in list(group):
                if word != "Raw_Data":
                    main.attrs[word] = group[word].ref


def hspy(path):
    writer = importlib.import_module("rsciio.hspy").file_writer
    for name, image in (("overview", atoms()), ("detail", SECOND)):
        axes = {"y": (0.1, "nm", False), "x": (0.1, "nm", False)}
        writer(str(path.with_name(f"{name}.hspy")), signal(image, name, **axes))
    with h5py.File(path, "w") as file:
        for name in ("overview", "detail"):
            with h5py.File(path.with_name(f"{name}.hspy")) as one:
                file.attrs.update(one.attrs)
                one.copy(f"Experiments/{name}", file.require_group("Experiments"))


def velox(path):
    write_velox(path, {"overview": atoms(), "detail": SECOND})


FORMATS = {"npz": npz, "h5": hdf5, "nsid": pynsid, "usid": usid, "hspy": hspy, "emd": velox}


@pytest.mark.parametrize("extension", FORMATS)
def test_every_name_and_number_that_a_file_lists_may_stand_in_the_recipe(tmp_path, extension):
    path = tmp_path / f"a.{extension}"
    FORMATS[extension](path)
    with pytest.raises(UserError, match="`ingest: array`") as refused:
        read.load([path])
    listed = dict(re.findall(r"(\d+): (\S+) \(", refused.value.found))
    assert len(listed) >= 2
    number = next(number for number, name in listed.items() if "detail" in name or "001" in name)
    for wanted in ("detail", int(number), float(number), number, listed[number]):
        if extension == "usid" and wanted == listed[number]:
            wanted = "Measurement_000/Channel_001/Raw_Data"
        image = read.load([path], {"array": wanted})["image"]
        np.testing.assert_array_equal(image[0, 0], SECOND.astype(np.float32))
    for wanted in ("nothing", 99, -1):
        with pytest.raises(UserError, match=f"names {wanted!r}, which is") as refused:
            read.load([path], {"array": wanted})
        assert "0: " in refused.value.found


@pytest.mark.parametrize("wanted", [0.5, True, [0]])
def test_what_is_neither_a_name_nor_a_number_is_refused(tmp_path, wanted):
    npz(tmp_path / "a.npz")
    with pytest.raises(UserError, match="array"):
        read.load([tmp_path / "a.npz"], {"array": wanted})


def test_numbers_of_a_tiff_count_its_previews_too(tmp_path):
    import tifffile

    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for image in (atoms(), atoms(20, 24), SECOND):
            file.write(image.astype(np.uint16))
    with pytest.raises(UserError, match=r"2: untitled \(40 × 56"):
        read.load([tmp_path / "a.tif"])
    image = read.load([tmp_path / "a.tif"], {"array": 2})["image"]
    np.testing.assert_array_equal(image[0, 0], SECOND.astype(np.uint16))
    preview = read.load([tmp_path / "a.tif"], {"array": 1})["image"]
    assert preview.shape[2:] == (20, 24)


@pytest.mark.parametrize("extension", ["npy", "png"])
def test_a_file_with_a_single_image_has_no_second_one(tmp_path, extension):
    from PIL import Image

    path = tmp_path / f"a.{extension}"
    if extension == "npy":
        np.save(path, atoms())
    else:
        Image.fromarray(atoms().astype(np.uint8)).save(path)
    assert read.load([path], {"array": 0})["image"].shape[2:] == (48, 64)
    with pytest.raises(UserError, match="holds a single image"):
        read.load([path], {"array": 1})


def test_detectors_recorded_at_once_are_channels_under_their_names(tmp_path):
    write_velox(tmp_path / "a.emd", {"BF": atoms(), "HAADF": atoms(seed=1)})
    image = read.load([tmp_path / "a.emd"])
    assert list(image["channel"].values) == ["BF", "HAADF"]
    assert image.attrs["pixel_size"] == pytest.approx(0.05)
    for wanted in ("HAADF", "haadf", 1):
        one = read.load([tmp_path / "a.emd"], {"channel": wanted})
        assert list(one["channel"].values) == ["HAADF"]
        np.testing.assert_array_equal(one["image"][0, 0], atoms(seed=1).astype(np.float32))


def test_names_go_before_numbers_and_whole_numbers_before_names():
    assert chosen.numbers("1", ["0", "2", "1"]) == [2]
    assert chosen.numbers(1, ["0", "2", "1"]) == [1]
    assert chosen.numbers("haadf", ["HAADF", "haadf"]) == [1]
    assert chosen.numbers("raw", [("a/raw", "Height"), ("b/raw", "raw")]) == [1]
    assert chosen.numbers("²", ["a", "b", "c"]) == []
