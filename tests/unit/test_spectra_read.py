"""Spectra of every kind of file arrive in one order, with their axis, on the grid of the image."""

import h5py
import numpy as np
import pytest
from reading import atoms, signal

from vaescope import read
from vaescope.errors import UserError

READ = {"read": True}


def cube(height=17, width=20, channels=64, seed=0, counts=False):
    """(height, width, channels): a peak whose place and height vary from place to place."""
    rng = np.random.default_rng(seed)
    y, x, e = np.mgrid[:height, :width, :channels]
    place = channels * (0.3 + 0.4 * y / height) + 0.2 * x
    made = 20 + 100 * np.exp(-(((e - place) / 3) ** 2)) * (1 + x / width)
    return rng.poisson(made).astype("f4") if counts else made + rng.normal(0, 1, made.shape)


def load(path, settings=None, **options):
    settings = READ | (settings or {})
    image = read.load(path, spectra=settings, **options)
    return image, read.load_spectra(path, settings, **options)


def hspy(path, *signals):
    from rsciio import hspy as writer

    writer.file_writer(str(path), signals[0])
    return path


@pytest.mark.parametrize(
    ("name", "unit", "called", "written"),
    [
        ("Energy loss", "eV", "energy loss", "eV"),
        ("Energy", "keV", "energy", "keV"),
        ("Wavelength", "nm", "wavelength", "nm"),
        ("Raman Shift", "1/cm", "Raman shift", "cm-1"),
        ("", "cm^-1", "wavenumber", "cm-1"),
        ("Bias", "V", "bias", "V"),
        ("delay", "ns", "delay", "ns"),
        ("", "", "channel", "1"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_the_axis_of_a_vendor_file_is_named_as_the_file_says(
    tmp_path, name, unit, called, written, first
):
    data = cube()
    axes = {"y": (2.0, "nm", True), "x": (2.0, "nm", True), name: (0.5, unit, False)}
    if first:
        data, axes = np.moveaxis(data, -1, 0), {name: axes[name], **axes}
        axes = {key: axes[key] for key in (name, "y", "x")}
    path = hspy(tmp_path / "a.hspy", signal(data, "cube", **axes))
    image, spectra = load(path)
    assert spectra["spectra"].dims == ("time", "y", "x", "energy")
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-6)
    axis = spectra["energy"]
    assert axis.attrs == {"long_name": called, "units": written}
    np.testing.assert_allclose(axis, 0.5 * np.arange(64))
    assert spectra.attrs["calibrated"] is (written != "1")
    assert spectra["y"].values[1] == pytest.approx(2) and spectra["y"].attrs["units"] == "nm"
    np.testing.assert_allclose(image["image"].values[0, 0], cube().sum(-1), rtol=1e-5)
    over = "channels" if called == "channel" else called
    assert image.attrs["image_from"] == spectra.attrs["image_from"] == f"sum over {over}"
    assert (spectra.attrs["pitch_y"], spectra.attrs["start_x"]) == (1, 0)


@pytest.mark.parametrize(
    ("how", "expected", "words"),
    [
        ("max", lambda c: c.max(-1), "maximum over channels"),
        ([10, 20], lambda c: c[..., 10:21].sum(-1), "sum over channels from 10 to 20"),
    ],
)
def test_an_image_is_made_of_spectra_as_the_recipe_says(tmp_path, how, expected, words):
    np.save(tmp_path / "a.npy", cube())
    image, spectra = load(tmp_path / "a.npy", {"image": how})
    np.testing.assert_allclose(image["image"].values[0, 0], expected(cube()), rtol=1e-5)
    assert spectra.attrs["image_from"] == words


@pytest.mark.parametrize("factor", [1, 4])
def test_an_npz_holds_image_spectra_and_axis(tmp_path, factor):
    energy = np.linspace(1.5, 3.0, 64)
    picture = atoms(17 * factor, 20 * factor)
    truth = {"truth_shift": np.arange(340.0).reshape(17, 20)}
    np.savez(tmp_path / "a.npz", image=picture, spectra=cube(), energy=energy, **truth)
    image, spectra = load(tmp_path / "a.npz")
    np.testing.assert_allclose(image["image"].values[0, 0], picture, rtol=1e-6)
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    np.testing.assert_allclose(spectra["energy"], energy)
    assert spectra["energy"].attrs == {"long_name": "energy", "units": "1"}
    assert "image_from" not in image.attrs and spectra.attrs["image_from"] == ""
    assert spectra.attrs["pitch_y"] == spectra.attrs["pitch_x"] == factor
    assert spectra.attrs["start_y"] == (factor - 1) / 2
    np.testing.assert_array_equal(spectra["truth_shift"].values[0], truth["truth_shift"])


def test_the_unit_of_an_axis_stands_beside_it(tmp_path):
    energy = np.linspace(1.5, 3.0, 64)
    np.savez(tmp_path / "a.npz", spectra=cube(), energy=energy, energy_units="eV")
    _, spectra = load(tmp_path / "a.npz")
    assert spectra["energy"].attrs["units"] == "eV" and spectra.attrs["calibrated"]


def test_patches_with_a_spectrum_each_are_frames(tmp_path):
    patches = np.stack([atoms(24, 32, seed=k) for k in range(30)])
    curves = cube().reshape(-1, 64)[:30]
    np.savez(tmp_path / "a.npz", patches=patches, spectra=curves, truth_size=np.arange(30.0))
    image, spectra = load(tmp_path / "a.npz")
    assert dict(image["image"].sizes) == {"time": 30, "channel": 1, "y": 24, "x": 32}
    assert dict(spectra["spectra"].sizes) == {"time": 30, "y": 1, "x": 1, "energy": 64}
    np.testing.assert_allclose(spectra["spectra"].values[:, 0, 0], curves, rtol=1e-5)
    assert [spectra.attrs[name] for name in ("pitch_y", "pitch_x")] == [24, 32]
    assert spectra.attrs["start_y"] == 11.5
    np.testing.assert_array_equal(image["truth_size"], np.arange(30))
    assert "truth_spectra" not in image


def test_a_cube_with_the_energy_first_is_turned_where_the_axis_says_so(tmp_path):
    turned = np.moveaxis(cube(), -1, 0)
    np.savez(tmp_path / "a.npz", spectra=turned, energy=np.arange(64.0))
    _, spectra = load(tmp_path / "a.npz")
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    np.savez(tmp_path / "b.npz", spectra=turned, image=atoms(17, 20))
    _, spectra = load(tmp_path / "b.npz")
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(64, 17, 20), (64, 20, 20)])
def test_a_cube_that_may_have_the_energy_first_is_refused_until_the_recipe_says(tmp_path, shape):
    data = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(UserError, match="which axis of the spectra") as error:
        load(tmp_path / "a.npy")
    assert "spectra: axis: first" in str(error.value)
    _, spectra = load(tmp_path / "a.npy", {"axis": "first"})
    np.testing.assert_allclose(spectra["spectra"].values[0], np.moveaxis(data, 0, -1), rtol=1e-5)


