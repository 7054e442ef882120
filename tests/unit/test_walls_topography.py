"""Topography that leaks into the piezoresponse neither hides walls nor makes some."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vaescope import simulate
from vaescope.judge.of_walls import of_walls
from vaescope.sites import find
from vaescope.walls import WallFinding
from vaescope.walls.finding import seek
from vaescope.walls.signal import sides, signal_of
from vaescope.walls.topography import leaked


def length(name: str, seed: int) -> float:
    """Length in px of the walls that stand out in a simulation."""
    signal = signal_of(simulate.image_of(simulate.make(name, seed)), 0)
    return sum(curve.length for curve in seek(signal, WallFinding())[2])


@pytest.mark.parametrize("seed", range(3))
def test_walls_are_found_beside_strong_topography(seed):
    clean = length("walls?size=160&noise=0.3", seed)
    assert length("walls?size=160&noise=0.3&crosstalk=0.4", seed) == pytest.approx(clean, rel=0.1)


@pytest.mark.parametrize("crosstalk", [0.5, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_topography_alone_is_no_wall(crosstalk, seed):
    name = f"walls?size=160&noise=0.3&contrast=0.001&crosstalk={crosstalk}"
    assert length(name, seed) == 0


@pytest.mark.parametrize("crosstalk", [0.1, 0.5])
def test_what_leaks_is_taken_out_of_the_response(crosstalk):
    """What is left beside the true response and its noise is small against what leaked."""
    scene = simulate.make(f"walls?size=160&noise=0.15&crosstalk={crosstalk}", 4).load()
    true = scene["truth_response"].values[0]
    before = scene["image"].values[0, 0] - true
    after = signal_of(scene, 0).in_phase - true
    added = [float(np.std(gaussian_filter(each, 2))) for each in (before, after)]
    noise = 0.15 / (2 * np.sqrt(np.pi) * 2)
    left = [np.sqrt(max(each**2 - noise**2, 0)) for each in added]
    assert left[1] < 0.4 * left[0]


@pytest.mark.parametrize("seed", range(4))
def test_grains_that_respond_unlike_are_no_crosstalk(seed):
    """Height and response both vary over grains, each by itself."""
    rng = np.random.default_rng(seed)
    height, texture, pattern = (gaussian_filter(rng.normal(size=(192, 192)), 12) for _ in range(3))
    side = np.where(pattern > 0, 1.0, -1.0)
    response = side * (1 + 0.3 * texture / texture.std()) + 0.2 * rng.normal(size=side.shape)
    seen = np.ones(side.shape, bool)
    assert not leaked(response, height, seen, sides(response, seen, 0.0)).any()


def test_the_report_says_how_much_leaked():
    kinds = {}
    for crosstalk in (0.0, 0.3):
        image = simulate.image_of(
            simulate.make(f"walls?size=96&noise=0.2&crosstalk={crosstalk}", 6)
        )
        sites = find(image, {"method": "walls"})
        kinds[crosstalk] = [finding.kind for finding in of_walls(sites)]
    assert "crosstalk of the topography" in kinds[0.3]
    assert "crosstalk of the topography" not in kinds[0.0]
