"""What other tools see of the results, asked of these tools themselves."""

from __future__ import annotations

import os
from pathlib import Path

import dask.array as da
import fake_results
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import store
from vaescope.errors import UserError
from vaescope.exchange import ome, points, signals, table
from vaescope.quantities import Quantity
from vaescope.results import Results

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

CHANNELS = ("HAADF", "red")


def image_of(
    frames: int = 1,
    channels: int = 1,
    shape: tuple[int, int] = (40, 56),
    pixel: tuple[float, float, str] = (0.02, 0.02, "nm"),
    time: tuple[float, str] = (0.5, "s"),
) -> xr.DataArray:
    """An image as the stores have it, all of its values unlike."""
    full = (frames, channels, *shape)
    values = np.arange(np.prod(full), dtype=np.float32).reshape(full)
    return xr.DataArray(
        da.from_array(values, chunks=(1, 1, 32, 32)),
        dims=("time", "channel", "y", "x"),
        coords={
            "time": ("time", np.arange(frames) * time[0], {"units": time[1]}),
            "channel": list(CHANNELS[:channels]),
            "y": ("y", np.arange(shape[0]) * pixel[0], {"units": pixel[2]}),
            "x": ("x", np.arange(shape[1]) * pixel[1], {"units": pixel[2]}),
        },
        attrs={"long_name": "signal", "units": "1"},
    )


def spectra_of() -> xr.DataArray:
    """A spectrum at every pixel, as ``spectra.zarr`` is to have it."""
    values = np.arange(6 * 8 * 30, dtype=np.float32).reshape(6, 8, 30)
    return xr.DataArray(
        da.from_array(values, chunks=(3, 8, 30)),
        dims=("y", "x", "energy"),
        coords={
            "y": ("y", np.arange(6) * 1.5, {"units": "nm"}),
            "x": ("x", np.arange(8) * 1.5, {"units": "nm"}),
            "energy": ("energy", 100 + 0.25 * np.arange(30), {"units": "eV"}),
        },
        name="spectra",
    )


def sites_of(frame: list[int], y: list[float], x: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {
            "frame": ("site", np.array(frame)),
            "y": ("site", np.array(y, float)),
            "x": ("site", np.array(x, float)),
        },
        coords={"site": np.arange(len(frame))},
    )


def finest(layer) -> np.ndarray:
    """The pixels of a layer of napari, of its finest level."""
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


@pytest.fixture
def viewer():
    """napari without a window, with its plugins."""
    import npe2
    from napari.components import ViewerModel

    npe2.PluginManager.instance().discover()
    return ViewerModel()


def test_napari_shows_image_and_sites_in_the_same_place(viewer, tmp_path: Path):
    image = image_of(pixel=(0.02, 0.03, "nm"))
    sites = sites_of([0, 0, 0], [3, 20.25, 39], [7, 11.5, 55])
    ome.write(image, tmp_path / "image.ome.zarr", name="film")
    known = np.array([1.0, np.nan, 3.0])
    more = [Quantity("score", "score", "score", "score", "", "sequential", known)]
    points.write(sites, image, more, tmp_path / "points.csv")
    (shown,) = viewer.open(tmp_path / "image.ome.zarr", plugin="napari-ome-zarr")
    (marked,) = viewer.open(tmp_path / "points.csv", size=0.1, units="nm", face_color="score")
    assert shown.name == "film: HAADF"
    assert [str(unit) for unit in shown.units] == ["nanometer", "nanometer"]
    assert list(shown.units) == list(marked.units)
    np.testing.assert_array_equal(finest(shown), image.values[0, 0])
    for place, y, x in zip(marked.data, sites["y"].values, sites["x"].values, strict=True):
        # The place of a site in the world is the pixel of the image under it, fractions included.
        world = marked.data_to_world(place)
        np.testing.assert_allclose(shown.world_to_data(world), [y, x], atol=1e-9)
    np.testing.assert_array_equal(marked.properties["score"], more[0].values)


