"""Results that are not as their jobs wrote them are named, whatever was done to them."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import store
from vaescope.errors import UserError
from vaescope.workflow import sums


def made(folder: Path) -> tuple[Path, Path, Path]:
    """A store, a folder and a file of results."""
    random = np.random.default_rng(0)
    store.write(
        xr.Dataset(
            {"x": ("site", random.normal(size=500)), "n": ("site", random.integers(9, size=500))},
            {"name": ("site", [f"site {k}" for k in range(500)])},
            {"facts": "of the store", "size": 2.5},
        ),
        folder / "sites.zarr",
    )
    (folder / "members").mkdir()
    (folder / "members" / "0.safetensors").write_bytes(random.bytes(3000))
    (folder / "facts.json").write_text('{"share": 0.5}')
    results = folder / "sites.zarr", folder / "members", folder / "facts.json"
    sums.record(results)
    return results


def content(file: Path) -> bytes:
    return file.read_bytes() if file.is_file() else b""


@settings(max_examples=120)
@given(st.data())
def test_a_flipped_bit_anywhere_is_noticed(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("flipped")
    results = made(folder)
    sums.refuse_damaged(results, whole=True)
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix != sums.SUFFIX
    )
    chosen = data.draw(st.sampled_from(files))
    whole = bytearray(chosen.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    chosen.write_bytes(whole)
    with pytest.raises(UserError) as caught:
        sums.refuse_damaged(results, whole=True)
    message = str(caught.value)
    assert str(folder / chosen.relative_to(folder).parts[0]) in message
    assert "Delete it and run the workflow again" in message
    if "c" in chosen.relative_to(folder).parts:
        # Not looked at before: the store itself says so when the chunk is read.
        sums.refuse_damaged(results)
        with pytest.raises(Exception, match=r".+"):
            store.open(folder / "sites.zarr").load()
    else:
        with pytest.raises(UserError):
            sums.refuse_damaged(results)


@settings(max_examples=40)
@given(st.data())
def test_what_was_cut_short_removed_or_added_is_named_when_a_job_begins(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    results = made(folder)
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix != sums.SUFFIX
    )
    chosen = data.draw(st.sampled_from(files))
    how = data.draw(st.sampled_from(["cut", "removed", "added"]))
    if how == "cut":
        os.truncate(chosen, data.draw(st.integers(0, chosen.stat().st_size - 1)))
    elif how == "removed" and chosen.parent != folder:
        chosen.unlink()
    else:
        (results[0] / "new").write_text("x")
    with pytest.raises(UserError, match="not as its job wrote it"):
        sums.refuse_damaged(results)


def test_results_without_sums_and_those_that_are_made_anew_pass(tmp_path):
    results = made(tmp_path)
    (tmp_path / "facts.json").write_text("changed")
    with pytest.raises(UserError):
        sums.refuse_damaged(results)
    sums.forget(results)
    sums.refuse_damaged(results)
    sums.refuse_damaged([*results, tmp_path / "missing"])
    sums.record([*results, tmp_path / "missing"])
    sums.refuse_damaged(results)
    (tmp_path / ".facts.json.sums").write_text("[1, 2")
    sums.refuse_damaged(results)  # damaged sums say nothing about the result


def test_the_time_stamp_of_snakemake_is_no_result(tmp_path):
    results = made(tmp_path)
    (results[0] / ".snakemake_timestamp").touch()
    sums.refuse_damaged(results, whole=True)
