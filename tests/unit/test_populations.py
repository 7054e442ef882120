"""Populations of a group: covariates, intervals over images, differences between conditions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope.cohort import populations
from vaescope.cohort.covariates import covariates_of
from vaescope.cohort.populations import Counts, of_image, of_images


def cells(*values, name="temperature"):
    return [{name: value} for value in values]


def test_covariates_are_numbers_of_one_unit_or_categories():
    (number,) = covariates_of(cells("300 K", "\N{MINUS SIGN}5,5 K", "", "1e3 K"))
    np.testing.assert_array_equal(number.numbers, [300, -5.5, np.nan, 1000])
    assert number.unit == "K"
    assert number.levels == ["\N{MINUS SIGN}5,5 K", "300 K", "1e3 K"]
    (mixed,) = covariates_of(cells("300 K", "20 °C"))
    assert mixed.numbers is None and mixed.levels == ["300 K", "20 °C"]
    assert covariates_of(cells("300 K", "300 K")) == []
    (specimen,) = covariates_of(cells("1", "2", name="specimen"))
    assert specimen.numbers is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_any_cell_is_a_number_or_a_category(values):
    for found in covariates_of(cells(*values)):
        assert len(found.cells) == len(values)
        if found.numbers is not None:
            known = [bool(cell) for cell in found.cells]
            assert np.isfinite(found.numbers[known]).all()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=8),
)
def test_intervals_hold_their_share_and_stay_between_0_and_1(drawn):
    count = np.array([min(pair) for pair in drawn])
    sites = np.array([max(pair) for pair in drawn])
    for k, n in zip(count, sites, strict=True):
        own = of_image(int(k), int(n))
        assert n == 0 or (
            0 <= own.low <= own.share + 1e-12 and own.share <= own.high + 1e-12 <= 1.1
        )
    share = count / np.where(sites > 0, sites, np.nan)
    if np.isfinite(share).any():
        found = of_images(share, sites.astype(float))
        assert 0 <= found.share <= 1
        if np.isfinite(found.low):
            assert 0 <= found.low <= found.share <= found.high <= 1


def table_of(random, shares, sites=800, kinds=4):
    count = np.stack([random.binomial(sites, shares) for _ in range(kinds)], 1)
    names = tuple(f"mode {k + 1}" for k in range(kinds))
    return Counts("rvae", names, count, np.full(len(shares), sites))


def test_a_real_difference_is_found_and_chance_is_not():
    random = np.random.default_rng(0)
    condition = covariates_of(cells(*["a"] * 6, *["b"] * 6, name="dose"))
    false, right = 0, 0
    for _ in range(60):
        table = table_of(random, np.full(12, 0.03))
        real = table.count.copy()
        real[6:, 2] = random.binomial(800, 0.07, 6)
        found = populations.compared([table], condition, [""] * 12)
        false += any(each.q < 0.05 for each in found)
        changed = populations.compared(
            [Counts(table.model, table.names, real, table.sites)], condition, [""] * 12
        )
        third = changed[2]
        assert third.kind == "mode 3" and third.levels == ("a", "b")
        right += third.q < 0.05 and third.low < 0.04 < third.high
    assert false <= 8 and right >= 48


def test_images_of_one_specimen_count_as_one():
    random = np.random.default_rng(1)
    condition = covariates_of(cells(*["a"] * 6, *["b"] * 6, name="dose"))
    shares = np.repeat([0.02, 0.03, 0.04, 0.05], 3)  # two specimens of each condition
    specimen = [f"s{k // 3}" for k in range(12)]
    table = table_of(random, shares)
    apart = populations.compared([table], condition, [""] * 12)
    alike = populations.compared([table], condition, specimen)
    assert np.median([each.p for each in alike]) > 3 * np.median([each.p for each in apart])
    rows = populations.of_conditions([table], condition, specimen)
    assert {row["images"] for row in rows} == {6} and {row["independent"] for row in rows} == {2}


def test_a_trend_along_a_number_is_a_slope_per_unit():
    random = np.random.default_rng(2)
    kelvin = np.linspace(300, 600, 10)
    (covariate,) = covariates_of(cells(*[f"{value:.0f} K" for value in kelvin]))
    table = table_of(random, 0.02 + 1e-4 * (kelvin - 300), sites=4000)
    found = populations.compared([table], [covariate], [""] * 10)
    assert len(found) == 4
    for each in found:
        assert each.levels is None and each.q < 0.05
        assert each.change == pytest.approx(1e-4, rel=0.35)