def test_an_axis_of_another_length_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", spectra=cube(), energy=np.arange(63.0))
    with pytest.raises(UserError, match="does not have their length"):
        load(tmp_path / "a.npz")


def test_image_and_spectra_may_be_in_two_files(tmp_path):
    np.save(tmp_path / "spectra.npy", cube())
    np.save(tmp_path / "image.npy", atoms(17 * 8, 20 * 8))
    files = {"spectra_paths": tmp_path / "spectra.npy"}
    image, spectra = load(tmp_path / "image.npy", **files)
    assert image.sizes["y"] == 136 and spectra.attrs["pitch_x"] == 8
    assert spectra.attrs["start_y"] == 3.5 and spectra["y"].values[1] == 11.5
    assert spectra.attrs["source_files"] == ["spectra.npy"]


def test_an_image_of_other_proportions_is_refused_with_the_remedy(tmp_path):
    np.savez(tmp_path / "a.npz", image=atoms(64, 64), spectra=cube(17, 20))
    with pytest.raises(UserError, match="other proportions") as error:
        load(tmp_path / "a.npz")
    assert "pitch_y" in error.value.remedy
    _, spectra = load(tmp_path / "a.npz", {"pitch_y": 2, "start_y": 10, "start_x": 12})
    assert [spectra.attrs[n] for n in ("pitch_x", "start_y", "start_x")] == [2, 10, 12]
    with pytest.raises(UserError, match="beyond the image"):
        load(tmp_path / "a.npz", {"pitch_y": 5})


