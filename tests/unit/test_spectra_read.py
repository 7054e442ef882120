"""Spectra of every kind of file arrive in one order, with their axis, on the grid of the image."""

import numpy as np
import pytest
from reading import atoms, signal
from spectral_files import cube, hspy, load

from vaescope import read, sites
from vaescope.errors import UserError
from vaescope.samples.spectra import spectrum_view
from vaescope.traits import traits_of


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


@pytest.mark.parametrize(
    ("units", "called"),
    [
        ("nm", "wavelength"),
        ("cm^-1", "wavenumber"),
        ("ns", "time"),
        ("V", "bias"),
        ("eV", "energy"),
        ("", "energy"),
    ],
)
def test_an_axis_without_a_name_of_its_own_is_called_by_its_unit(tmp_path, units, called):
    np.savez(tmp_path / "a.npz", spectra=cube(), energy=np.arange(64), energy_units=units)
    _, spectra = load(tmp_path / "a.npz")
    assert spectra["energy"].attrs["long_name"] == called


def test_the_unit_of_an_axis_stands_beside_it(tmp_path):
    energy = np.linspace(1.5, 3.0, 64)
    np.savez(tmp_path / "a.npz", spectra=cube(), energy=energy, energy_units="eV")
    _, spectra = load(tmp_path / "a.npz")
    assert spectra["energy"].attrs["units"] == "eV" and spectra.attrs["calibrated"]


def test_patches_with_a_spectrum_each_are_frames(tmp_path):
    patches = np.stack([atoms(24, 32, seed=k) for k in range(30)])
    patches[:, :8] = 0  # nothing lies there, which was measured
    curves = cube().reshape(-1, 64)[:30]
    np.savez(tmp_path / "a.npz", patches=patches, spectra=curves, truth_size=np.arange(30.0))
    image, spectra = load(tmp_path / "a.npz")
    assert dict(image["image"].sizes) == {"time": 30, "channel": 1, "y": 24, "x": 32}
    assert dict(spectra["spectra"].sizes) == {"time": 30, "y": 1, "x": 1, "energy": 64}
    np.testing.assert_allclose(spectra["spectra"].values[:, 0, 0], curves, rtol=1e-5)
    assert [spectra.attrs[name] for name in ("pitch_y", "pitch_x")] == [24, 32]
    assert spectra.attrs["start_y"] == 11.5
    np.testing.assert_array_equal(image["truth_size"], np.arange(30))
    assert "truth_spectra" not in image and "measured" not in image


def test_spectra_alone_have_no_place_and_each_is_a_site_with_its_truth(tmp_path):
    rng = np.random.default_rng(0)
    curves = rng.normal(size=(30, 64)) + np.arange(30)[:, None]
    known = {"truth_rate": np.arange(30.0), "truth_part": np.arange(90.0).reshape(30, 3)}
    np.savez(tmp_path / "a.npz", spectra=curves, energy=np.arange(64.0), **known)
    image, spectra = load(tmp_path / "a.npz")
    assert spectra["spectra"].shape == (30, 1, 1, 64)
    found = sites.find(image, {"method": "pixels"}, spectra=spectra)
    assert not traits_of(found.attrs).placed
    samples = spectrum_view(spectra, found)
    np.testing.assert_allclose(samples["spectrum"], curves, rtol=1e-5)
    assert samples["truth_rate"].dims == ("site",)
    for name, values in known.items():
        np.testing.assert_array_equal(samples[name], values)


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
