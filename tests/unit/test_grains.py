"""Grains are found by their orientation, and strain counts within each of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from vaescope import circular, deformation, simulate, sites
from vaescope.figures import grains as drawn
from vaescope.judge import of_grains
from vaescope.strain import between_grains, grains, maps, misorientation, pairing, truth

SIDE = 380.0
STEP = 15.0
LATTICES = {"square": (1.0, 90.0, 4), "hexagonal": (1.0, 60.0, 6), "oblique": (1.12, 77.0, 2),
            "rectangular": (1.35, 90.0, 2), "rhombic": (1.0, 70.53, 2)}  # fmt: skip


def basis(kind: str) -> np.ndarray:
    """Rows a and b, b counter-clockwise from a as seen."""
    ratio, angle, _ = LATTICES[kind]
    angle = np.radians(angle)
    return STEP * np.array([[1.0, 0.0], [ratio * np.cos(angle), -ratio * np.sin(angle)]])


def crystal(vectors: np.ndarray, turn: float, origin: np.ndarray) -> np.ndarray:
    """Points (site, 2) as (x, y) about the middle of the image."""
    counts = np.arange(-70, 71)
    index = np.stack(np.meshgrid(counts, counts, indexing="ij"), -1).reshape(-1, 2)
    return (index + origin) @ vectors @ deformation.turning(turn).T


def framed(points: np.ndarray, side: float = SIDE) -> np.ndarray:
    """Whether points about the middle lie in the image (site,)."""
    return np.asarray((np.abs(points) < side / 2 - 4).all(1))


def bicrystal(
    kind: str, angle: float, seed: int, noise: float = 0.0, distortion: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Points of two grains turned by so many degrees, and the number of the grain of each."""
    rng = np.random.default_rng(seed)
    first, wall = rng.uniform(-np.pi, np.pi), rng.uniform(-0.6, 0.6)
    parts = []
    for number in range(2):
        turn = first + number * np.radians(angle)
        points = crystal(basis(kind), turn, rng.uniform(0, 1, 2))
        if distortion is not None:
            points = points @ distortion.T
        across = points @ [np.cos(wall), np.sin(wall)]
        parts.append(points[framed(points) & ((across > 3) if number else (across < -3))])
    points = np.concatenate(parts) + SIDE / 2
    grain = np.repeat([0, 1], [len(part) for part in parts])
    return points + rng.normal(0, noise, points.shape), grain


def found_in(points: np.ndarray) -> list[grains.Grain]:
    return grains.find_grains(points, np.zeros(len(points), int))


def mapped(points: np.ndarray, error: float = 0.1, side: float = SIDE) -> xr.Dataset:
    """Strain of points in an image without contrast, so by the neighbours' vectors alone."""
    table = {"x": points[:, 0], "y": points[:, 1], "frame": np.zeros(len(points), int)}
    table |= {name: np.full(len(points), error) for name in ("x_error", "y_error")}
    found = xr.Dataset({k: ("site", v) for k, v in table.items()})
    found = found.assign_coords(site=np.arange(len(points)))
    found.attrs = {"width": 2.0, "periodic": True}
    dark = np.zeros((1, 1, int(side), int(side)), np.float32)
    return maps.map_strain(xr.Dataset({"image": (("time", "channel", "y", "x"), dark)}), found)


def spread(result: xr.Dataset) -> tuple[float, float]:
    """Median and greatest size of a component of strain by the neighbours' vectors."""
    strain = np.abs(result["strain"].values[0])
    return float(np.nanmedian(strain)), float(np.nanmax(strain))