def test_an_image_on_its_side_is_named_so(tmp_path):
    np.savez(tmp_path / "a.npz", image=atoms(80, 34), spectra=cube(17, 40))
    with pytest.raises(UserError, match="lies on its side"):
        load(tmp_path / "a.npz")


def test_spectra_on_a_part_of_the_image_lie_where_the_files_say(tmp_path):
    picture = signal(atoms(100, 120), "HAADF", y=(1.0, "nm", False), x=(1.0, "nm", False))
    axes = {"y": (2.0, "nm", True), "x": (2.0, "nm", True), "Energy": (1.0, "eV", False)}
    grid = signal(cube(), "EELS", **axes)
    hspy(tmp_path / "image.hspy", picture)
    path = hspy(tmp_path / "cube.hspy", grid)
    with pytest.raises(UserError, match="do not say which"):
        load(tmp_path / "image.hspy", spectra_paths=path)
    for axis, offset in zip(grid["axes"], (30.0, 40.0), strict=False):
        axis["offset"] = offset
    path = hspy(tmp_path / "placed.hspy", grid)
    _, spectra = load(tmp_path / "image.hspy", spectra_paths=path)
    placed = [spectra.attrs[name] for name in ("pitch_y", "start_y", "start_x")]
    assert placed == pytest.approx([2, 30.5, 40.5])


def test_oblong_pixels_are_made_square_and_the_grid_follows(tmp_path):
    axes = {"y": (4.0, "nm", True), "x": (2.0, "nm", True), "Energy": (1.0, "eV", False)}
    image, spectra = load(hspy(tmp_path / "a.hspy", signal(cube(), "EELS", **axes)))
    assert image.sizes["y"] == 33 and image.attrs["pixel_size"] == 2
    assert (spectra.attrs["pitch_y"], spectra.attrs["pitch_x"]) == (2, 1)
    assert spectra["y"].values[3] == image["y"].values[6] == 12


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (9, 3)])
def test_grids_too_small_for_an_image_are_read(tmp_path, height, width):
    axes = {"y": (2.0, "nm", True), "x": (2.0, "nm", True), "Energy": (1.0, "eV", False)}
    path = hspy(tmp_path / "a.hspy", signal(cube(height, width), "EELS", **axes))
    image, spectra = load(path)
    assert image["image"].shape == (1, 1, height, width)
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(height, width), rtol=1e-5)


def test_a_file_of_one_spectrum_is_read(tmp_path):
    from rsciio import msa

    made = signal(cube(1, 1, 64)[0, 0], "one", Energy=(0.5, "eV", False))
    msa.file_writer(str(tmp_path / "a.msa"), made)
    _, spectra = load(tmp_path / "a.msa")
    assert spectra["spectra"].shape == (1, 1, 1, 64)
    np.testing.assert_allclose(spectra["spectra"].values[0, 0, 0], cube(1, 1, 64)[0, 0], rtol=1e-4)
    assert spectra["energy"].attrs == {"long_name": "energy", "units": "eV"}
    with pytest.raises(UserError, match="holds spectra, not an image"):
        read.load(tmp_path / "a.msa")


