"""What the explorer puts into a page is inert, small enough, and says what the stores say."""

from __future__ import annotations

import base64
import json
import zlib

import fake_results
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vaescope import explorer
from vaescope.ensemble.planes import STEPS, decode_planes
from vaescope.explorer import backdrop, column, page, pictures, plots
from vaescope.explorer.pack import Blocks, script_json, script_source
from vaescope.figures.scene import load
from vaescope.figures.settings import Look
from vaescope.results import Results

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip


@given(anything)
def test_whatever_words_it_holds_json_neither_ends_nor_changes(value):
    text = script_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert text.encode("utf-8")
    assert json.loads(text) == value


def test_numbers_that_are_not_finite_are_null():
    told = {"a": [float("nan"), np.float32("inf"), np.int64(3)]}
    assert json.loads(script_json(told)) == {"a": [None, None, 3]}


@pytest.mark.parametrize("code", ["a</SCRIPT>b", "x = '<!--'", "'<script>'"])
def test_code_that_would_break_the_page_is_refused(code):
    with pytest.raises(ValueError, match="cannot stand inside a page"):
        script_source(code)


def unpacked(blocks: Blocks, place: dict) -> np.ndarray:
    """An array as the browser opens it."""
    data = zlib.decompress(base64.b64decode(blocks.texts[place["block"]]))
    part = data[place["start"] : place["start"] + place["count"] * place["size"]]
    sorted_bytes = np.frombuffer(part, np.uint8).reshape(place["size"], place["count"])
    kind = {name: code for code, name in explorer.pack._TYPES.items()}[place["type"]]
    return np.ascontiguousarray(sorted_bytes.T).view(kind).reshape(-1)


@given(
    st.lists(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint8, np.int32]).flatmap(
            lambda kind: arrays.arrays(kind, st.integers(0, 7))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_arrays_come_out_of_a_block_as_they_went_in(given_arrays):
    blocks = Blocks()
    blocks.add([np.arange(3, dtype=np.uint8)])
    places = blocks.add(given_arrays)
    for place, array in zip(places, given_arrays, strict=True):
        np.testing.assert_array_equal(unpacked(blocks, place), array)


@given(arrays.arrays(np.int64, st.integers(0, 9), elements=st.integers(-(2**31), 2**31 - 1)))
def test_whole_numbers_stay_exact_in_the_narrowest_type(values):
    np.testing.assert_array_equal(column.narrow(values).astype(np.int64), values)


@given(
    arrays.arrays(
        np.float64,
        st.integers(1, 30),
        elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
    )
)
def test_a_rounded_member_is_off_by_half_a_step_at_most(values):
    codes, low, step = page._Members(False, (), True, "")._coded(values)
    back = np.where(codes == 65_535, np.nan, low + step * codes.astype(float))
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    known = np.isfinite(values)
    reach = np.ptp(values[known]) if known.any() else 0.0
    assert (np.abs(back - values)[known] <= reach / 65_533 / 2 * 1.001 + 1e-9).all()


@given(st.integers(1, 3000), st.integers(1, 5000), st.integers(1, 5000))
def test_frames_stay_within_their_budget_and_lose_no_more_than_they_must(count, height, width):
    shown, notes = backdrop.shown_frames(count, height, width)
    step = backdrop.shown_step(len(shown), height, width)
    high, wide = max(height // step, 1), max(width // step, 1)
    assert max(high, wide) <= backdrop.MOST_SIDE
    if step < min(height, width):
        assert len(shown) * high * wide <= backdrop.ALL_FRAMES
    assert shown[0] == 0 and bool(notes) == (len(shown) < count)


def test_pictures_beyond_the_budget_are_an_even_sample(tmp_path, monkeypatch):
    fake_results.make(tmp_path, shape=(90, 120))
    whole = explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look())
    monkeypatch.setattr(pictures, "BUDGET", 4_000)
    thinned = explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look())
    assert not whole.notes
    assert any("at even intervals" in note for note in thinned.notes)
    assert thinned.bytes < whole.bytes


