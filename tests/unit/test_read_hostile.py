"""Files made to do harm: nothing but the source is read, and memory stays bounded."""

import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy
from reading import atoms, write_zspy

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import at_once, packed
from vaescope.read.digest import unchanged

SECRET = "attribute of another file"


def refusal(path, **options) -> str:
    with pytest.raises(UserError) as caught:
        read.load([path], **options)["image"].values  # noqa: B018 - read the numbers as well
    assert path.name in str(caught.value)
    return str(caught.value)


def npz_of_zeros(path: Path, side: int) -> Path:
    """A square of zeros with one column, packed about a thousandfold."""
    array = np.zeros((side, side), np.float32)
    array[5, 5] = 1
    np.savez_compressed(path, image=array)
    return path


@pytest.fixture
def elsewhere(tmp_path):
    """A file with an image and a secret, in another folder."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "secret.h5"
    with h5py.File(path, "w") as file:
        file["image"] = atoms(64, 64, seed=9)
        file.create_group("metadata").attrs["secret"] = SECRET
    return path


@pytest.mark.parametrize("soft", [False, True], ids=["external link", "soft link to one"])
def test_metadata_of_another_file_are_not_read(tmp_path, elsewhere, soft):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["scan/image"] = atoms()
        file["scan/own_metadata"] = h5py.SoftLink("/facts")
        file.create_group("scan/metadata_of_scan").attrs["operator"] = "me"
        file["scan/metadata"] = h5py.ExternalLink(str(elsewhere), "/metadata")
        if soft:
            file["scan/metadata_2"] = h5py.SoftLink("/scan/metadata")
    image = read.load([path])
    assert "operator" in image.attrs["vendor_metadata"]
    assert SECRET not in json.dumps(image.attrs)


def test_scales_and_positions_of_another_file_are_not_read(tmp_path, elsewhere):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        image = file.create_dataset("image", data=atoms(48, 48))
        raw = [(str(elsewhere), 0, 48 * 8)]
        file.create_dataset("x", shape=(48,), dtype=float, external=raw)
        file["x"].make_scale("x")
        file["x"].attrs["dimension_type"] = "SPATIAL"
        image.dims[0].attach_scale(file["x"])
        image.dims[1].attach_scale(file["x"])
        image.attrs["main_data_name"] = "image"
    message = refusal(path)
    assert "no image" in message


@pytest.mark.parametrize("how", ["link", "virtual", "raw"])
@pytest.mark.parametrize("extension", ["hspy", "emd"])
def test_readers_that_would_follow_links_to_other_files_do_not_run(
    tmp_path, elsewhere, how, extension
):
    path = tmp_path / f"scan.{extension}"
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/scan")
        if how == "link":
            group["data"] = h5py.ExternalLink(str(elsewhere), "/image")
        elif how == "virtual":
            layout = h5py.VirtualLayout(shape=(64, 64), dtype=float)
            layout[:] = h5py.VirtualSource(str(elsewhere), "image", shape=(64, 64))
            group.create_virtual_dataset("data", layout)
        else:
            raw = [(str(elsewhere), 0, 16 * 16 * 8)]
            group.create_dataset("data", shape=(16, 16), dtype=float, external=raw)
    assert "points to other files" in refusal(path)


def test_a_folder_of_zarr_with_a_link_out_of_it_is_refused(tmp_path, elsewhere):
    axes = [
        {"name": name, "scale": 1.0, "offset": 0.0, "units": "nm", "size": size, "navigate": False}
        for name, size in (("y", 48), ("x", 64))
    ]
    made = {
        "package_info": {},
        "axes": axes,
        "metadata": {},
        "original_metadata": {},
        "data": atoms(),
    }
    write_zspy(tmp_path / "scan.zspy", made)
    chunk = next((tmp_path / "scan.zspy").rglob("0.0"))
    chunk.unlink()
    chunk.symlink_to(elsewhere)
    assert "points to other files" in refusal(tmp_path / "scan.zspy")


@pytest.mark.parametrize("name", ["../elsewhere/secret.tif", "/etc/passwd", "..\\secret.tif"])
def test_an_ome_tiff_names_no_files_of_other_folders(tmp_path, name):
    path = tmp_path / "scan.ome.tif"
    tifffile.imwrite(path, atoms().astype(np.float32), metadata={"axes": "YX"})
    words = path.read_bytes()
    ome = tifffile.TiffFile(path).ome_metadata
    assert ome is not None
    given = ome.replace(
        "<TiffData", f'<TiffData><UUID FileName="{name}">urn:uuid:0</UUID></TiffData><TiffData', 1
    )
    tifffile.imwrite(path, atoms().astype(np.float32), description=given, metadata=None)
    assert words != path.read_bytes()
    assert "in other folders" in refusal(path)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(16, 70), st.integers(16, 70)),
    st.sampled_from(["float32", "uint16", ">f8", "bool"]),
    st.booleans(),
)
def test_a_packed_array_reads_as_the_plain_one(tmp_path_factory, shape, dtype, fortran):
    path = tmp_path_factory.mktemp("packed") / "scan.npz"
    array = atoms(*shape).astype(dtype)
    array = np.asfortranarray(array) if fortran else array
    np.savez_compressed(path, image=array, other=array[:5])
    source = read.arrays.members(path)["image"][2]()
    np.testing.assert_array_equal(source.compute(), array)
    np.testing.assert_array_equal(source[3:9, ::4].compute(), array[3:9, ::4])


def test_a_thousandfold_packed_array_takes_bounded_memory(tmp_path):
    """400 MB of zeros in 0.4 MB: read tile by tile, the process grows by a fraction of them."""
    path = npz_of_zeros(tmp_path / "scan.npz", 10_000)
    assert path.stat().st_size < 1e6
    code = """