@pytest.mark.parametrize("angle", [8, 20, 45, 70, 82])
@pytest.mark.parametrize("kind", list(LATTICES))
def test_two_grains_are_found_with_their_angle_and_neither_is_strained(kind, angle):
    """Vectors are paired under the symmetry of the lattice: an unstrained one is unstrained."""
    points, true = bicrystal(kind, angle, seed=angle)
    result = mapped(points)
    label = result["grain"].values
    assert label.max() == 2
    for number in (1, 2):
        own = true[label == number]
        assert max(np.mean(own == 0), np.mean(own == 1)) > 0.98
    assert np.mean(label > 0) > 0.9
    strain = np.abs(result["strain"].values[0]).max(1)
    assert np.nanquantile(strain, 0.98) < 2e-3
    strained = strain > 2e-3  # a site that stands on a place of the other lattice by chance
    assert np.all(strain[strained] < 5 * result["strain_error"].values[0][strained].max(1))
    (pair,) = between_grains.misorientations_of(result.attrs)
    period = 360 / LATTICES[kind][2]
    wanted = abs((angle + period / 2) % period - period / 2)
    assert pair["period_deg"] == pytest.approx(period)
    assert abs(pair["angle_deg"]) == pytest.approx(wanted, abs=0.1)
    assert pair["touching"]


@pytest.mark.parametrize("kind", list(LATTICES))
def test_noise_of_positions_makes_no_grains_and_hides_none(kind):
    for seed in range(3):
        points, true = bicrystal(kind, 25.0, seed, noise=0.07 * STEP)
        found = found_in(points)
        assert len(found) == 2
        assert all(len(set(true[g.sites][np.argsort(g.sites)][5:-5])) <= 2 for g in found)
        one = points[true == 0]
        (whole,) = found_in(one)
        assert len(whole.sites) > 0.9 * len(one)


def test_a_strain_step_leaves_one_grain():
    """The step stands in the map, as large as it is."""
    carry = deformation.join(np.array([0.0198, 0.0, 0.0]), 0.0)
    points = crystal(basis("square"), 0.1, np.array([0.3, 0.7]))
    points = np.where(points[:, :1] > 0, points @ carry.T, points)
    rng = np.random.default_rng(0)
    points = points[framed(points)] + SIDE / 2
    result = mapped(points + rng.normal(0, 0.05, points.shape), 0.05)
    assert result["grain"].values.max() == 1
    xx = result["strain"].values[0, :, 0]
    sides = [np.nanmedian(xx[points[:, 0] > 230]), np.nanmedian(xx[points[:, 0] < 150])]
    assert sides[0] - sides[1] == pytest.approx(0.0198, abs=1e-3)


@pytest.mark.parametrize("kind", ["square", "hexagonal", "oblique"])
@pytest.mark.parametrize("bend", [4.0, 15.0])
def test_a_bent_crystal_is_one_grain(kind, bend):
    points = crystal(basis(kind), 0.3, np.array([0.2, 0.1]))
    curve = np.radians(bend) / SIDE
    w = points[:, 0] + 1j * points[:, 1]
    z = np.expm1(1j * curve * w) / (1j * curve)  # turns by 1 rad in 1/curve px, keeps all angles
    points = np.column_stack([z.real, z.imag])
    points = points[framed(points)] + SIDE / 2
    points += np.random.default_rng(1).normal(0, 0.3, points.shape)
    (found,) = found_in(points)
    assert len(found.sites) > 0.95 * len(points)
    result = mapped(points, 0.3)
    turn = np.degrees(result["rotation"].values[0])
    assert np.nanmax(turn) - np.nanmin(turn) > 0.75 * bend


def test_a_dislocation_is_no_boundary():
    from vaescope.simulate.strained import edge_field

    points = crystal(basis("square"), 0.0, np.array([0.25, 0.25]))
    z = points[:, 0] + 1j * points[:, 1]
    moved, _ = edge_field(z, STEP, 0.3)
    z = (z + moved) * np.exp(0.2j)
    points = np.column_stack([z.real, z.imag])
    points = points[framed(points)] + SIDE / 2
    (found,) = found_in(points)
    assert len(found.sites) > 0.97 * len(points)


def test_a_crystal_under_a_shear_of_a_fifth_is_one_grain_without_strain():
    sheared = basis("square") @ np.array([[1.0, 0.2], [0.0, 1.0]])
    points = crystal(sheared, 0.4, np.array([0.3, 0.3]))
    points = points[framed(points)] + SIDE / 2
    result = mapped(points)
    assert result["grain"].values.max() == 1
    assert spread(result)[1] < 2e-3


