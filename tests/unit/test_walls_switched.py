"""What switched between two frames is found with its significance; artefacts are not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from vaescope import simulate
from vaescope.walls.doubtful import doubtful
from vaescope.walls.signal import Signal, signal_of
from vaescope.walls.switched import switched

STILL = np.zeros(2), np.zeros((2, 2))


@cache
def movie(seed, system="switching", **parameters):
    text = "&".join(f"{key}={value}" for key, value in parameters.items())
    made = simulate.make(f"{system}?size=128&{text}", seed).load()
    return made, [signal_of(made, frame) for frame in range(made.sizes["time"])]


@pytest.mark.parametrize("noise", [0.15, 0.8])
def test_the_switched_share_is_found_within_its_error(noise):
    z = []
    for seed in range(3):
        made, signals = movie(seed, frames=4, noise=noise, speed=3, pinning=4)
        for k in range(3):
            found = switched(signals[k], signals[k + 1], *STILL)
            true = float(made.truth_switched[k])
            domain = made.truth_domain.values
            certain = np.abs(found.significance) > 3
            assert found.happened and (domain[k] != domain[k + 1])[certain].mean() > 0.97
            new = np.sign(found.significance[certain]) > 0
            assert (new == (domain[k + 1][certain] == 1)).mean() > 0.97
            assert found.share == pytest.approx(true, abs=0.25 * true)
            z.append((found.share - true) / found.share_error)
    assert np.sqrt(np.mean(np.square(z))) < 2


@pytest.mark.parametrize("noise", [0.15, 0.4, 0.8])
def test_nothing_switches_where_nothing_did(noise):
    for seed in range(4):
        _, signals = movie(seed, "walls", frames=2, noise=noise)
        found = switched(*signals, *STILL)
        assert not found.happened
        assert found.share < 3 * found.share_error


def test_contrast_lost_to_a_turned_phase_is_no_switching():
    _, (before, after) = movie(1, "walls", frames=2)
    band = np.zeros((128, 128), bool)
    band[:, 90:] = True
    turned = replace(
        after,
        in_phase=np.where(band, -0.4 * after.in_phase, after.in_phase),
        out_of_phase=np.where(band, after.in_phase + 0.3, after.out_of_phase),
    )
    found = switched(before, turned, *STILL)
    assert not found.happened and not found.compared[:, 96:].mean() > 0.2
    lost = replace(after, in_phase=np.where(band, 0, after.in_phase), measured=~band)
    found = switched(before, lost, *STILL)
    assert not found.happened and not found.compared[:, 91:].any()


def test_an_error_of_the_drift_is_no_switching():
    made, (before, after) = movie(2, "walls", frames=2, drift=2)
    off = [float(made[f"truth_drift_{axis}"][1]) for axis in "yx"]
    right = switched(before, after, np.array(off), 0.01**2 * np.eye(2))
    assert not right.happened
    wrong = switched(before, after, np.zeros(2), 0.01**2 * np.eye(2))
    assert wrong.happened  # a drift that is not taken out looks like motion
    unsure = switched(before, after, np.zeros(2), 4.0 * np.eye(2))
    assert np.nanmax(np.abs(unsure.significance)) < np.nanmax(np.abs(wrong.significance)) / 2
    assert unsure.share_error > 3 * wrong.share_error


def test_a_compact_domain_is_found_whole():
    _, (before, after) = movie(3, "walls", frames=2, share=0)
    y, x = np.ogrid[:128, :128]
    disc = (y - 60) ** 2 + (x - 70) ** 2 < 15**2
    flipped = replace(after, in_phase=np.where(disc, after.in_phase + 2, after.in_phase), level=0)
    found = switched(replace(before, level=0), flipped, *STILL)
    assert found.share == pytest.approx(disc.mean(), abs=3 * found.share_error + 0.001)
    assert (found.switched & disc).sum() / (found.switched | disc).sum() > 0.93


def framed(domain, weak, noise=0.1, seed=0):
    """A frame with response 1, where ``weak`` a small one of the sign of ``domain`` alone."""
    rng = np.random.default_rng(seed)
    response = np.where(domain, 1.0, -1.0) * np.where(weak, 0.03, 1.0)
    values = ndimage.gaussian_filter(response, 1.0) + noise * rng.normal(size=domain.shape)
    across = noise * rng.normal(size=domain.shape)
    return Signal(values, np.ones(domain.shape, bool), noise, 0.0, across)


def test_a_weak_domain_that_is_there_in_one_frame_only_is_doubtful_and_others_are_not():
    y, x = np.mgrid[:96, :96]
    still = x < 40.0
    share = np.clip(40.5 - x, 0, 1)
    weak = (y - 48) ** 2 + (x - 70) ** 2 < 144
    domain = np.where(weak, 1.0, share)
    for dim, doubt in ((weak, True), (weak & False, False)):
        frames = framed(still | weak, dim), framed(still, dim, seed=1)
        found = doubtful(*frames, domain, share, *STILL)
        assert found[48, 70] == float(doubt)
        assert not found[~weak].any()
    # A wall that moves by two pixels has crossed what lies between.
    moved = np.clip(42.8 - x, 0, 1)
    frames = framed(still, weak & False), framed(x < 42.3, weak & False, seed=1)
    assert not doubtful(*frames, share, moved, *STILL).any()
