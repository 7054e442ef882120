"""A new simulated system is a module and a row: truths, classes and ranges are its own."""

from dataclasses import dataclass

import numpy as np
import pytest

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate.arguments import Parameters, Spread, within
from vaescope.simulate.crystals import System, truth
from vaescope.simulate.lattice import Columns
from vaescope.simulate.stacks import STACKS, StackSystem
from vaescope.simulate.systems import SYSTEMS
from vaescope.sites.learned import scenes


@dataclass(frozen=True)
class Chain(Parameters):
    """What can be asked of a chain of columns."""

    charge: float = within(1.0, 0.0, 5.0, Spread(2.0, 3.0))


def chain(p: Chain, rng: np.random.Generator) -> Columns:
    x = np.arange(p.spacing, p.size, p.spacing)
    none = np.zeros(len(x), int)
    y = np.full(len(x), p.size / 2)
    charge = {"charge": np.full(len(x), p.charge)}
    return Columns(y, x, 0.0 * x, none, none, np.ones(len(x)), charge)


CHAIN = System(chain, Chain(), 2, truths={"charge": truth("true charge", "e", "sequential")})


@pytest.fixture
def invented(monkeypatch):
    monkeypatch.setitem(SYSTEMS, "chain", CHAIN)
    stripes = StackSystem(
        lambda p, rng: {"images": rng.random((p.frames, 16, 16)), "label": np.arange(p.frames) % 2},
        Stripes(),
        ("dark", "light"),
    )
    monkeypatch.setitem(STACKS, "stripes", stripes)


@dataclass(frozen=True)
class Stripes:
    """What can be asked of stripes."""

    frames: int = within(6, 2, 100)


def test_what_is_true_of_a_system_is_in_its_image_with_words_and_unit(invented):
    image = simulate.make("chain?charge=2.5&size=128", 0)
    assert (image["truth_charge"] == 2.5).all()
    about = image["truth_charge"].attrs
    assert (about["long_name"], about["units"], about["scale"]) == (
        "true charge",
        "e",
        "sequential",
    )
    assert image["truth_angle"].attrs["period"] == pytest.approx(np.pi)


def test_a_stack_of_a_new_system_knows_its_classes(invented):
    stack = simulate.make("stripes?frames=8", 0)
    assert stack.sizes["time"] == 8 and stack.attrs["truth_classes"] == ["dark", "light"]
    with pytest.raises(UserError, match="out of range"):
        simulate.make("stripes?frames=1")


def test_a_detector_learns_from_parameters_at_random_and_keeps_those_that_are_given(
    invented, monkeypatch
):
    seen = []
    monkeypatch.setattr(scenes, "_built", lambda made, p, rng: seen.append(p) or chain(p, rng))
    monkeypatch.setattr(scenes, "_nearest_share", lambda made, given: 1.0)
    for name in ("chain", "chain?charge=0.5"):
        scenes.scene(name, np.random.default_rng(0))
    assert 2.0 <= seen[0].charge <= 3.0
    assert seen[1].charge == 0.5
    assert seen[0].angle == seen[1].angle