def test_several_files_are_frames(tmp_path):
    for k in range(3):
        np.savez(tmp_path / f"{k}.npz", image=atoms(17, 20, seed=k), spectra=cube(seed=k))
    paths = [tmp_path / f"{k}.npz" for k in range(3)]
    image, spectra = load(paths)
    assert image.sizes["time"] == spectra.sizes["time"] == 3
    np.testing.assert_allclose(spectra["spectra"].values[2], cube(seed=2), rtol=1e-5)
    np.savez(tmp_path / "2.npz", image=atoms(17, 20), spectra=cube(channels=60))
    with pytest.raises(UserError, match="equal grids and axes"):
        load(paths)


def test_a_file_without_spectra_says_so(tmp_path):
    path = hspy(
        tmp_path / "a.hspy", signal(atoms(), "HAADF", y=(1.0, "nm", False), x=(1.0, "nm", False))
    )
    with pytest.raises(UserError, match="no spectra in this file") as error:
        load(path)
    assert "HAADF" in error.value.found and "spectra" in error.value.remedy


def test_several_signals_are_listed_until_the_recipe_names_one(tmp_path):
    np.savez(tmp_path / "a.npz", low=cube(seed=1), core=cube(seed=2))
    with pytest.raises(UserError, match="several signals") as error:
        load(tmp_path / "a.npz")
    assert "core" in error.value.found and "spectra: array" in error.value.remedy
    for wanted in ("core", 1):
        _, spectra = load(tmp_path / "a.npz", {"array": wanted})
        np.testing.assert_allclose(spectra["spectra"].values[0], cube(seed=2), rtol=1e-5)
    with pytest.raises(UserError, match="not exactly one signal"):
        load(tmp_path / "a.npz", {"array": "other"})


def test_complex_spectra_are_read_by_their_magnitude(tmp_path):
    data = cube() * np.exp(0.3j)
    np.savez(tmp_path / "a.npz", spectra=data)
    _, spectra = load(tmp_path / "a.npz")
    np.testing.assert_allclose(spectra["spectra"].values[0], abs(cube()), rtol=1e-4)
    assert spectra["spectra"].attrs["long_name"] == "magnitude"


def nsid(path, data, kinds):
    """A pyNSID dataset; ``kinds``: (label, unit, dimension type, values) of every dimension."""
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000/main")
        main = group.create_dataset("main", data=data)
        main.attrs.update(main_data_name="main", quantity="Piezoresponse", units="pm")
        for k, (label, unit, kind, values) in enumerate(kinds):
            scale = group.create_dataset(label, data=values)
            scale.attrs.update(units=unit, dimension_type=kind, quantity=label)
            scale.make_scale(label)
            main.dims[k].label = label
            main.dims[k].attach_scale(scale)
    return path


def test_a_pynsid_cube_has_named_dimensions(tmp_path):
    grid = (("x", 20), ("y", 17))
    kinds = [(n, "nm", "SPATIAL", 3.0 * np.arange(s)) for n, s in grid]
    kinds.append(("Voltage", "V", "SPECTRAL", np.linspace(-5, 5, 64)))
    path = nsid(tmp_path / "a.h5", cube().transpose(1, 0, 2), kinds)
    _, spectra = load(path)
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    assert spectra["energy"].attrs == {"long_name": "bias", "units": "V"}
    assert spectra["spectra"].attrs == {"long_name": "Piezoresponse", "units": "pm"}
    np.testing.assert_allclose(spectra["energy"], np.linspace(-5, 5, 64))
    assert spectra["x"].values[1] == pytest.approx(3)


