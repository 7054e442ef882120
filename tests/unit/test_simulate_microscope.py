"""What the simulated microscope does is what was asked of it, and the truth keeps up."""

import json

import numpy as np
import pytest
from scipy.spatial import cKDTree

from vaescope import simulate, sites

PLAIN = "square?size=240&spacing=60&dose=1e7&background=0.001"


def positions(image):
    return np.stack([image.truth_y.values, image.truth_x.values], axis=1)


def lone(image):
    """Columns well inside: (window of ±20 px without background, offset of the truth in it)."""
    width = json.loads(image.attrs["vendor_metadata"])["width"]
    counts = image.image.values[0, 0] - 0.001 * 1e7 / (2 * np.pi * width**2)
    out = []
    for y, x in positions(image):
        i, j = round(y), round(x)
        if 22 < y < 217 and 22 < x < 217:
            out.append((counts[i - 20 : i + 21, j - 20 : j + 21], (y - i, x - j)))
    return out


def moments(window):
    axis = np.arange(41) - 20.0
    weight = window
    total = weight.sum()
    y, x = (weight * axis[:, None]).sum() / total, (weight * axis).sum() / total
    dy, dx = axis[:, None] - y, axis[None] - x
    second = [[(weight * a * b).sum() / total for a in (dy, dx)] for b in (dy, dx)]
    return total, np.array([y, x]), np.array(second)


@pytest.mark.parametrize("extra", ["", "&drift=15", "&tilt=12", "&drift=20&tilt=8"])
def test_columns_are_seen_where_the_truth_says(extra):
    for window, true in lone(simulate.make(PLAIN + extra, 2)):
        np.testing.assert_allclose(moments(window)[1], true, atol=0.03)