def test_parts_of_one_crystal_on_either_side_of_a_gap_are_one_grain():
    points = crystal(basis("oblique"), 0.4, np.array([0.3, 0.3]))
    points = points[framed(points) & (np.abs(points[:, 1]) > 50)] + SIDE / 2
    (found,) = found_in(points)
    assert len(found.sites) > 0.98 * len(points)


def test_sites_without_order_are_of_no_grain():
    rng = np.random.default_rng(2)
    assert found_in(rng.uniform(0, SIDE, (500, 2))) == []
    assert found_in(rng.uniform(0, SIDE, (10, 2))) == []


def test_frames_of_one_crystal_share_a_grain():
    points = crystal(basis("hexagonal"), 0.2, np.array([0.3, 0.3]))
    points = points[framed(points)] + SIDE / 2
    both = np.concatenate([points, points + np.array([3.0, -2.0])])
    frame = np.repeat([0, 1], len(points))
    (found,) = grains.find_grains(both, frame)
    assert len(found.sites) == len(both)
    assert set(np.unique(frame[found.lattice.start] - frame[found.lattice.stop])) == {0}


@pytest.mark.parametrize("kind", ["square", "hexagonal", "oblique", "rectangular"])
def test_the_distortion_that_grains_share_is_found(kind):
    """Axes 1.08 : 1 along 37°: each grain counts from itself, and what makes both alike is told."""
    along = deformation.turning(np.radians(37.0))
    distortion = along @ np.diag([1.08**0.5, 1.08**-0.5]) @ along.T
    points, _ = bicrystal(kind, 40.0, 3, noise=0.2, distortion=distortion)
    result = mapped(points, 0.2)
    assert result["grain"].values.max() == 2
    assert spread(result)[0] < 0.006
    told = between_grains.distortion_of(result.attrs)
    assert told["ratio"] == pytest.approx(1.08, abs=0.006)
    assert told["direction_deg"] == pytest.approx(37.0, abs=3)
    assert told["left"] < 0.01
    (pair,) = between_grains.misorientations_of(result.attrs)
    period = 360 / LATTICES[kind][2]
    assert pair["period_deg"] == pytest.approx(period)
    wanted = abs((40 + period / 2) % period - period / 2)
    assert abs(pair["angle_deg"]) == pytest.approx(wanted, abs=0.5)


def test_an_undistorted_image_has_a_distortion_within_its_error():
    off = []
    for seed in range(4):
        points, _ = bicrystal("oblique", 50.0, seed, noise=0.3)
        told = between_grains.distortion_of(mapped(points, 0.3).attrs)
        off.append((told["ratio"] - 1) / 2 / told["error"] if told else 0.0)
    assert np.mean(off) < 2


def test_an_angle_that_depends_on_the_distortion_is_never_given_alone():
    """Rhombic lattices under a large distortion: two pairings of vectors need about as much."""
    rng = np.random.default_rng(5)
    ambiguous = 0
    for _ in range(60):
        turns, axis = rng.uniform(-3, 3, 2), rng.uniform(0, np.pi)
        angle = np.radians(rng.uniform(8, 172))
        along = deformation.turning(axis)
        distortion = along @ np.diag([1.11**0.5, 1.11**-0.5]) @ along.T
        measured = [
            misorientation.Measured(
                pairing.reduced(
                    basis("rhombic") @ (distortion @ deformation.turning(turn)).T
                    + rng.normal(0, 0.003, (2, 2))
                ),
                0.01,
                0.01,
                300,
            )
            for turn in (turns[0], turns[0] + angle)
        ]
        shared = misorientation.shared_distortion(measured)
        (found,) = misorientation.misorientations(measured, shared)
        true = min(abs(circular.wrap(each - angle, np.pi)) for each in (found.angle, *found.rivals))
        if shared is not None:
            assert true < np.radians(3)
        ambiguous += bool(found.rivals)
    assert 5 < ambiguous < 45