@pytest.mark.parametrize("bright", [True, False])
def test_a_bright_picture_is_known_as_such(tmp_path, monkeypatch, bright):
    fake_results.make(tmp_path, shape=(90, 120))
    scene = load(Results(tmp_path / "crystal"), [], Look(), "1")
    blobs = np.where(np.add.outer(np.arange(90), np.arange(120)) % 10 < 2, 1.0, 0.0)
    pixels = scene.pixels.copy(
        data=np.broadcast_to(1 - blobs if bright else blobs, (1, 1, 90, 120))
    )
    monkeypatch.setattr(type(scene), "pixels", pixels)
    assert backdrop.backdrop(scene, None, np.arange(0)).facts()["bright"] is bright


def test_pictures_take_no_more_room_than_the_page_has(tmp_path, monkeypatch):
    fake_results.make(tmp_path, shape=(90, 120))
    monkeypatch.setattr(page, "_LEAST", 100)
    whole = explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look())
    room = whole.bytes - 5_000
    thinned = explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look(), room)
    assert any("at even intervals" in note for note in thinned.notes)
    assert thinned.bytes < 1.002 * room  # how well pictures pack is measured on some of them
    assert len(thinned.blocks[0]) == len(whole.blocks[0])


def test_numbers_of_members_beyond_the_budget_are_rounded_then_left_out():
    made = [column.Column(f"m/{n}", n, n, "g", np.zeros(9), member_header=n) for n in
            ("latent_1", "latent_1_sd", "offset_y")]  # fmt: skip
    for one in made:
        one.members = [np.zeros(9)] * 8
    ways = [page._Members.of([made], sites) for sites in (9, 100_000, 400_000, 10**7)]
    assert [way.exact for way in ways] == [True, False, False, False]
    assert [bool(way.parts) for way in ways] == [False, False, True, True]
    assert [way.keeps_any for way in ways] == [True, True, True, False]
    blocks = Blocks()
    assert len(ways[2].pack(made, blocks)[0]) == 1  # content alone
    assert ways[3].pack(made, blocks) == []


def test_the_explorer_is_the_same_whenever_it_is_made(tmp_path):
    assert plots.plot_items() == plots.plot_items()
    fake_results.make(tmp_path, shape=(90, 120))
    first = explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look())
    for _ in range(3):  # stores list their arrays in another order each time
        assert explorer.build(Results(tmp_path / "crystal"), ["rvae", "jrvae"], Look()) == first


@pytest.mark.parametrize(("latents", "planes"), [(1, 1), (2, 1), (3, 3), (7, 6)])
def test_every_plane_of_the_first_latents_is_decoded(latents, planes):
    content = np.random.default_rng(0).normal(size=(200, latents))

    def draw(points, told):
        assert told is None and points.shape[1] == latents
        return points[:, :1, None, None] * np.ones((1, 1, 2, 2))

    found = decode_planes(content, draw, None, ("channel", "py", "px"))
    dims, drawn, _ = found["plane_decoded"]
    assert drawn.shape == (planes, 1, STEPS if latents > 1 else 1, STEPS, 1, 2, 2)
    # What was drawn at a place is stored at that place.
    pairs = found["plane_latents"][1]
    for k in np.flatnonzero(pairs[:, 0] == 1):
        expected = np.broadcast_to(found["plane_x"][1][k], drawn.shape[2:4])
        np.testing.assert_allclose(drawn[k, 0, :, :, 0, 0, 0], expected, rtol=1e-6)
    assert dims[0] == "plane"


def test_a_conditional_model_is_decoded_for_each_thing_that_it_is_told():
    content = np.random.default_rng(0).normal(size=(50, 3))
    told = np.array([[0.0], [2.0]])
    found = decode_planes(
        content, lambda points, row: np.full((len(points), 1, 2, 2), row[0]), told, ("c", "y", "x")
    )
    drawn = found["plane_decoded"][1]
    assert drawn.shape[:2] == (1, 2)
    assert (drawn[:, 0] == 0).all() and (drawn[:, 1] == 2).all()
