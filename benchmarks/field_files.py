"""Files and sheets that people have, and what must be read from them, for ``field.py``.

Each case writes its files into a folder and says what is wrong with what is read, "" if nothing is;
where the right answer is a refusal, the refusal must name the remedy.
"""

from __future__ import annotations

import importlib
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vaescope import read
from vaescope.errors import UserError

CASES: dict[str, Callable[[Path], str]] = {}
"""Cases by name."""


def _case(function: Callable[[Path], str]) -> Callable[[Path], str]:
    CASES[function.__name__.replace("_", " ")] = function
    return function


def picture(seed: int = 0, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A lattice with noise (y, x), uint16."""
    y, x = np.indices(shape)
    lattice = (1 + np.cos(2 * np.pi * y / 9)) * (1 + np.cos(2 * np.pi * x / 9.5)) * 4500
    return (lattice + np.random.default_rng(seed).uniform(0, 2000, shape)).astype(np.uint16)


def _unlike(image: Any, values: np.ndarray, **attrs: Any) -> str:
    """Say in what an image differs from values (…, y, x) and from attributes."""
    seen = image["image"].values
    if seen.shape[-2:] != values.shape[-2:] or seen.size != values.size:
        return f"shape {seen.shape} for {values.shape}"
    if not np.allclose(seen.reshape(values.shape), values):
        return "other values"
    for name, value in attrs.items():
        there = image.attrs.get(name)
        same = np.isclose(there, value) if isinstance(value, float) else there == value
        if not same:
            return f"{name} {there} for {value}"
    return ""


def _refused(words: str, function: Callable[[], Any]) -> str:
    try:
        function()
    except UserError as error:
        return "" if re.search(words, str(error)) else f"refused with other words: {error}"
    return "not refused"


@_case
def channels_of_an_ome_tiff(folder: Path) -> str:
    import tifffile

    data = np.stack([picture(0), picture(1)])
    about: dict[str, object] = {"axes": "CYX", "Channel": {"Name": ["HAADF", "BF"]}}
    about |= {"PhysicalSizeX": 0.05, "PhysicalSizeXUnit": "nm"}
    about |= {"PhysicalSizeY": 0.05, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(folder / "a.ome.tif", data, metadata=about)
    image = read.load([folder / "a.ome.tif"])
    names = [str(name) for name in image["channel"].values]
    return _unlike(image, data, pixel_size=0.05) or ("" if names == ["HAADF", "BF"] else str(names))


@_case
def hyperstack_of_times_and_channels(folder: Path) -> str:
    import tifffile

    data = np.stack([[picture(2 * t + c) for c in range(2)] for t in range(3)])
    tifffile.imwrite(folder / "a.tif", data, imagej=True, metadata={"axes": "TCYX"})
    image = read.load([folder / "a.tif"])
    sizes = image.sizes["time"], image.sizes["channel"]
    return _unlike(image, data) or ("" if sizes == (3, 2) else str(sizes))


@_case
def least_value_is_white(folder: Path) -> str:
    import tifffile

    tifffile.imwrite(folder / "a.tif", picture(), photometric="miniswhite")
    return _unlike(read.load([folder / "a.tif"]), 65535.0 - picture())


@_case
def mrc_with_a_negative_cell(folder: Path) -> str:
    data = picture().astype("<i2")
    header = np.zeros(256, "<i4")
    header[:4] = data.shape[1], data.shape[0], 1, 1
    header[7:10] = data.shape[1], data.shape[0], 1
    header[10:13] = np.array([-640, -480, -1], "<f4").view("<i4")
    raw = bytearray(header.tobytes())
    raw[208:216] = b"MAP \x44\x44\0\0"
    (folder / "a.mrc").write_bytes(bytes(raw) + data.tobytes())
    return _unlike(read.load([folder / "a.mrc"]), data, calibrated=False, pixel_unit="px")


def _signal(data: np.ndarray, unit: str) -> dict[str, Any]:
    axes = [
        {
            "name": name,
            "size": size,
            "scale": 0.1,
            "offset": 0.0,
            "units": unit,
            "navigate": False,
            "index_in_array": k,
            "_type": "UniformDataAxis",
            "is_binned": False,
        }
        for k, (name, size) in enumerate(zip("yx", data.shape, strict=True))
    ]
    facts: dict[str, Any] = {"data": data, "axes": axes, "original_metadata": {}}
    facts["metadata"] = {"General": {"title": "a"}, "Signal": {"signal_type": ""}}
    facts |= {
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
    }
    return facts | {"package_info": {"package": "a", "package_version": "0"}}


@_case
def diffraction_pattern(folder: Path) -> str:
    from vaescope import samples, sites
    from vaescope.judge import findings

    file = folder / "a.hspy"
    importlib.import_module("rsciio.hspy").file_writer(str(file), _signal(picture(), "1/nm"))
    image = read.load([file])
    atoms = sites.find(image, {"spacing": 9.2})
    said = findings.of_sites(image, atoms, samples.extract(image, atoms), {})
    wrong = _unlike(image, picture(), calibrated=False)
    return wrong or ("" if "reciprocal space" in {one.kind for one in said} else "nothing is said")


@_case
def array_that_can_only_be_read_as_a_whole(folder: Path) -> str:
    """HyperSpy writes contiguous data where chunks are switched off."""
    import h5py

    file = folder / "a.hspy"
    importlib.import_module("rsciio.hspy").file_writer(str(file), _signal(picture(), "nm"))
    with h5py.File(file, "r+") as inside:
        group = inside["Experiments/a"]
        about = dict(group["data"].attrs)
        del group["data"]
        group.create_dataset("data", data=picture()).attrs.update(about)
    return _unlike(read.load([file]), picture(), pixel_size=0.1)


@_case
def array_by_number(folder: Path) -> str:
    np.savez(folder / "a.npz", first=picture(0), second=picture(1))
    return _unlike(read.load([folder / "a.npz"], {"array": 1}), picture(1))


@_case
def pixel_size_in_a_sidecar(folder: Path) -> str:
    np.save(folder / "a.npy", picture())
    (folder / "a.json").write_text('{"pixel_size": 0.05, "pixel_unit": "nm"}')
    return _unlike(read.load([folder / "a.npy"]), picture(), pixel_size=0.05, pixel_unit="nm")


@_case
def pixel_size_with_a_decimal_comma(folder: Path) -> str:
    np.save(folder / "a.npy", picture())
    image = read.load([folder / "a.npy"], pixel_size="0,05 nm")
    return _unlike(image, picture(), pixel_size=0.05)


@_case
def phase_across_180_degrees(folder: Path) -> str:
    smooth = 0.25 * np.indices((48, 64)).sum(0)
    np.save(folder / "a.npy", np.exp(1j * smooth))
    image = read.load([folder / "a.npy"], {"channel": "phase"})["image"].values[0]
    if len(image) != 2:
        return "no cosine and sine"
    return "" if np.allclose(image, [np.cos(smooth), np.sin(smooth)], atol=1e-5) else "other values"


@_case
def sheet_in_windows_1252(folder: Path) -> str:
    from vaescope.workflow.sheet import read_sheet

    words = "dataset\trecipe\tsource\tpixel_size\tlabels\tnotes\r\n"
    words += "film\tatoms\tsimulate:square\t\t\t650 °C, 3 µm\r\n"
    (folder / "a.tsv").write_bytes(words.encode("cp1252"))
    rows, problems = read_sheet(folder / "a.tsv")
    good = len(rows) == 1 and rows[0].notes == "650 °C, 3 µm" and not problems
    return "" if good else f"{rows} {problems}"


@_case
def line_break_in_quotes(folder: Path) -> str:
    from vaescope.workflow.sheet import read_sheet

    words = 'dataset\trecipe\tsource\tnotes\na\tatoms\tx.dm3\t"one\ntwo"\nb\tatoms\ty.dm3\t\n'
    (folder / "a.tsv").write_text(words)
    rows, _ = read_sheet(folder / "a.tsv")
    return "" if [row.dataset for row in rows] == ["a", "b"] else str(rows)


@_case
def whole_number_as_float(_: Path) -> str:
    from vaescope.ensemble.settings import EnsembleSettings

    members = EnsembleSettings.of({"members": 8.0}).members
    return "" if members == 8 and isinstance(members, int) else repr(members)


@_case
def misspelt_colour_map(_: Path) -> str:
    from vaescope.figures.settings import Look

    return _refused("viridis", lambda: Look.of({"colormap": "veridis"}))


@_case
def stopped_igor_file(folder: Path) -> str:
    """A copy that broke off must be called so."""
    (folder / "a.ibw").write_bytes(struct.pack("<hh", 5, 0) + bytes(200))
    return _refused("damaged|cut short", lambda: read.load([folder / "a.ibw"]))