def usid(path, data, positions, values, fields=None):
    """A USID dataset of positions × spectroscopic values."""
    with h5py.File(path, "w") as file:
        group = file.create_group("Measurement_000/Channel_000")

        def table(name, labels, units, numbers):
            one = group.create_dataset(name, data=numbers)
            one.attrs["labels"] = np.array(labels, "S")
            one.attrs["units"] = np.array(units, "S")
            return one.ref

        main = group.create_dataset("Raw_Data", data=data)
        main.attrs.update(quantity="Response", units="a.u.")
        names = [n for n, _, _ in positions], [n for n, _, _ in values]
        units = [u for _, u, _ in positions], [u for _, u, _ in values]
        for kind, n, u, axes, turn in (
            ("Position", names[0], units[0], positions, False),
            ("Spectroscopic", names[1], units[1], values, True),
        ):
            lengths = [len(v) for _, _, v in axes]
            index = np.indices(lengths[::-1]).reshape(len(axes), -1)[::-1].T
            given = np.stack([np.asarray(v)[index[:, k]] for k, (_, _, v) in enumerate(axes)], 1)
            index = index.astype("u4")
            main.attrs[f"{kind}_Indices"] = table(
                f"{kind}_Indices", n, u, index.T if turn else index
            )
            main.attrs[f"{kind}_Values"] = table(f"{kind}_Values", n, u, given.T if turn else given)
    return path


def test_compound_loops_of_a_usid_file_are_signals_of_their_own(tmp_path):
    kind = np.dtype([("Amplitude", "f4"), ("Phase", "f4")])
    loops = np.zeros((340, 128), kind)
    bias = np.r_[np.linspace(-5, 5, 32), np.linspace(5, -5, 32)]
    first, second = cube(seed=1).reshape(340, 64), cube(seed=2).reshape(340, 64)
    loops["Amplitude"] = np.concatenate([first, second], 1)
    places = [("X", "nm", 2.0 * np.arange(20)), ("Y", "nm", 2.0 * np.arange(17))]
    steps = [("DC_Offset", "V", bias), ("Cycle", "", np.arange(2.0))]
    path = usid(tmp_path / "a.h5", loops, places, steps)
    with pytest.raises(UserError, match="several signals") as error:
        load(path)
    assert "Amplitude Cycle 1" in error.value.found and "Phase Cycle 0" in error.value.found
    _, spectra = load(path, {"array": "Response Amplitude Cycle 1"})
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(seed=2), rtol=1e-5)
    np.testing.assert_allclose(spectra["energy"], bias)
    assert spectra["energy"].attrs == {"long_name": "bias", "units": "V"}
    assert spectra["y"].values[1] == pytest.approx(2)


def test_a_usid_scan_that_was_stopped_keeps_what_was_measured(tmp_path):
    places = [("X", "nm", 2.0 * np.arange(20)), ("Y", "nm", 2.0 * np.arange(17))]
    path = usid(
        tmp_path / "a.h5", cube().reshape(340, 64), places, [("Bias", "V", np.arange(64.0))]
    )
    with h5py.File(path, "r+") as file:
        group = file["Measurement_000/Channel_000"]
        for name in ("Raw_Data", "Position_Indices", "Position_Values"):
            kept, about = group[name][:333], dict(group[name].attrs)
            del group[name]
            group.create_dataset(name, data=kept).attrs.update(about)
        for name in ("Position_Indices", "Position_Values"):
            group["Raw_Data"].attrs[name] = group[name].ref
    _, spectra = load(path)
    measured = spectra["measured"].values[0]
    assert measured.shape == (17, 20) and measured.sum() == 333 and not measured[-1, 13:].any()
    np.testing.assert_allclose(spectra["spectra"].values[0][measured], cube()[measured], rtol=1e-5)


def test_two_spectral_axes_are_named(tmp_path):
    axes = {"Bias": (0.1, "V", True), "Energy": (1.0, "eV", False)}
    path = hspy(tmp_path / "a.hspy", signal(cube()[:, 0], "streak", **axes))
    with pytest.raises(UserError, match="bias and energy are all spectral"):
        load(path)


