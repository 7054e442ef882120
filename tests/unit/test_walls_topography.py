"""Topography that leaks into the piezoresponse neither hides walls nor makes some."""

from __future__ import annotations

import pytest

from vaescope import simulate
from vaescope.walls import WallFinding
from vaescope.walls.finding import seek
from vaescope.walls.signal import signal_of


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
