"""The filter or the detector, whichever the image speaks for: the reason is one of the image's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import simulate, sites
from vaescope.errors import UserError
from vaescope.judge import of_choices
from vaescope.sites.either import compare

SPACING = 10.0


def f1(found: xr.Dataset) -> float:
    scores = json.loads(found.attrs["truth_scores"])
    precision, recall = scores["precision"] or 0.0, scores["recall"] or 0.0
    return 2 * precision * recall / max(precision + recall, 1e-9)


def table(place: np.ndarray, score=0.9, error=0.2, height=1.0) -> xr.Dataset:
    """Sites at places (site, 2), whose fits know them to ``error`` of their width."""

    def column(value) -> tuple[str, np.ndarray]:
        return "site", np.broadcast_to(np.asarray(value, float), len(place)).copy()

    return xr.Dataset(
        {
            "frame": ("site", np.zeros(len(place), int)),
            "y": column(place[:, 0]),
            "x": column(place[:, 1]),
            "score": column(score),
            "width": column(2.0),
            "y_error": column(2.0 * np.asarray(error)),
            "x_error": column(2.0 * np.asarray(error)),
            "amplitude": column(height),
        }
    )


def grid(shift: float = 0.0, count: int = 12) -> np.ndarray:
    at = np.arange(count) * SPACING + 5 + shift
    return np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1).reshape(-1, 2)


STRONG, BETWEEN = grid(), grid(SPACING / 2)
BOTH = np.concatenate([STRONG, BETWEEN])
ADDED = np.arange(len(BOTH)) >= len(STRONG)


def of_added(value: float, usual: float) -> np.ndarray:
    return np.where(ADDED, value, usual)


def test_a_weak_sublattice_in_noise_speaks_for_the_detector():
    image = simulate.make("perovskite?size=192&ratio=0.3&ratio1=0.3&dose=110", seed=31)
    found = sites.find(image, {"method": "auto"})
    assert found.attrs["method"] == "model" and found.attrs["detector_bundled"]
    assert f1(found) > 0.93 > 0.8 > f1(sites.find(image, {"method": "log"}))
    assert "in order" in found.attrs["method_reason"]
    said = of_choices.of_choices(image, found.attrs)
    assert found.attrs["method_reason"] in [each.means for each in said]


@pytest.mark.parametrize("name", ["hexagonal?size=160&spacing=18&dose=200", "graphene?size=160"])
def test_where_columns_stand_out_the_filter_is_kept_as_it_is(name):
    image = simulate.make(name, seed=32)
    found = sites.find(image, {"method": "auto"})
    plain = sites.find(image, {"method": "log"})
    assert found.attrs["method"] == "log" and "detector" not in found.attrs
    assert 0 < found.attrs["method_agreement"] <= 1 and found.attrs["method_reason"]
    assert found.drop_attrs().identical(plain.drop_attrs())


def test_noise_has_no_sites_by_either():
    noise = np.random.default_rng(3).poisson(3.0, (128, 128)).astype(np.float32)
    image = xr.Dataset({"image": (("time", "channel", "y", "x"), noise[None, None])})
    try:
        found = sites.find(image, {"method": "auto"})
    except UserError as error:
        assert "no site stands out" in str(error)
    else:
        assert found.attrs["method"] == "log"


def test_columns_in_the_gaps_of_a_lattice_are_taken_where_they_are_seen():
    verdict = compare(table(STRONG), table(BOTH, height=of_added(0.4, 1.0)))
    assert verdict.method == "model" and "40 % as bright" in verdict.reason
    assert verdict.agreement == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"score": of_added(0.6, 0.95)}, "not sure"),
        ({"error": of_added(0.8, 0.1)}, "hardly see"),
        ({"error": of_added(np.nan, 0.1)}, "hardly see"),
        ({"height": of_added(0.03, 1.0)}, "fainter than any column"),
    ],
)
def test_columns_in_the_gaps_that_are_imagined_are_not_taken(found, words):
    verdict = compare(table(STRONG), table(BOTH, **found))
    assert verdict.method == "log" and words in verdict.reason


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(200, 1500))
def test_what_is_in_no_order_is_not_taken_however_sure_the_detector_is(seed, count):
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, 125, (count, 2))
    verdict = compare(table(STRONG), table(place, score=1.0))
    assert verdict.method == "log"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), lost=st.floats(0.0, 0.9))
def test_a_detector_that_misses_sites_is_not_taken(seed, lost):
    keep = np.random.default_rng(seed).uniform(size=len(BOTH)) >= lost
    verdict = compare(table(BOTH), table(BOTH[keep]))
    assert verdict.method == "log"
    assert verdict.agreement == pytest.approx(keep.mean())


def test_one_search_that_finds_nothing_leaves_the_other():
    assert compare(table(STRONG), None).method == "log"
    assert compare(None, table(STRONG)).method == "model"
    assert compare(table(STRONG[:0]), table(STRONG)).method == "model"
    few = table(STRONG[:3])  # too few for any order
    assert compare(None, few).method == "log"


def test_frames_are_compared_one_by_one():
    def movie(*places: np.ndarray) -> xr.Dataset:
        parts = [
            table(place).assign(frame=("site", np.full(len(place), number)))
            for number, place in enumerate(places)
        ]
        return xr.concat(parts, "site")

    same = compare(movie(STRONG, STRONG), movie(STRONG, STRONG))
    assert same.agreement == 1 and same.method == "log"
    other = compare(movie(STRONG, STRONG[:0]), movie(STRONG[:0], STRONG))
    assert other.agreement == 0