def test_an_angle_in_a_nearly_true_image_has_no_rival():
    for kind in LATTICES:
        points, _ = bicrystal(kind, 30.0 if kind != "hexagonal" else 22.0, 4, noise=0.2)
        (pair,) = between_grains.misorientations_of(mapped(points, 0.3).attrs)
        assert pair["rivals_deg"] == []


def test_an_ambiguous_angle_is_a_finding():
    points, _ = bicrystal("oblique", 86.0, 3, noise=0.2)
    result = mapped(points, 0.3)
    pairs = between_grains.misorientations_of(result.attrs)
    pairs[0]["rivals_deg"] = [41.0]
    result.attrs["misorientations"] = json.dumps(pairs)
    kinds = {finding.kind: finding for finding in of_grains.of_grains(result)}
    assert "or 41.0°" in kinds["misorientation is ambiguous"].says


def test_vectors_of_any_basis_are_paired():
    """Bases that differ by whole numbers and a rotation are one lattice."""
    rng = np.random.default_rng(5)
    for kind in LATTICES:
        for change in pairing.CHANGES[rng.integers(len(pairing.CHANGES), size=4)]:
            angle = rng.uniform(-0.3, 0.3)
            other = change @ basis(kind) @ deformation.turning(angle).T
            other = pairing.reduced(other)
            _, strain, turn = pairing.relate(basis(kind), other)
            assert np.abs(strain).max() < 1e-9
            assert turn == pytest.approx(angle)
        assert pairing.fold(basis(kind), 0.04) == LATTICES[kind][2]


def test_grains_that_are_hardly_turned_tell_no_distortion():
    one = misorientation.Measured(basis("square"), 0.01, 0.01, 200)
    two = basis("square") @ deformation.turning(0.02).T
    other = misorientation.Measured(two, 0.01, 0.01, 200)
    assert misorientation.shared_distortion([one, other]) is None
    assert misorientation.shared_distortion([one]) is None


def test_an_oblique_lattice_in_grains_86_degrees_apart_is_not_strained():
    points, _ = bicrystal("oblique", 86.0, 1, noise=0.02 * STEP)
    result = mapped(points, 0.02 * STEP)
    strain = np.abs(result["strain"].values[0])
    assert np.nanmean(strain > 0.03) < 0.01
    (pair,) = between_grains.misorientations_of(result.attrs)
    assert abs(pair["angle_deg"]) == pytest.approx(86.0, abs=0.5)
    assert pair["period_deg"] == 180


def test_phases_of_each_grain_are_taken_about_its_own_peaks():
    """Of the two grains neither is strained, by either method, however they lie to each other."""
    points, true = bicrystal("oblique", 86.0, 4)
    y, x = np.mgrid[: int(SIDE), : int(SIDE)]
    image = np.zeros(x.shape, np.float32)
    for px, py in points:
        rows, across = (slice(max(int(p) - 12, 0), int(p) + 13) for p in (py, px))
        away = (x[rows, across] - px) ** 2 + (y[rows, across] - py) ** 2
        image[rows, across] += np.exp(-away / (2 * 2.5**2))
    rng = np.random.default_rng(0)
    image += rng.normal(0, 0.05, image.shape).astype(np.float32)
    table = {"x": points[:, 0], "y": points[:, 1], "frame": np.zeros(len(points), int)}
    table |= {name: np.full(len(points), 0.03) for name in ("x_error", "y_error")}
    found = xr.Dataset({k: ("site", v) for k, v in table.items()})
    found = found.assign_coords(site=np.arange(len(points)))
    found.attrs = {"width": 2.5, "periodic": True}
    whole = xr.Dataset({"image": (("time", "channel", "y", "x"), image[None, None])})
    result = maps.map_strain(whole, found)
    assert list(result["method"].values) == ["neighbours", "GPA"]
    assert json.loads(result.attrs["failed"]) == [[], []]
    own = result.sel({"method": "GPA"})
    for number in (1, 2):
        strain = own["strain"].values[result["grain"].values == number]
        known = np.isfinite(strain).all(1)
        assert known.mean() > 0.5
        assert np.sqrt((strain[known] ** 2).mean()) < 0.008
    # Within reach of the Gaussian nothing is said of phases, on either side of the boundary.
    edge = np.isnan(own["rotation"].values) & (result["grain"].values > 0)
    assert edge.any() and set(true[edge]) == {0, 1}