def test_drift_moves_the_truth_by_its_amount_from_the_first_row_to_the_last():
    still, moved = (simulate.make(f"hexagonal?size=256&drift={d}", 3) for d in (0, 12))
    distance, match = cKDTree(positions(still)).query(positions(moved))
    away = positions(moved) - positions(still)[match]
    y = positions(still)[match, 0]
    keep = distance < 8  # the others came in over the edge
    fit = [np.polyfit(y[keep], away[keep, k], 2) for k in (0, 1)]
    ends = np.array([np.polyval(f, [0, 255]) for f in fit])
    assert np.hypot(*(ends[:, 1] - ends[:, 0])) == pytest.approx(12, rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_the_angle_follows_the_drift(seed):
    """The rotation that is left when the shear's symmetric part is taken out."""
    image = simulate.make("square?size=256&drift=8&angle=20", seed)
    p, t = positions(image), image.truth_angle.values
    inside = ((p > 30) & (p < 225)).all(axis=1)
    tree, rotation = cKDTree(p), []
    for k in np.flatnonzero(inside):
        steps = p[tree.query(p[k], k=5)[1][1:]] - p[k]
        z = steps[:, 1] - 1j * steps[:, 0]
        # Of z -> (1+α) z + β z̄, four lattice vectors at right angles pick out 1+α.
        turn = np.exp(1j * (t[k] + np.pi / 2 * np.round((np.angle(z) - t[k]) / (np.pi / 2))))
        rotation.append(np.angle((z / turn).sum()))
    # The truth keeps to the first order of the shear, 8/256.
    assert np.abs(np.mean(rotation)) < 1e-3
    assert np.abs(rotation).max() < 5e-3


def test_rows_are_shifted_by_the_scan_noise_all_alike():
    image = simulate.make(PLAIN + "&scan_noise=0.8&angle=0", 1)
    counts, p = image.image.values[0, 0].astype(float), positions(image)
    shifts = {}
    for y, x in p[((p > 25) & (p < 214)).all(axis=1)]:
        axis = np.arange(round(x) - 20, round(x) + 21)
        for row in range(round(y) - 4, round(y) + 5):
            line = counts[row, axis] - np.median(counts[row, axis])
            shifts.setdefault(row, []).append((line * axis).sum() / line.sum() - x)
    spread = np.array([np.ptp(each) for each in shifts.values() if len(each) > 1])
    mean = np.array([np.mean(each) for each in shifts.values()])
    assert len(mean) >= 27 and spread.max() < 0.2
    assert mean.std() == pytest.approx(0.8, rel=0.4)


def test_clutter_adds_its_mean_and_is_smooth():
    plain, dirty = (
        simulate.make(f"square?dose=1e6&contamination={c}", 0).image.values[0, 0].astype(float)
        for c in (0, 0.3)
    )
    peak = 1e6 / (2 * np.pi * 3.0**2)
    clutter = (dirty - plain) / peak
    assert clutter.mean() == pytest.approx(0.3, abs=0.01)
    assert clutter.min() > -0.1 and clutter.std() > 0.1
    assert np.corrcoef(clutter[:, 1:].ravel(), clutter[:, :-1].ravel())[0, 1] > 0.9


def test_a_tilt_lengthens_columns_and_keeps_their_electrons():
    for window, _ in lone(simulate.make(PLAIN + "&tilt=12", 5)):
        total, _, second = moments(window)
        assert total == pytest.approx(1e7, rel=0.01)
        np.testing.assert_allclose(np.linalg.eigvalsh(second), [9, 9 + 12**2 / 12], rtol=0.02)


def test_tails_keep_the_electrons_and_widen_the_spot():
    for window, _ in lone(simulate.make(PLAIN + "&tails=0.3&width=2", 5)):
        total, _, second = moments(window)
        assert total == pytest.approx(1e7, rel=0.02)
        np.testing.assert_allclose(np.diag(second), 0.7 * 4 + 0.3 * 36, rtol=0.05)


def test_the_bound_knows_tilt_and_tails():
    """Of a lone column: variance of its image over its electrons, along each axis."""
    name = "square?size=160&spacing=70&dose=4000&background=0.001"
    inside = {}
    for extra in ("", "&tilt=9", "&tails=0.36"):
        image = simulate.make(name + extra, 0)
        keep = ((positions(image) > 30) & (positions(image) < 130)).all(axis=1)
        inside[extra] = image.truth_bound.values[keep]
    np.testing.assert_allclose(inside["&tilt=9"], np.sqrt((9 + 81 / 24) / 4000), rtol=0.03)
    # Fisher information of the core's position under its own counts and those of the tails, which
    # reach three times as far; the electrons of the tails tell next to nothing.
    y, x = np.mgrid[-40:41, -40:41] / 3.0
    core = np.exp(-(y**2 + x**2) / 2)
    tails = np.exp(-(y**2 + x**2) / 18) / 9
    share = ((0.64 * x * core) ** 2 / (0.64 * core + 0.36 * tails + 0.001)).sum()
    alone = ((x * core) ** 2 / (core + 0.001)).sum()
    ratio = inside["&tails=0.36"] / inside[""]
    np.testing.assert_allclose(ratio, np.sqrt(alone / share), rtol=0.02)


def test_the_same_seed_gives_the_same_crystal_with_and_without_the_microscope():
    plain, shaken = (
        simulate.make(f"mos2?size=128{extra}", 7)
        for extra in ("", "&scan_noise=1&contamination=0.2&tilt=3&tails=0.1")
    )
    for name in ("truth_y", "truth_x", "truth_defect"):
        np.testing.assert_array_equal(plain[name], shaken[name])


@pytest.mark.parametrize("name", ["graphene?size=256", "mos2?size=256&tilt=3&tails=0.2&drift=5"])
def test_fitted_positions_reach_the_bound(name):
    scores = json.loads(sites.find(simulate.make(name, 0)).attrs["truth_scores"])
    assert scores["n_found"] > 80 and scores["precision"] > 0.98
    # A hundred sites tell the root mean square to about 5 %; the fit knows nothing of the tilt.
    assert 0.85 < scores["rmse_over_bound"] < 1.2
