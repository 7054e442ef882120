"""The store's contract: whole or not at all, lazy, with provenance."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vaescope import store
from vaescope.errors import UserError


@settings(max_examples=15, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int32, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    )
)
def test_what_is_written_is_what_is_read(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    store.write(
        xr.Dataset({"v": (("y", "x"), values)}, attrs={"unit": "nm"}), path, provenance={"seed": 3}
    )
    back = store.open(path)
    np.testing.assert_array_equal(back.v.values, values)
    assert back.v.dtype == values.dtype
    assert back.attrs["unit"] == "nm"
    assert store.provenance(back)["seed"] == 3


def test_strings_survive_being_rewritten(tmp_path):
    first = xr.Dataset(
        {"v": ("channel", [1.0, 2.0])}, coords={"channel": ["haadf", "a longer one"]}
    )
    store.write(first, tmp_path / "a.zarr")
    store.write(store.open(tmp_path / "a.zarr"), tmp_path / "b.zarr")
    assert list(store.open(tmp_path / "b.zarr").channel.values) == ["haadf", "a longer one"]


def test_a_failed_write_leaves_the_old_result_and_no_debris(tmp_path):
    path = tmp_path / "a.zarr"
    store.write(xr.Dataset({"v": ("x", [1.0])}), path)
    with pytest.raises(RuntimeError), store.replace_atomically(path) as beside:
        beside.mkdir()
        (beside / "half").write_text("x")
        raise RuntimeError
    assert store.open(path).v.values == [1.0]
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize("read", [store.open, store.attributes])
def test_half_written_foreign_and_missing_stores_say_so(tmp_path, read):
    with pytest.raises(UserError, match="no such store"):
        read(tmp_path / "none.zarr")
    xr.Dataset({"v": ("x", [1.0])}).to_zarr(tmp_path / "foreign.zarr", zarr_format=3)
    with pytest.raises(UserError, match="not made by vaescope"):
        read(tmp_path / "foreign.zarr")
    store.write(xr.Dataset({"v": ("x", [1.0])}), tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "a.zarr")


def test_the_digest_does_not_depend_on_the_order_of_keys():
    assert store.digest({"a": 1, "b": [2]}) == store.digest({"b": [2], "a": 1})
    assert store.digest({"a": 1}) != store.digest({"a": 2})


def test_variables_come_back_in_the_order_in_which_they_were_written(tmp_path):
    names = ["zebra", "apple", "middle", "b", "a"]
    made = xr.Dataset({name: ("site", np.arange(3.0)) for name in names}, {"site": [4, 5, 6]})
    store.write(made, tmp_path / "a.zarr")
    opened = store.open(tmp_path / "a.zarr")
    assert list(opened.data_vars) == names
    assert set(opened.attrs) == {store.PROVENANCE, store.COMPLETE}
    xr.testing.assert_equal(opened.load(), made)
