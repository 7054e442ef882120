"""Whatever is wrong with a file, its user gets one message that names it; nothing else escapes."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import EXAMPLES, atoms

from vaescope import read
from vaescope.errors import UserError
from vaescope.read import formats, rosetta

KNOWN = ["bcf", "emi", "tiff", "gif", *(name.strip() for name in formats.COMMON.split(","))]
SURVEY = EXAMPLES / "DMReader_Image_SI-Survey.dm3"


def refusal(path, **options) -> str:
    with pytest.raises(UserError) as caught:
        read.load([path], **options)["image"].values  # noqa: B018 - read the numbers as well
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("extension", KNOWN)
@pytest.mark.parametrize("content", ["random", "zeros", "text", "two bytes"])
def test_garbage_under_any_extension_is_refused(tmp_path, extension, content):
    path = tmp_path / f"scan.{extension}"
    path.write_bytes(
        {
            "random": np.random.default_rng(0).bytes(5000),
            "zeros": bytes(5000),
            "text": b"not an image at all\n" * 300,
            "two bytes": b"ab",
        }[content]
    )
    refusal(path)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1_651_498))
def test_a_dm3_cut_at_any_length_says_so_with_both_sizes(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("cut") / "scan.dm3"
    path.write_bytes(SURVEY.read_bytes()[:length])
    message = refusal(path)
    if length >= 8:
        assert f"ends after {length:,} of the 1,651,507 bytes" in message


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "tif", "npy", "npz", "h5"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_files_that_end_early_are_refused(tmp_path, extension, share):
    path = tmp_path / f"scan.{extension}"
    picture = atoms(200, 200).astype(np.uint8)
    if extension == "npy":
        np.save(path, picture)
    elif extension == "npz":
        np.savez(path, picture)
    elif extension == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["image"] = picture
    else:
        Image.fromarray(picture).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    refusal(path)


def test_missing_empty_and_unknown_files_are_told_apart(tmp_path):
    (tmp_path / "scan2.dm3").write_bytes(b"x")
    assert "no such file; found there: scan2.dm3" in refusal(tmp_path / "scan.dm3")
    assert "no such folder" in refusal(tmp_path / "elsewhere" / "scan.dm3")
    (tmp_path / "none.dm3").touch()
    assert "empty (0 bytes)" in refusal(tmp_path / "none.dm3")
    (tmp_path / "scan.xyz").write_bytes(b"hello")
    assert "dm3, dm4, emd" in refusal(tmp_path / "scan.xyz")
    (tmp_path / "folder.dm3").mkdir()
    assert "a folder" in refusal(tmp_path / "folder.dm3")
    with pytest.raises(UserError, match="no file matches"):
        read.load([])


def test_pointers_and_web_pages_under_a_vendor_name_are_recognised(tmp_path):
    (tmp_path / "a.dm3").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0")
    assert "Git LFS" in refusal(tmp_path / "a.dm3")
    (tmp_path / "b.dm3").write_bytes(b"\n<!DOCTYPE html><html></html>")
    assert "web page" in refusal(tmp_path / "b.dm3")


def test_a_file_without_extension_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "survey").write_bytes(SURVEY.read_bytes())
    assert read.load([tmp_path / "survey"])["image"].shape == (1, 1, 512, 512)
    Image.fromarray(atoms().astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "scan 1 (copy)")
    assert read.load(tmp_path / "scan 1 (copy)")["image"].shape == (1, 1, 48, 64)


def test_extensions_count_in_any_case(tmp_path):
    np.save(tmp_path / "a.npy", atoms())
    (tmp_path / "a.npy").rename(tmp_path / "A.NPY")
    assert read.load([tmp_path / "A.NPY"]).attrs["source_files"] == ["A.NPY"]


def test_readers_that_run_text_of_a_file_as_code_are_not_used():
    assert "nc" not in rosetta.readers()


def test_a_zarr_store_that_asks_for_unpickling_is_refused(tmp_path):
    (tmp_path / "a.zspy" / "data").mkdir(parents=True)
    (tmp_path / "a.zspy" / "data" / ".zarray").write_text('{"filters": [{"id": "pickle"}]}')
    assert "pickled" in refusal(tmp_path / "a.zspy")


def test_a_wrong_array_name_in_a_vendor_file_lists_what_is_there():
    message = refusal(SURVEY, settings={"array": "BF"})
    assert "0: 06-SI Survey Image (512 × 512; y, x)" in message
    named = read.load([SURVEY], {"array": "06-SI Survey Image"})
    assert named["image"].shape == (1, 1, 512, 512)


def test_fingerprints_are_those_of_sha256sum(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert read.fingerprint(tmp_path / "a") == known


def test_every_common_format_of_the_message_is_really_known():
    known = set(formats._OURS) | set(rosetta.readers())
    assert {name.strip() for name in formats.COMMON.split(",")} <= known


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    pipe = tmp_path / "scan.tif"
    os.mkfifo(pipe)
    assert "pipe" in refusal(pipe)
    with pytest.raises(UserError, match="no file that could be read"):
        read.load([tmp_path / f"{'a' * 300}.tif"])


class LostWorkerError(Exception):
    """As ``distributed`` raises one."""


LostWorkerError.__module__ = "distributed.scheduler"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MemoryError("4 GB"), "too little memory"),
        (LostWorkerError("three times"), "workers were lost"),
        (ValueError("bad"), "damaged"),
    ],
)
def test_only_the_fault_of_a_file_is_put_down_to_it(tmp_path, fault, words):
    with pytest.raises(UserError, match=words), formats.readable(tmp_path / "scan.tif", "tif"):
        raise fault