def test_napari_shows_a_movie_with_channels_in_its_own_time(viewer, tmp_path: Path):
    image = image_of(frames=3, channels=2)
    sites = sites_of([0, 2], [3.5, 20], [7, 11])
    ome.write(image, tmp_path / "image.ome.zarr", name="film")
    points.write(sites, image, [], tmp_path / "points.csv")
    layers = viewer.open(tmp_path / "image.ome.zarr", plugin="napari-ome-zarr")
    (marked,) = viewer.open(tmp_path / "points.csv")
    assert [layer.name for layer in layers] == ["film: HAADF", "film: red"]
    for number, layer in enumerate(layers):
        np.testing.assert_array_equal(finest(layer), image.values[:, number])
        np.testing.assert_allclose(layer.scale, [0.5, 0.02, 0.02])
        assert [str(unit) for unit in layer.units] == ["second", "nanometer", "nanometer"]
    where = layers[0].world_to_data(marked.data_to_world(marked.data[1]))
    np.testing.assert_allclose(where, [2, 20, 11], atol=1e-9)


def test_without_a_pixel_size_pixels_count(viewer, tmp_path: Path):
    image = image_of(frames=2, pixel=(1.0, 1.0, "px"), time=(1.0, "frame"))
    sites = sites_of([1], [3.5], [7])
    ome.write(image, tmp_path / "image.ome.zarr", name="film")
    points.write(sites, image, [], tmp_path / "points.csv")
    (shown,) = viewer.open(tmp_path / "image.ome.zarr", plugin="napari-ome-zarr")
    (marked,) = viewer.open(tmp_path / "points.csv")
    np.testing.assert_array_equal(shown.scale, [1, 1, 1])
    assert {str(unit) for unit in (*shown.units, *marked.units)} == {"pixel"}
    np.testing.assert_allclose(marked.data, [[1, 3.5, 7]])


@settings(max_examples=25)
@given(
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    step=st.floats(1e-3, 10),
    by=st.integers(1, 9),
)
def test_every_level_of_a_pyramid_lies_in_the_same_place(
    tmp_path_factory, height: int, width: int, step: float, by: int
):
    """A ramp, whose value is its place, tells where each pixel of each level lies."""
    y, x = np.arange(height) * step, np.arange(width) * step
    ramp = xr.DataArray(
        da.from_array((y[:, None] + 0 * x).astype(np.float64), chunks=7),
        dims=("y", "x"),
        coords={"y": ("y", y, {"units": "nm"}), "x": ("x", x, {"units": "nm"})},
    )
    path = tmp_path_factory.mktemp("ramp") / "image.ome.zarr"
    before, ome.SMALLEST = ome.SMALLEST, by
    try:
        ome.write(ramp, path, name="ramp")
    finally:
        ome.SMALLEST = before
    import zarr

    group = zarr.open_group(path, mode="r")
    levels = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert min(group[levels[-1]["path"]].shape) >= 1
    for level in levels:
        told = {t["type"]: t[t["type"]] for t in level["coordinateTransformations"]}
        values = np.asarray(group[level["path"]])
        start = told.get("translation", [0, 0])[0]
        place = start + told["scale"][0] * np.arange(len(values))
        np.testing.assert_allclose(values[:, 0], place, rtol=1e-9, atol=1e-9 * step)


def test_an_axis_that_ome_zarr_cannot_hold_is_refused(tmp_path: Path):
    image = image_of(frames=3)
    image["time"] = ("time", [0.0, 1.0, 5.0], {"units": "s"})
    with pytest.raises(UserError, match="uneven steps along time"):
        ome.write(image, tmp_path / "image.ome.zarr", name="film")
    with pytest.raises(UserError, match="axes energy"):
        ome.write(spectra_of().isel(x=0).transpose("energy", "y"), tmp_path / "a", name="film")
    assert not list(tmp_path.iterdir())