import resource, sys
from vaescope.read import arrays
from pathlib import Path
array = arrays.members(Path(sys.argv[1]))["image"][2]()
array[:20, :20].compute(scheduler="sync")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(float(array.sum().compute(scheduler="sync")))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    words = [sys.executable, "-c", code, str(path)]
    total, grown = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert float(total) == 1.0
    assert int(grown) / 1024 < 150  # MB; pages of the unpacked file count until they are needed


def test_an_array_larger_than_the_temporary_folder_is_refused(tmp_path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(packed.shutil, "disk_usage", lambda _: Usage)
    path = npz_of_zeros(tmp_path / "scan.npz", 400)
    message = refusal(path)
    assert "no room for the unpacked array" in message and "TMPDIR" in message


def test_a_member_that_ends_before_its_header_says_is_refused(tmp_path):
    path = tmp_path / "scan.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = {"descr": "<f4", "fortran_order": False, "shape": (30_000, 30_000)}
        with archive.open("image.npy", "w") as file:
            npy.write_array_header_1_0(file, header)
            file.write(b"\\0" * 5000)
    assert "ends early" in refusal(path)


@pytest.fixture
def little_memory(monkeypatch):
    """As where 100 MB are free."""
    monkeypatch.setattr(at_once, "free_memory", lambda: 1e8)


def png_header(path: Path, width: int, height: int) -> Path:
    """A picture that announces so many pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(100))
    words = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + words)
    return path


def test_a_picture_too_large_for_the_memory_is_refused(tmp_path, little_memory):
    message = refusal(png_header(tmp_path / "scan.png", 20_000, 20_000))
    assert "too large to be decoded" in message and "at most 0.1 GB" in message


def test_a_packed_page_too_large_for_the_memory_is_refused(tmp_path, little_memory):
    path = tmp_path / "scan.tif"
    tifffile.imwrite(path, np.zeros((6000, 6000), np.float32), compression="zlib")
    assert path.stat().st_size < 1e6
    assert "a page of this file is too large" in refusal(path) or "the image of" in refusal(path)


def test_a_packed_chunk_too_large_for_the_memory_is_refused(tmp_path, little_memory):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "image",
            data=np.zeros((6000, 6000), np.float32),
            chunks=(6000, 6000),
            compression="gzip",
        )
    assert path.stat().st_size < 1e6
    message = refusal(path)
    assert "a chunk of `/image` of this file is too large" in message


def test_chunks_of_zarr_too_large_for_the_memory_are_refused(tmp_path, little_memory):
    group = zarr.open_group(tmp_path / "scan.zspy", mode="w", zarr_format=2)
    group.attrs.update(file_format="ZSpy", file_format_version="3.3")
    experiment = group.create_group("Experiments/HAADF")
    experiment.attrs.update({})
    for k, name in enumerate("yx"):
        axis = {"name": name, "scale": 1.0, "offset": 0.0, "units": "nm", "size": 6000}
        experiment.create_group(f"axis-{k}").attrs.update(axis | {"navigate": False})
    for name in ("metadata", "original_metadata", "learning_results"):
        experiment.create_group(name)
    whole = (6000, 6000)
    experiment.create_array("data", shape=whole, chunks=whole, dtype="float32")[:] = 1.0
    assert "a chunk of this file is too large" in refusal(tmp_path / "scan.zspy")


def test_an_array_that_was_announced_and_never_written_is_refused(tmp_path):
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("image", shape=(10**6, 10**6), chunks=(1000, 1000), dtype="f4")
    assert path.stat().st_size < 10_000
    assert "nothing was ever written" in refusal(path)


def test_the_memory_of_a_job_of_slurm_is_the_limit(monkeypatch):
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "300")
    assert at_once.free_memory() <= 300 * 2**20
    monkeypatch.delenv("SLURM_MEM_PER_NODE")
    assert at_once.free_memory() > 300 * 2**20


def test_a_sidecar_of_any_size_is_refused_unread(tmp_path):
    np.save(tmp_path / "scan.npy", atoms())
    with (tmp_path / "scan.json").open("w") as file:
        file.write('{"notes": "' + "a" * (9 * 2**20) + '"}')
    with pytest.raises(UserError, match="too large to be one"):
        read.load([tmp_path / "scan.npy"])


@settings(max_examples=20)
@given(st.text(min_size=1, max_size=40), st.integers(1, 400_000))
def test_metadata_of_any_length_stay_bounded(tmp_path_factory, key, length):
    path = tmp_path_factory.mktemp("long") / "scan.h5"
    with h5py.File(path, "w") as file:
        image = file.create_dataset("image", data=atoms())
        for part in range(20):
            name = re.sub("[\x00]", "", f"{key} {part}") or "a"
            file.create_dataset(f"metadata {part}", data=np.zeros(3))
            image.attrs.create(name[:100], "é" * min(length, 30_000))
    attributes = json.dumps(read.load([path]).attrs, ensure_ascii=False)
    assert len(attributes) < 300_000


def test_a_source_that_changes_while_it_is_read_is_named(tmp_path):
    path = tmp_path / "scan.npy"
    np.save(path, atoms())
    with pytest.raises(UserError, match="changed while it was read"), unchanged([path]):
        image = read.load([path])
        np.save(path, atoms(seed=1))
        os.utime(path, (1, 1))
        image["image"].compute()
    with unchanged([path, tmp_path / "missing.npy"]):
        read.load([path])["image"].compute()
