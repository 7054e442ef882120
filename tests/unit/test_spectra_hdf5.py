"""Spectra in HDF5: pyNSID, USID with compound data, and files of no convention."""

import h5py
import numpy as np
import pytest
from reading import atoms, signal
from spectral_files import cube, hspy, load

from vaescope.errors import UserError


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
