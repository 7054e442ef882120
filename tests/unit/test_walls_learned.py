"""The learned detector of walls: what it learns from simulations holds in pictures that it has not
seen, whatever their sign, phase, gain and size, and in noise it sees nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from vaescope import simulate, sites, walls
from vaescope.errors import UserError
from vaescope.learned.settings import OF_WALLS, DetectorSettings
from vaescope.recipes import resolve_recipe
from vaescope.simulate import domains
from vaescope.sites import learned as detectors
from vaescope.walls.curve import zero_lines
from vaescope.walls.learned import normalised, tracing, wall_detector, wall_scenes, wall_training
from vaescope.walls.settings import WallFinding
from vaescope.walls.significance import significant
from vaescope.walls.smooth import smooth

RECIPES = Path(__file__).parents[2] / "config" / "recipes"
WANTED = OF_WALLS.as_dict() | {
    "simulate": ["walls?tip=1.5&width=1.5&irregular=0&drift=0"],
    "images": 14,
    "steps": 90,
    "members": 2,
    "channels": 4,
    "batch": 5,
    "learning_rate": 1e-2,
}
LEARNED = WallFinding(finder="learned")


@pytest.fixture(scope="module")
def trained():
    """As small as can be: some seconds of training."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(wall_training, "_EMPTY", 8)
        patched.setattr(wall_training, "_JUDGED", 8)
        return detectors.train(WANTED, threads=2, log=lambda text: None)


def image_of(seed=0, **parameters):
    text = "&".join(f"{key}={value}" for key, value in {"size": 128, **parameters}.items())
    return simulate.make(f"walls?{text}", seed).load()


def errors(found, image):
    """Share of the points found that are farther than 2 px from any true one, and of the true ones
    that are farther than 2 px from any found."""
    keep = ~image.truth_apart.values
    truth = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    place = np.concatenate([np.zeros((0, 2)), *(wall.place for wall in found)])
    if not len(place):
        return 0.0, 1.0
    wrong = cKDTree(truth).query(place)[0] > 2
    missed = cKDTree(place).query(truth[keep])[0] > 2
    return wrong.mean(), missed.mean()


@pytest.mark.parametrize("shape", domains.SHAPES)
def test_walls_of_every_shape_are_found(trained, shape):
    image = image_of(3, domains=shape, noise=0.3, length=18)
    wrong, missed = errors(walls.find(walls.signal_of(image, 0), LEARNED, trained), image)
    assert wrong < 0.03 and missed < 0.1


def test_sign_phase_and_gain_do_not_matter(trained):
    signal = walls.signal_of(image_of(4, noise=0.3), 0)
    usual = wall_detector.maps(trained, signal)
    whole = signal.in_phase + 1j * signal.out_of_phase
    for factor in (-1, np.exp(1j), 1e-6, -20j):
        other = whole * factor
        turned = replace(signal, in_phase=other.real, out_of_phase=other.imag)
        seen = wall_detector.maps(trained, turned)
        assert np.abs(seen.probability - usual.probability).max() < 0.01
        sign = np.sign((seen.state * usual.state).sum())
        assert np.abs(sign * seen.state - usual.state).max() < 0.05


def test_what_is_far_away_and_the_size_of_a_tile_do_not_matter(trained):
    picture = normalised.standard(walls.signal_of(image_of(5, size=256, noise=0.3), 0))
    whole = wall_detector.look(trained.members, picture)
    tiles = wall_detector.look(trained.members, picture, tile=64)
    assert np.abs(whole - tiles).max() < 1e-3
    part = wall_detector.look(trained.members, picture[:131, :177])
    assert np.abs(whole[..., :64, :112] - part[..., :64, :112]).max() < 1e-3


def test_probabilities_and_their_spread_are_of_every_pixel(trained):
    image = image_of(6, noise=0.3)
    seen = wall_detector.maps(trained, walls.signal_of(image, 0))
    place = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    near = wall_scenes.near_walls(place, (128, 128))
    assert seen.probability.min() >= 0 and seen.probability.max() <= 1
    assert seen.spread.max() > 0
    assert seen.probability[near].mean() > 0.5 > 0.05 > seen.probability[~near].mean()


NOISES = [{"contrast": 0}, {"share": 0}, {"contrast": 0, "crosstalk": 0.08}]


@pytest.mark.parametrize("parameters", NOISES)
def test_in_noise_no_wall_is_seen(trained, parameters):
    for seed in range(3):
        image = image_of(seed, **parameters)
        assert not walls.find(walls.signal_of(image, 0), LEARNED, trained)


def test_what_was_not_measured_has_no_walls(trained):
    signal = walls.signal_of(image_of(7, noise=0.2), 0)
    measured = np.ones((128, 128), bool)
    measured[40:60] = False
    spoilt = np.where(measured, signal.in_phase, np.nan)
    found = tracing.traced(trained, replace(signal, in_phase=spoilt, measured=measured))
    place = np.concatenate([curve.place for curve in found])
    assert len(place) > 100 and not ((place[:, 0] > 40) & (place[:, 0] < 59)).any()