def test_spectra_open_in_napari(viewer, tmp_path: Path):
    spectra = spectra_of()
    ome.write(spectra, tmp_path / "spectra.ome.zarr", name="spectra")
    (shown,) = viewer.open(tmp_path / "spectra.ome.zarr", plugin="napari-ome-zarr")
    np.testing.assert_allclose(shown.scale, [0.25, 1.5, 1.5])
    # The reader of napari takes the scale of an image alone; where energies begin is in the file.
    import zarr

    told = zarr.open_group(tmp_path / "spectra.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]
    assert told["axes"][0] == {"name": "energy", "unit": "electron_volt"}
    begin = told["datasets"][0]["coordinateTransformations"][1]
    assert begin == {"type": "translation", "translation": [100.0, 0.0, 0.0]}
    np.testing.assert_array_equal(
        finest(shown),
        spectra.transpose("energy", "y", "x").values,
    )


def test_hyperspy_reads_a_calibrated_image_with_its_sites(tmp_path: Path):
    import hyperspy.api as hs

    image = image_of(pixel=(0.02, 0.03, "nm"))
    original = {"beam/energy": {"kV": 200}, "icc": "a\x00b" * 40_000, "list": [1, None, "x"]}
    signals.write(
        image,
        tmp_path / "image.hspy",
        title="film",
        sites=sites_of([0, 0], [3, 20.5], [7, 11]),
        metadata={"row": {"recipe": "atoms"}},
        original=original,
    )
    signal = hs.load(tmp_path / "image.hspy")
    assert type(signal).__name__ == "Signal2D" and signal.metadata.General.title == "film"
    np.testing.assert_array_equal(signal.data, image.values[0, 0])
    axes = {axis.name: (axis.scale, axis.offset, axis.units) for axis in signal.axes_manager._axes}
    assert axes == {"y": (0.02, 0, "nm"), "x": (0.03, 0, "nm")}
    assert signal.metadata.vaescope.row.recipe == "atoms"
    assert signal.original_metadata.beam_energy.kV == 200
    marked = signal.metadata.Markers.sites.get_current_kwargs()["offsets"]
    np.testing.assert_allclose(marked, [[7 * 0.03, 3 * 0.02], [11 * 0.03, 20.5 * 0.02]])


@pytest.mark.parametrize("channels", [1, 2])
def test_hyperspy_shows_the_sites_of_each_frame(tmp_path: Path, channels: int):
    import hyperspy.api as hs

    image = image_of(frames=3, channels=channels)
    sites = sites_of([0, 2, 2], [3, 4, 5], [7, 8, 9])
    signals.write(image, tmp_path / "image.hspy", title="film", sites=sites)
    signal = hs.load(tmp_path / "image.hspy")
    np.testing.assert_array_equal(
        signal.data, image.values[:, 0] if channels == 1 else image.values
    )
    time = next(axis for axis in signal.axes_manager._axes if axis.name == "time")
    assert (time.scale, time.units, time.navigate) == (0.5, "s", True)
    for frame, expected in enumerate([[3], [], [4, 5]]):
        for channel in range(channels):
            at = (frame,) if channels == 1 else (channel, frame)
            signal.axes_manager.indices = at
            shown = signal.metadata.Markers.sites
            shown.axes_manager = signal.axes_manager
            offsets = np.asarray(shown.get_current_kwargs()["offsets"]).reshape(-1, 2)
            np.testing.assert_allclose(offsets[:, 1], np.array(expected) * 0.02)


def test_hyperspy_reads_spectra(tmp_path: Path):
    import hyperspy.api as hs

    spectra = spectra_of()
    signals.write(spectra, tmp_path / "spectra.hspy", title="loss")
    signal = hs.load(tmp_path / "spectra.hspy")
    assert type(signal).__name__ == "Signal1D"
    axis = signal.axes_manager.signal_axes[0]
    assert (axis.name, axis.scale, axis.offset, axis.units) == ("energy", 0.25, 100, "eV")
    np.testing.assert_array_equal(signal.data, spectra.values)


def test_a_spreadsheet_has_all_that_is_known_of_every_site(tmp_path: Path):
    folder = fake_results.make(tmp_path, frames=2)
    columns = table.columns_of(Results(folder), ["rvae", "jrvae"])
    table.write(columns, tmp_path / "sites.csv", tmp_path / "columns.csv")
    read = pd.read_csv(tmp_path / "sites.csv")
    sites = store.open(folder / "sites.zarr").load()
    np.testing.assert_array_equal(read["site"], sites["site"])
    np.testing.assert_allclose(read["y_nm"], sites["y"] * 0.02, rtol=1e-6)
    np.testing.assert_allclose(read["x_error_nm"], sites["x_error"] * 0.02, rtol=1e-6)
    assert read["near_edge"].dtype == bool
    read = read.set_index("site")
    for model in ("rvae", "jrvae"):
        latents = store.open(folder / model / "latents.zarr").load()
        own = read.loc[latents["site"].values]
        others = read.drop(latents["site"].values)
        assert len(others) and others[f"{model}_angle_deg"].isna().all()
        last = latents["latent"].values[1]
        found, error = latents["consensus_content"].values, latents["content_spread"].values
        np.testing.assert_allclose(own[f"{model}_latent_{last}"], found[:, 1], rtol=1e-6)
        np.testing.assert_allclose(own[f"{model}_latent_{last}_spread"], error[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(own["jrvae_class"], latents["consensus_class"])
    share = latents["consensus_class_probability"].values
    np.testing.assert_allclose(own["jrvae_class_probability_2"], share[:, 2], rtol=1e-6)
    meanings = pd.read_csv(tmp_path / "columns.csv")
    assert list(meanings["column"]) == ["site", *read.columns]
    assert meanings["meaning"].notna().all()


def test_angles_are_in_degrees_and_errors_beside_their_values(tmp_path: Path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    latents = store.open(folder / "rvae" / "latents.zarr").load()
    columns = {column.column: column for column in table.columns_of(Results(folder), ["rvae"])}
    angle = columns["rvae_angle_deg"]
    known = ~pd.isna(angle.values)
    np.testing.assert_allclose(angle.values[known], np.degrees(latents["consensus_angle"].values))
    assert "modulo 90 degrees" in angle.meaning
    names = list(columns)
    assert names.index("rvae_angle_spread_deg") == names.index("rvae_angle_deg") + 1


def test_models_called_alike_do_not_hide_each_other(tmp_path: Path):
    folder = fake_results.make(tmp_path, models=("rvae",))
    (folder / "rvae" / "latents.zarr").rename(folder / "latents.zarr")
    for model in ("a", "a_latent"):
        latents = store.open(folder / "latents.zarr").load()
        # Of the first, `a` and `latent_1`; of the second, `a_latent` and `1`.
        latents["latent_1"] = ("site", np.zeros(latents.sizes["site"]))
        store.write(latents, folder / model / "latents.zarr")
    columns = table.columns_of(Results(folder), ["a", "a_latent"])
    assert table.as_frame(columns).shape[1] == len(columns)


def test_a_large_image_is_written_a_chunk_at_a_time(tmp_path: Path):
    """No more chunks are alive at once than workers, whatever the image's size."""
    import threading

    alive, most, lock = 0, 0, threading.Lock()

    class Tracked(np.ndarray):
        def __array_finalize__(self, other):
            pass

    def block(block_info=None):
        nonlocal alive, most
        shape = block_info[None]["chunk-shape"]
        with lock:
            alive += 1
            most = max(most, alive)
        values = np.ones(shape, np.float32)
        import weakref

        held = values.view(Tracked)

        def gone():
            nonlocal alive
            with lock:
                alive -= 1

        weakref.finalize(held, gone)
        return held

    data = da.map_blocks(
        block, chunks=((1,) * 24, (1,), (1024,) * 2, (1024,) * 2), dtype=np.float32
    )
    image = xr.DataArray(data, dims=("time", "channel", "y", "x"))
    import dask

    with dask.config.set(num_workers=2):
        ome.write(image, tmp_path / "image.ome.zarr", name="large")
    assert most <= 8, f"{most} of 96 chunks of the source were held at once"
