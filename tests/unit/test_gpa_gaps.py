"""Geometric phases keep to what was measured of an image."""

import numpy as np
import pytest

from vaescope.strain import gpa

SIDE, STEP, RESOLUTION, LENGTH, HIGH = 220, 10.0, 12.0, 110.0, 0.02
GAPS = ("stopped scan", "frame", "lost lines")


def crystal(seed, noise=0.1):
    """An image of a square lattice with a wave of strain along x, its columns (site, 2) as (x, y),
    and the strain xx at each as it is averaged over the resolution."""
    rng = np.random.default_rng(seed)
    turn, start = rng.uniform(-0.4, 0.4), rng.uniform(0, 10, 2)
    index = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 2), -1).reshape(-1, 2)
    c, s = np.cos(turn), np.sin(turn)
    vectors = STEP * np.array([[c, s], [-s, c]])
    place = index @ vectors + SIDE / 2 + start
    wave = 2 * np.pi / LENGTH
    place[:, 0] += HIGH / wave * np.sin(wave * place[:, 0])
    image = rng.normal(0, noise, (SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for column in place[((place > -8) & (place < SIDE + 8)).all(1)]:
        low = np.clip(np.rint(column).astype(int) - 9, 0, SIDE)
        part = np.s_[low[1] : low[1] + 19, low[0] : low[0] + 19]
        image[part] += np.exp(-((x[part] - column[0]) ** 2 + (y[part] - column[1]) ** 2) / 10)
    place = place[((place > 2) & (place < SIDE - 3)).all(1)]
    strain = HIGH * np.cos(wave * place[:, 0]) * np.exp(-((wave * RESOLUTION) ** 2) / 2)
    return image, place, vectors, strain


def gap_of(name):
    y, x = np.mgrid[:SIDE, :SIDE]
    if name == "stopped scan":
        return y > 140
    if name == "frame":
        return abs(0.95 * (x - 110) + 0.31 * (y - 110)) > 90
    return np.isin(y, (40, 41, 90, 137))


def fault(image, place, vectors, strain):
    """Errors of the strain xx (site,), up to its zero, NaN where it is not known."""
    found = gpa.analyse(image, place, vectors, RESOLUTION)
    assert found is not None
    off = found.deformation[:, 0, 0] - 1 - strain
    return off - np.nanmedian(off)


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("seed", range(3))
def test_gaps_leave_strain_as_right_as_in_a_whole_image(name, seed):
    image, place, vectors, strain = crystal(seed)
    gap = gap_of(name)
    column, row = np.rint(place).astype(int).T
    seen = ~gap[row, column]
    place, strain, column, row = place[seen], strain[seen], column[seen], row[seen]
    whole = fault(image, place, vectors, strain)
    kept = fault(np.where(gap, np.nan, image), place, vectors, strain)
    filled = fault(np.where(gap, image[~gap].mean(), image), place, vectors, strain)
    known = np.isfinite(kept)
    rms = [np.sqrt(np.mean(each[known & np.isfinite(each)] ** 2)) for each in (whole, kept)]
    assert rms[1] < 1.3 * rms[0] + 2e-4
    if name == "lost lines":
        assert known.sum() > 0.95 * np.isfinite(whole).sum()
        return
    assert 0.5 < known.sum() / np.isfinite(whole).sum() < 0.95
    near = np.isfinite(filled) & ~known  # beside the gap, where a filled one is believed
    assert near.sum() > 10
    if name == "frame":  # across the wave of strain; along it, a border changes little of xx
        assert np.sqrt(np.mean(filled[near] ** 2)) > 2 * rms[1]
