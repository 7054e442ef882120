"""A variable that says what it is becomes a quantity of a site by itself."""

import numpy as np
import pytest
import xarray as xr

from vaescope import quantities
from vaescope.quantities import attributes

COUNT = 30


def model(**variables) -> xr.Dataset:
    coords = {
        "site": np.arange(COUNT),
        "latent": [1, 2],
        "axis": ["y", "x"],
        "component": ["xx", "yy", "xy"],
    }
    used = {
        dim
        for dims, *_ in variables.values()
        for dim in ([dims] if isinstance(dims, str) else dims)
    }
    kept = {name: values for name, values in coords.items() if name in used | {"site"}}
    return xr.Dataset(variables, coords=kept, attrs={"model": "rvae", "symmetry": 4})


def numbers(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, *shape))


def by_column(dataset: xr.Dataset) -> dict[str, quantities.Quantity]:
    return {quantity.column: quantity for quantity in quantities.of(dataset)}


def test_an_angle_is_in_degrees_modulo_its_period_with_its_error_beside_it():
    about = attributes("angle", "rad", "cyclic", error="angle_spread", period=np.pi / 2)
    held = model(
        consensus_angle=("site", numbers(), about),
        angle_spread=("site", np.abs(numbers()), attributes("uncertainty of angle", "rad")),
    )
    (angle,) = quantities.of(held)
    assert (angle.column, angle.unit, angle.period) == ("rvae_angle_deg", "°", pytest.approx(90))
    np.testing.assert_allclose(angle.values, np.degrees(held["consensus_angle"]))
    assert angle.error is not None and angle.error.column == "rvae_angle_spread_deg"
    np.testing.assert_allclose(angle.error.values, np.degrees(held["angle_spread"]))
    assert "known modulo 90 degrees" in angle.meaning


def test_every_part_of_a_variable_is_a_quantity_on_its_own_axis():
    held = model(
        consensus_offset=(("site", "axis"), numbers(2), attributes("offset", "px", "diverging")),
        consensus_strain=(
            ("site", "component"),
            numbers(3),
            attributes("strain", "1", "diverging"),
        ),
        consensus_content=(
            ("latent", "site"),
            numbers(2).T,
            attributes("content", "1", "sequential"),
        ),
    )
    found = by_column(held)
    assert list(found) == [
        "rvae_offset_x_px", "rvae_offset_y_px", "rvae_pose_strain_xx_percent",
        "rvae_pose_strain_yy_percent", "rvae_pose_strain_xy_percent",
        "rvae_latent_1", "rvae_latent_2",
    ]  # fmt: skip
    x = found["rvae_offset_x_px"]
    assert (x.label, x.way) == ("x offset", "+ right")
    np.testing.assert_array_equal(x.values, held["consensus_offset"].values[:, 1])
    np.testing.assert_allclose(
        found["rvae_pose_strain_yy_percent"].values, 100 * held["consensus_strain"].values[:, 1]
    )
    np.testing.assert_array_equal(
        found["rvae_latent_2"].values, held["consensus_content"].values[1]
    )


def test_an_invented_variable_is_mapped_and_what_says_how_good_it_is_is_not():
    held = model(
        bend=("site", numbers(), attributes("bending of the wall", "1/nm", "diverging")),
        doubt=(
            "site",
            numbers(),
            attributes("doubt", "1", "sequential", group=quantities.CRITICISM),
        ),
        aside=("site", numbers(), attributes("aside", "1")),
    )
    found = by_column(held)
    assert [name for name, quantity in found.items() if quantity.mapped] == ["rvae_bend_1_nm"]
    bend = found["rvae_bend_1_nm"]
    assert bend.label == "bending of the wall" and bend.limits.low == -bend.limits.high


def test_a_column_of_sites_keeps_its_name_wherever_it_goes():
    place = ("site", numbers(), attributes("row", "px", error="y_error"))
    error = ("site", np.abs(numbers()), attributes("standard error of y", "px"))
    sites = xr.Dataset({"y": place, "y_error": error}, coords={"site": np.arange(COUNT)})
    held = model(consensus_shear=("site", numbers(), attributes("shear", "rad", "diverging")))
    joined = held.assign_coords(y=place, y_error=error)
    (own,) = quantities.of(sites)
    assert own.column == "y_px" and own.error is not None and own.error.column == "y_error_px"
    assert [q.column for q in quantities.of(joined)] == ["y_px", "rvae_shear_deg"]


def test_a_class_is_one_of_its_meanings_and_its_probabilities_run_from_0_to_1():
    label = np.arange(COUNT) % 2
    share = np.stack([1.0 - label, label, 0.0 * label], 1)
    names = ["oxygen column", "bismuth", "iron"]
    held = model(
        consensus_class=("site", label, attributes("class", "1", "categorical", meanings=names)),
        consensus_class_probability=(
            ("site", "class"),
            share,
            attributes("class probability", "1", "sequential", valid=(0, 1)),
        ),
    )
    found = by_column(held)
    assert found["rvae_class"].meanings == tuple(names)
    assert found["rvae_class"].levels == (0, 1, 2)
    probability = found["rvae_class_probability_2"]
    assert (probability.limits.low, probability.limits.high) == (0, 1)
    assert not probability.mapped


def test_methods_side_by_side_are_told_apart():
    held = xr.Dataset(
        {
            "strain": (("method", "site", "component"), np.stack([numbers(3), numbers(3, seed=1)])),
            "strain_error": (("method", "site", "component"), np.ones((2, COUNT, 3))),
        },
        coords={
            "site": np.arange(COUNT),
            "method": ["neighbours", "GPA"],
            "component": ["xx", "yy", "xy"],
        },
    )
    found = by_column(held)
    assert len(found) == 6
    xy = found["strain_gpa_xy_percent"]
    np.testing.assert_allclose(xy.values, 100 * held["strain"].values[1, :, 2])
    assert xy.error is not None and xy.error.column == "strain_gpa_xy_error_percent"
    assert xy.label == "strain xy, GPA"


def test_stores_of_older_versions_are_read_by_names_and_types():
    held = model(
        consensus_angle=("site", numbers()),
        angle_spread=("site", numbers()),
        consensus_content=(("site", "latent"), numbers(2)),
        explained=("site", numbers() > 0),
        truth_phase=("site", np.arange(COUNT) % 3),
    )
    held.attrs["truth_phase_names"] = ["film", "substrate", "edge"]
    found = by_column(held)
    assert found["rvae_angle_deg"].period == pytest.approx(90)
    assert found["rvae_angle_deg"].error is not None and found["rvae_latent_1"].mapped
    assert found["rvae_explained"].meanings == ("yes", "no")
    assert found["truth_phase"].meanings == ("film", "substrate", "edge")


def test_angles_about_one_direction_are_counted_from_it_and_others_fill_the_circle():
    about = attributes("angle", "rad", "cyclic", period=2 * np.pi)
    near = model(consensus_angle=("site", 1.0 + 0.02 * numbers(), about))
    limits = quantities.of(near)[0].limits
    assert limits.centre == pytest.approx(np.degrees(1.0), abs=1) and limits.high < 10
    wide = model(consensus_angle=("site", np.linspace(-3, 3, COUNT), about))
    assert quantities.of(wide)[0].limits == quantities.Limits(-180, 180)


def test_rows_choose_sites():
    held = model(bend=("site", numbers(), attributes("bend", "1", "sequential")))
    rows = np.array([3, 1])
    np.testing.assert_array_equal(quantities.of(held, rows)[0].values, held["bend"].values[rows])