def test_a_plain_hdf5_file_is_read_by_its_names_or_scales(tmp_path):
    energy = np.linspace(400, 700, 64)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/spectra"] = np.moveaxis(cube(), -1, 0)
        file["group/wavelength"] = energy
        file["group/image"] = atoms(34, 40)
    image, spectra = load(tmp_path / "a.h5")
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    assert spectra["energy"].attrs["long_name"] == "wavelength"
    assert image.sizes["y"] == 34 and spectra.attrs["pitch_x"] == 2
    with h5py.File(tmp_path / "b.h5", "w") as file:
        one = file.create_dataset("counts", data=np.moveaxis(cube(), -1, 0))
        for k, (name, values) in enumerate(
            (("wavelength", energy), ("y", np.arange(17.0)), ("x", np.arange(20.0)))
        ):
            file[name] = values
            file[name].make_scale(name)
            file[name].attrs["units"] = "nm" if name == "wavelength" else "um"
            one.dims[k].attach_scale(file[name])
    image, spectra = load(tmp_path / "b.h5")
    np.testing.assert_allclose(spectra["spectra"].values[0], cube(), rtol=1e-5)
    assert spectra["energy"].attrs == {"long_name": "wavelength", "units": "nm"}
    assert image.attrs["image_from"] == "sum over wavelength"


def test_a_table_that_fits_two_axes_is_that_of_the_last_unless_the_first_fits(tmp_path):
    data = np.random.default_rng(0).normal(size=(24, 32, 32))
    np.savez(tmp_path / "a.npz", spectra=data, energy=np.arange(32.0))
    _, spectra = load(tmp_path / "a.npz")
    np.testing.assert_allclose(spectra["spectra"].values[0], data, rtol=1e-5)
    np.savez(tmp_path / "b.npz", spectra=data.transpose(1, 0, 2), energy=np.arange(32.0))
    with pytest.raises(UserError, match="which axis of the spectra"):
        load(tmp_path / "b.npz")


def test_decays_have_the_delays_that_the_file_names(tmp_path):
    delays = np.linspace(0, 12.8, 64)
    np.savez(tmp_path / "a.npz", decays=cube(), delay=delays, delay_units="ns")
    _, spectra = load(tmp_path / "a.npz")
    np.testing.assert_allclose(spectra["energy"], delays)
    assert spectra["energy"].attrs == {"long_name": "delay", "units": "ns"}
    patches = np.stack([atoms(24, 24, seed=k) for k in range(17)])
    np.savez(tmp_path / "b.npz", patches=patches, spectra=cube()[:, 0], time=np.arange(17.0))
    _, spectra = load(tmp_path / "b.npz")
    np.testing.assert_allclose(spectra["spectra"].values[:, 0, 0], cube()[:, 0], rtol=1e-5)


def test_spectra_in_one_long_list_beside_an_image_are_refused_with_the_remedy(tmp_path):
    np.savez(tmp_path / "a.npz", image=atoms(17, 20), spectra=cube().reshape(-1, 64))
    with pytest.raises(UserError, match="unlike numbers of frames") as error:
        load(tmp_path / "a.npz")
    assert "17 × 20 × 64" in error.value.remedy


@pytest.mark.parametrize("side", [5, 12, 20])
def test_small_patches_are_the_image_of_their_spectra_whatever_lies_beside(tmp_path, side):
    rng = np.random.default_rng(0)
    patches = rng.normal(size=(40, side, 12)).astype(np.float32)
    np.savez(
        tmp_path / "pairs.npz",
        patches=patches,
        spectra=rng.poisson(9, (40, 32)),
        truth_clean=rng.normal(size=(40, 32, 32)),
    )
    image = read.load([tmp_path / "pairs.npz"], spectra={"read": True})
    assert "image_from" not in image.attrs
    np.testing.assert_allclose(image["image"].values[:, 0], patches, rtol=1e-6)


def test_the_image_of_few_spectra_is_not_made_of_them(tmp_path):
    rng = np.random.default_rng(0)
    shown = rng.normal(size=(6, 9)).astype(np.float32)
    np.savez(tmp_path / "few.npz", image=shown, spectra=rng.poisson(9, (6, 9, 32)))
    image = read.load([tmp_path / "few.npz"], spectra={"read": True})
    assert "image_from" not in image.attrs
    np.testing.assert_allclose(image["image"].values[0, 0], shown, rtol=1e-6)