def test_what_was_saved_finds_the_same(trained, tmp_path):
    detectors.save(trained, tmp_path / "members")
    again = detectors.load(tmp_path / "members")
    signal = walls.signal_of(image_of(8), 0)
    one, two = (wall_detector.maps(each, signal) for each in (trained, again))
    np.testing.assert_allclose(one.probability, two.probability, atol=1e-4)
    assert again.settings == trained.settings and again.facts == trained.facts


def test_the_same_settings_train_the_same_members():
    settings = DetectorSettings.of({"simulate": ["walls"], "images": 3, "channels": 4, "batch": 2})
    pool = wall_training.draw(settings, 3, 0)
    again = wall_training.draw(settings, 3, 0)
    assert all(np.array_equal(a.clean, b.clean) for a, b in zip(pool, again, strict=True))
    for a, b in zip(
        wall_training.batch(pool, 2, np.random.default_rng(1)),
        wall_training.batch(again, 2, np.random.default_rng(1)),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_parameters_that_are_given_are_kept_and_the_others_differ(monkeypatch):
    seen = []
    build = simulate.PIEZO["walls"].build
    spy = replace(simulate.PIEZO["walls"], build=lambda p, rng: seen.append(p) or build(p, rng))
    monkeypatch.setitem(simulate.PIEZO, "walls", spy)
    for seed in range(4):
        wall_scenes.wall_scene("walls?width=2&domains=stripes&drift=0", np.random.default_rng(seed))
    assert {p.width for p in seen} == {2} and {p.domains for p in seen} == {"stripes"}
    assert len({p.tip for p in seen}) == 4 and len({p.length for p in seen}) == 4


@pytest.mark.parametrize("name", ["walls?frames=0", "wals"])
def test_a_detector_of_walls_learns_from_simulations_that_there_are(name):
    with pytest.raises(UserError):
        detectors.train({"simulate": [name]})


def test_the_finder_needs_a_detector():
    with pytest.raises(UserError, match="needs a trained detector"):
        walls.find(walls.signal_of(image_of(), 0), LEARNED)


def test_sites_lie_along_the_walls_that_the_detector_finds(trained):
    image = image_of(9, noise=0.3)
    other = {"simulate": ["walls"], "seed": 1}  # which does not come with the package
    with pytest.raises(UserError, match="needs a trained detector"):
        sites.find(image, {"method": "walls", "finder": "learned", "detector": other})
    found = sites.find(image, {"method": "walls", "finder": "learned"}, detector=trained)
    truth = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    place = np.stack([found.y.values, found.x.values], axis=1)
    assert len(place) > 20 and (cKDTree(truth).query(place)[0] < 2).mean() > 0.97
    assert found.attrs["finder"] == "learned"


def test_a_recipe_has_the_detector_of_its_finder():
    assert resolve_recipe("walls-learned", [RECIPES]).sites.detector == OF_WALLS
    assert resolve_recipe("walls", [RECIPES]).sites.detector is None


def test_a_recipe_whose_detector_learns_from_crystals_is_refused(tmp_path):
    wrong = "extends: walls\nsites: {finder: learned, detector: {steps: 10}}\n"
    (tmp_path / "wrong.yaml").write_text(wrong)
    with pytest.raises(UserError, match="trained on something else"):
        resolve_recipe("wrong", [tmp_path, RECIPES])


def test_long_walls_found_by_their_shape_stand_out_of_the_topography_as_well():
    """Where the height was not recorded, so that what leaks of it cannot be taken out."""
    name = "walls?noise=0.4&irregular=0.8&drift=6&crosstalk=0.3&tip=2"
    image = simulate.make(name, 9002).load().isel(channel=slice(2))
    signal = walls.signal_of(image, 0)
    lines = zero_lines(smooth(signal.in_phase, signal.measured, 1.5), signal.measured)
    seen = significant(lines, signal, 1.5, by_shape=True)
    assert not significant(lines, signal, 1.5)
    assert sum(line.length for line in seen) > 1000
    assert min(line.length for line in seen) > 40


def test_a_stretch_may_run_through_the_start_of_a_closed_curve():
    keep = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert [list(run) for run in tracing.stretches(keep, closed=True)] == [[4], [6, 0, 1]]
    assert [list(run) for run in tracing.stretches(keep, closed=False)] == [[0, 1], [4], [6]]
    assert [list(run) for run in tracing.stretches(np.ones(3, bool), closed=True)] == [[0, 1, 2]]
    assert tracing.stretches(np.zeros(3, bool), closed=True) == []


def test_crystals_and_domains_are_not_mixed():
    with pytest.raises(UserError, match="not on both"):
        DetectorSettings.of({"simulate": ["walls", "square"]})
    assert DetectorSettings.of({"simulate": ["walls?domains=stripes"]}).of_walls
    assert not DetectorSettings.of({}).of_walls
