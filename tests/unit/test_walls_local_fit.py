"""Walls of domains whose response varies from place to place, as that of real ones does."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.walls.curve import zero_lines
from vaescope.walls.finding import find
from vaescope.walls.local_fit import fit_locally
from vaescope.walls.misfit import MUCH, misfit
from vaescope.walls.settings import WallFinding
from vaescope.walls.signal import Signal, level_of, noise_of, signal_of
from vaescope.walls.smooth import smooth
from vaescope.walls.wall import Wall


def scene(noise, seed):
    made = simulate.make(f"walls?noise={noise}&size=160", seed)
    signal = signal_of(simulate.image_of(made), 0)
    return made, Signal(
        signal.in_phase, signal.measured, signal.noise, 0.0, signal.out_of_phase, genuine=True
    )


def textured(signal, seed):
    """The response with stripes and grains that make it weaker, and nowhere reverse it."""
    side = signal.in_phase.shape[0]
    y, x = np.mgrid[:side, :side]
    grains = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 5)
    strength = 1 + 0.35 * np.sin((y + x) / 2.5) + 0.3 * np.tanh(grains / grains.std())
    response = signal.in_phase * np.maximum(strength, 0.3)
    return Signal(response, signal.measured, signal.noise, 0.0, signal.out_of_phase, genuine=True)


def against_truth(walls, made):
    """Distance across the wall from the truth in px, over its standard error, and the distance."""
    truth = np.stack([made["truth_y"].values, made["truth_x"].values], 1)
    angle = made["truth_direction"].values
    normal = np.stack([np.cos(angle), -np.sin(angle)], 1)
    place = np.concatenate([wall.place for wall in walls])
    error = np.concatenate([wall.normal_error for wall in walls])
    distance, nearest = cKDTree(truth).query(place)
    kept = (distance < 3) & ~made["truth_apart"].values[nearest]
    off = ((place - truth[nearest]) * normal[nearest]).sum(1)[kept]
    return off, off / error[kept], distance


@pytest.mark.parametrize(("noise", "most"), [(0.15, 0.18), (0.4, 0.4)])
def test_profiles_place_walls_within_their_errors(noise, most):
    """A smoothed zero line has 0.145 and 0.26 px at best; its errors are not known."""
    made, signal = scene(noise, 5)
    curves = zero_lines(smooth(signal.in_phase, signal.measured, 1.5), signal.measured)
    off, scaled, _ = against_truth(fit_locally(signal, curves, None), made)
    assert np.sqrt((off**2).mean()) < most
    assert 0.5 < (abs(scaled) < 1).mean() < 0.85


def test_one_model_holds_for_a_simulation_and_not_for_a_textured_response():
    for noise in (0.15, 0.8):
        _, signal = scene(noise, 3)
        assert misfit(signal, smooth(signal.in_phase, signal.measured, 2)) < 1.4
    _, signal = scene(0.15, 3)
    rough = textured(signal, 3)
    assert misfit(rough, smooth(rough.in_phase, rough.measured, 2)) > MUCH


def test_stripes_inside_a_domain_are_no_walls_and_bend_none():
    made, signal = scene(0.1, 7)
    walls = find(textured(signal, 7), WallFinding())
    off, _, distance = against_truth(walls, made)
    assert (distance > 3).mean() < 0.02
    truth = np.stack([made["truth_y"].values, made["truth_x"].values], 1)
    truth = truth[~made["truth_apart"].values]
    missed = cKDTree(np.concatenate([wall.place for wall in walls])).query(truth)[0] > 3
    assert missed.mean() < 0.02
    assert np.median(abs(off)) < 0.5


def test_what_the_record_of_reading_calls_a_response_is_no_noise():
    image = simulate.image_of(simulate.make("walls?size=96", 1))
    assert not signal_of(image, 0).genuine
    for states in (0, 1, 2):
        response = {"name": "in-phase", "frames": [{"states": states}]}
        image.attrs["piezoresponse"] = json.dumps({"responses": [response]})
        assert signal_of(image, 0).genuine == (states > 0)


@pytest.mark.parametrize(("strength", "grain"), [(0.25, 2.0), (0.25, 4.0), (0.5, 2.0)])
def test_errors_contain_the_texture_of_the_domains(strength, grain):
    inside = []
    for seed in range(4):
        wall, away = grainy(strength, grain, seed)
        inside.append((np.abs(away) < wall.normal_error).mean())
        assert np.all(wall.noise_error < wall.normal_error)
    assert 0.4 < np.mean(inside) < 0.95


def grainy(strength: float, grain: float, seed: int) -> tuple[Wall, np.ndarray]:
    """The wall of a disc in domains whose response varies by ``strength`` over ``grain`` px, and
    how far (point,) px from the centre's circle it was found."""
    rng = np.random.default_rng(seed)
    centre, radius, side = np.array([47.3, 48.6]), 22.0, 96
    y, x = np.mgrid[:side, :side]
    distance = radius - np.hypot(y - centre[0], x - centre[1])
    grains = gaussian_filter(rng.normal(size=distance.shape), grain)
    response = np.tanh(distance / 1.5) * (1 + strength * grains * 2 * grain * np.sqrt(np.pi))
    along, across = rng.normal(0, 0.02, (2, side, side))
    along = gaussian_filter(response, 1.0) + along
    seen = np.ones(along.shape, bool)
    signal = Signal(along, seen, noise_of(along, seen), level_of(along, seen), across)
    wall = max(find(signal, WallFinding()), key=lambda found: found.length)
    return wall, np.linalg.norm(wall.place - centre, axis=1) - radius
