"""Sites that pass block by block are seen as if they were all in memory."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import xarray as xr
from dask.array import from_array
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import turned_commas

from vaescope import store, train
from vaescope.ensemble import map_latents
from vaescope.ensemble.blocks import BLOCK, by_blocks, in_turn
from vaescope.ensemble.encode import encode, encode_all
from vaescope.ensemble.lazy_pictures import LazyPictures
from vaescope.ensemble.members import load_members
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch
from vaescope.train.data import gather


@settings(deadline=None, max_examples=30)
@given(
    count=st.integers(1, 700),
    start=st.integers(-800, 800),
    stop=st.integers(-800, 800),
    step=st.sampled_from([-7, -1, 1, 3]),
)
def test_drawn_pictures_are_read_like_an_array(count, start, stop, step):
    whole = np.arange(count * 6, dtype=np.float32).reshape(count, 1, 2, 3)
    drawn = LazyPictures(count, (1, 2, 3), lambda rows: whole[rows])
    np.testing.assert_array_equal(drawn[start:stop:step], whole[start:stop:step])
    np.testing.assert_array_equal(drawn[count - 1], whole[count - 1])
    np.testing.assert_array_equal(np.asarray(drawn), whole)


@settings(deadline=None, max_examples=30)
@given(data=st.data(), count=st.integers(1, 60), block=st.integers(1, 60))
def test_a_spool_gives_back_what_was_written(data, count, block):
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    whole = np.random.default_rng(count).random((count, 2, 3)).astype(dtype)
    scratch = Scratch()
    before, spool, figure_data = (scratch.empty(whole.shape, whole.dtype) for _ in range(3))
    before[:], figure_data[:] = 1, 2
    for start in range(0, count, block):
        spool[start : start + block] = whole[start : start + block]
    rows = np.array(data.draw(st.lists(st.integers(-count, count - 1))), int)
    keys = (slice(None), slice(count // 3, None), -1, rows, (slice(0, count // 2), slice(1), 2))
    for key in keys:
        np.testing.assert_array_equal(spool[key], whole[key])


@pytest.mark.parametrize("shape", [(3, 50), (2, 50, 4)])
def test_spools_side_by_side_are_read_like_an_array(shape):
    whole = np.random.default_rng(0).random(shape)
    stacked = Scratch().stack(iter(whole))
    assert (stacked.shape, stacked.ndim, stacked.dtype) == (shape, len(shape), whole.dtype)
    vote = np.arange(shape[0]) != 1
    for key in (0, vote, slice(None), (vote, slice(7, 20)), (slice(1, 2), slice(0, 0)), (-1, 3)):
        np.testing.assert_array_equal(stacked[key], whole[key])
    lazy = from_array(stacked, chunks=(-1, 7, *shape[2:]))
    np.testing.assert_array_equal(lazy.compute(), whole)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_many_blocks_give_what_one_block_gives(tmp_path, monkeypatch, likelihood):
    patches, _ = turned_commas(300)
    chosen = {"variant": "jrvae", "classes": 2, "steps": 30, "hidden": 16, "turns": 4}
    chosen |= {"likelihood": likelihood}
    if likelihood == "bernoulli":
        patches["patch"] = patches["patch"].clip(0, 1)
    members, checkpoints = tmp_path / "members", tmp_path / "checkpoints"
    train.fit(patches, chosen, members=[0, 1], seed=1, out=members, checkpoints=checkpoints)
    once = map_latents(tmp_path / "members", patches)
    store.write(patches, tmp_path / "samples.zarr")
    monkeypatch.setattr(PatchSource, "block", 70)
    again = map_latents(tmp_path / "members", store.open(tmp_path / "samples.zarr"))
    for name, values in once.data_vars.items():
        if values.dtype.kind == "f":
            # Products of other sizes round otherwise, and hardly trained models are unsure.
            np.testing.assert_allclose(
                again[name].values, values.values, rtol=1e-3, atol=2e-4, err_msg=str(name)
            )


def test_members_encoded_together_say_what_each_says_alone(tmp_path):
    patches, _ = turned_commas(300)
    chosen = {"variant": "jrvae", "classes": 2, "steps": 5, "hidden": 16, "turns": 4}
    members, checkpoints = tmp_path / "members", tmp_path / "checkpoints"
    train.fit(patches, chosen, members=[0, 1, 2], seed=1, out=members, checkpoints=checkpoints)
    ensemble = load_members(members)
    data = gather(patches, ensemble[0].settings, ensemble[0].codec)
    with ThreadPoolExecutor(2) as pool:
        share = partial(in_turn, pool, 1)
        together = encode_all(ensemble, [data], len(data), share, Scratch().empty)
    for member, found in zip(ensemble, together, strict=True):
        alone = encode(member, data)
        assert set(found.parts) == set(alone.parts) == {"angle", "offset"}
        of_pose = [name for part in alone.parts for name in (part, f"{part}_sd")]
        whole = ("parts", "beside", "noise")
        names = ["sigma", *(each.name for each in fields(alone) if each.name not in whole)]
        assert not alone.beside and not found.beside  # of models of two views
        for name in names + of_pose:
            expected = getattr(alone, name)
            if expected is not None:
                values = getattr(found, name)[:]
                np.testing.assert_array_equal(values, expected[:], err_msg=name)


def test_work_is_done_in_turn_and_not_far_ahead():
    begun = []

    def items():
        for k in range(20):
            begun.append(k)
            yield k

    with ThreadPoolExecutor(3) as pool:
        for turn, found in enumerate(in_turn(pool, 4, lambda k: k * k, items())):
            assert found == turn**2
            assert len(begun) <= turn + 5
    assert turn == 19


@settings(deadline=None, max_examples=30)
@given(count=st.integers(1, 3 * BLOCK), members=st.integers(1, 3))
def test_what_is_worked_out_in_parts_is_as_of_the_whole(count, members):
    whole = np.random.default_rng(count).random((members, count, 2))
    np.testing.assert_array_equal(
        by_blocks(lambda rows: whole[:, rows].sum(0), count), whole.sum(0)
    )


def test_a_store_divides_sites_and_nothing_else(tmp_path):
    wide = xr.Dataset({"patch": (("site", "py", "px"), np.zeros((9000, 20, 20), np.float32))})
    store.write(wide, tmp_path / "a.zarr")
    chunks = store.open(tmp_path / "a.zarr")["patch"].chunks
    assert [len(axis) for axis in chunks][1:] == [1, 1]
    assert 1 < len(chunks[0]) < 20