def test_a_method_that_plainly_failed_has_no_error_bar():
    count = 60
    eye = np.tile(np.eye(2), (count, 1, 1))
    sure = np.full((count, 3), 0.005)
    measured = maps.Map(eye, sure, sure[:, 0])
    wrong = deformation.join(np.tile([-0.16, 0.0, 0.0], (count, 1)), np.zeros(count))
    failed = maps.Map(wrong, sure.copy(), sure[:, 0].copy())
    assert maps._drop_failures(failed, measured)
    assert np.isnan(failed.strain_error).all() and np.isnan(failed.deformation).all()
    near = deformation.join(np.tile([0.01, 0.0, 0.0], (count, 1)), np.zeros(count))
    near[7] = deformation.join(np.array([0.3, 0.0, 0.0]), 0.0)
    partly = maps.Map(near, sure.copy(), sure[:, 0].copy())
    assert not maps._drop_failures(partly, measured)
    assert np.flatnonzero(np.isnan(partly.rotation_error)).tolist() == [7]


def test_findings_tell_the_angle_and_the_distortion_and_nothing_of_one_crystal():
    along = deformation.turning(np.radians(37.0))
    distortion = along @ np.diag([1.08**0.5, 1.08**-0.5]) @ along.T
    points, _ = bicrystal("oblique", 86.0, 3, noise=0.2, distortion=distortion)
    result = mapped(points, 0.2)
    angle, distorted = of_grains.of_grains(result)
    assert (angle.kind, angle.severity) == ("grains", "note")
    assert (distorted.kind, distorted.severity) == ("distorted image", "care")
    assert "modulo 180°" in angle.says and "1.0" in distorted.says
    scores = of_grains.scores_of_grains(result)
    assert scores["misorientation_deg"] == pytest.approx(86.0, abs=0.5)
    assert set(scores) <= {measure.name for measure in of_grains.MEASURES}
    one, _ = bicrystal("oblique", 0.0, 3)
    result = mapped(one[one[:, 0] < SIDE / 2])
    assert of_grains.of_grains(result) == [] and of_grains.scores_of_grains(result) == {}


def test_a_strain_beyond_a_tenth_over_a_domain_is_reported_and_outliers_are_not():
    points = crystal(basis("square"), 0.1, np.array([0.3, 0.7]))
    result = mapped(points[framed(points)] + SIDE / 2)
    values = result["strain"].values
    values[0, ::40] = 0.2
    assert of_grains.of_grains(result) == []
    values[0, result["x"].values > SIDE / 2] = -0.15
    (found,) = of_grains.of_grains(result)
    assert (found.kind, found.severity) == ("strain beyond a tenth", "serious")
    assert "15 %" in found.says and found.about == "strain: neighbours"


def test_two_lattices_that_no_rotation_makes_alike_are_reported():
    left = crystal(basis("square"), 0.1, np.array([0.3, 0.7]))
    right = crystal(1.25 * basis("square"), 0.5, np.array([0.1, 0.2]))
    left = left[framed(left) & (left[:, 0] < -4)]
    right = right[framed(right) & (right[:, 0] > 4)]
    result = mapped(np.concatenate([left, right]) + SIDE / 2)
    kinds = [each.kind for each in of_grains.of_grains(result)]
    assert result["grain"].values.max() == 2
    assert "lattices of grains differ" in kinds


@pytest.mark.parametrize(
    ("name", "angle", "count"),
    [
        ("oblique-grains?grain=86&strain=1", 86.0, 2),
        ("square-grains?grain=27&strain=1&grains=3&distortion=6", 27.0, 3),
    ],
)
def test_strain_in_simulated_grains_is_found_as_in_one_crystal(name, angle, count):
    """From the image to the map: in every grain, by either method, within the stated errors."""
    size = "&size=400&spacing=20&dose=4000"
    errors = {}
    for number in (1, count):
        parameters = name + size + f"&grains={number}"
        image = simulate.make(parameters, 1)
        found = sites.find(image, {})
        result = maps.map_strain(image, found)
        assert result["grain"].values.max() == number
        for method in result["method"].values:
            off, _, known = truth.pulls(result, str(method))
            errors[number, str(method)] = [
                float(np.sqrt((off[own, :3] ** 2).mean()))
                for k in range(1, number + 1)
                if (own := known & (result["grain"].values == k)).any()
            ]
            assert len(errors[number, str(method)]) == number
    for method in ("neighbours", "GPA"):
        assert max(errors[count, method]) < 1.6 * errors[1, method][0]
    first = between_grains.misorientations_of(result.attrs)[0]
    true, label = found["truth_grain"].values, result["grain"].values
    numbers = [np.median(true[(label == k) & (true >= 0)]) for k in first["grains"]]
    period = first["period_deg"]
    off = first["angle_deg"] - angle * (numbers[1] - numbers[0])
    assert abs((off + period / 2) % period - period / 2) < 0.6


def test_the_poses_of_a_model_count_from_each_grain():
    """A canonical patch that is itself strained, in a distorted image, and angles known modulo the
    symmetry: within each grain the model's strain is that of the lattice."""
    distortion = deformation.join(np.array([0.04, -0.04, 0.02]), 0.0)
    points, true = bicrystal("oblique", 50.0, 2, noise=0.1, distortion=distortion)
    rng = np.random.default_rng(0)
    count = len(points)
    strain = np.where(true[:, None] == 0, [0.03, -0.05, 0.01], [-0.02, 0.06, 0.03])
    angle = np.where(true == 0, 0.4, 0.4 + np.radians(50)) + np.pi * rng.integers(0, 2, count)
    shared = {"content": rng.normal(size=(1, count, 2)), "strain": strain[None]}
    shared["strain"] = shared["strain"] + rng.normal(0, 0.002, (1, count, 3))
    shared["strain_sd"] = np.full((1, count, 3), 0.002)
    latents = xr.Dataset(
        {
            "content": (("member", "site", "latent"), shared["content"]),
            "strain": (("member", "site", "component"), shared["strain"]),
            "strain_sd": (("member", "site", "component"), shared["strain_sd"]),
            "angle": (("member", "site"), angle[None] + rng.normal(0, 0.002, (1, count))),
            "angle_sd": (("member", "site"), np.full((1, count), 0.002)),
            "member_kept": ("member", [1]),
        },
        coords={"site": np.arange(count)},
        attrs={"symmetry": 2},
    )
    table = {"x": points[:, 0], "y": points[:, 1], "frame": np.zeros(count, int)}
    table |= {name: np.full(count, 0.1) for name in ("x_error", "y_error")}
    found = xr.Dataset({k: ("site", v) for k, v in table.items()})
    found = found.assign_coords(site=np.arange(count))
    found.attrs = {"width": 2.0, "periodic": True}
    dark = np.zeros((1, 1, int(SIDE), int(SIDE)), np.float32)
    image = xr.Dataset({"image": (("time", "channel", "y", "x"), dark)})
    own = maps.map_strain(image, found, {"rvae": latents}).sel({"method": "rvae"})
    for number in (1, 2):
        here = own["grain"].values == number
        assert np.isfinite(own["rotation"].values[here]).mean() > 0.8
        assert np.nanstd(own["strain"].values[here]) < 0.006
        assert np.abs(np.nanmedian(own["strain"].values[here], axis=0)).max() < 0.003
        assert np.nanmax(np.abs(own["rotation"].values[here])) < 0.03


def test_borders_lie_between_cells_of_two_grains():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    right, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    cells = [square, square + right, None, square + down, square + right + down]
    lines = drawn._borders(cells, np.array([1, 2, 1, 1, 2]))
    assert len(lines) == 2 and all((line[:, 0] == 1.0).all() for line in lines)
