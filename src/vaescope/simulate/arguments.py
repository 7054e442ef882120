"""What can be asked of a simulation: parameters with their limits, and `NAME?parameter=value&…`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, TypeVar
from urllib.parse import parse_qsl

import numpy as np

from vaescope.errors import UserError, suggestion

Asked = TypeVar("Asked")


MOST_CELLS = 10**6  # unit cells of all frames: an hour of work for their bounds


@dataclass(frozen=True)
class Spread:
    """The values of a parameter in images at random, from which detectors learn: uniform between
    two numbers, and in half of the images zero instead if ``or_none``."""

    low: float
    high: float
    or_none: bool = False

    def draw(self, rng: np.random.Generator) -> float:
        """One value at random."""
        value = rng.uniform(self.low, self.high)
        return float(rng.choice([0.0, value])) if self.or_none else value


def within(default: float, low: float, high: float, random: Spread | None = None) -> Any:
    """A field of a parameters' dataclass, with its default, the range of what can be asked, and
    its values in images at random (None: the default, in all of them)."""
    return field(default=default, metadata={"limits": (low, high), "random": random})


def one_of(*words: str) -> Any:
    """A field of a parameters' dataclass that holds one of some words, the first by default."""
    return field(default=words[0], metadata={"words": words, "random": None})


ANY_ANGLE = Spread(-180, 180)
BENT = Spread(-8, 8, or_none=True)
GRAINS = Spread(5, 45, or_none=True)
WEAKER = Spread(0.15, 1.0)


@dataclass(frozen=True)
class Parameters:
    """What can be asked of every crystal; each system adds its own."""

    CELL: ClassVar[float] = 0.39  # nm, the lattice parameter, whatever its size in pixels

    size: int = within(512, 64, 8192)  # px, side of the square image
    dose: float = within(2000.0, 1.0, 1e7)  # electrons in one column of the strongest sublattice
    spacing: float = within(24.0, 4.0, 200.0)  # px, lattice parameter
    width: float = within(3.0, 0.6, 50.0)  # px, standard deviation of a column's image
    background: float = within(0.1, 0.001, 100.0)  # share of the strongest sublattice's peak
    angle: float = within(8.0, -360.0, 360.0, ANY_ANGLE)  # degrees, rotation of the (first) crystal
    bend: float = within(0.0, -20.0, 20.0, BENT)  # degrees of rotation from left to right
    # What the microscope does, see `microscope`; nothing of it by default.
    scan_noise: float = within(0.0, 0.0, 10.0)  # px rms by which a row is shifted along x
    drift: float = within(0.0, 0.0, 40.0)  # px by which the specimen moves during one frame
    contamination: float = within(0.0, 0.0, 10.0)  # mean clutter, share of the strongest peak
    shading: float = within(0.0, 0.0, 1.0)  # rms share by which thickness changes the brightness
    tilt: float = within(0.0, 0.0, 50.0)  # px by which top and bottom of a column lie apart
    tails: float = within(0.0, 0.0, 0.9)  # share of the electrons in the wide tails of the probe

    @property
    def pixel_size(self) -> float:
        """Size of a pixel in nm."""
        return self.CELL / self.spacing


def refuse_crowd(parameters: Parameters, side: float, frames: int = 1) -> None:
    """Refuse a crystal of so many cells that it would not be made in hours, or fit in memory.

    Parameters
    ----------
    side : px, of what has to be made. frames : so many times.

    Raises
    ------
    UserError : more than ``MOST_CELLS`` of them.
    """
    cells = frames * (side / parameters.spacing) ** 2
    if cells > MOST_CELLS:
        raise UserError(
            "the simulation holds too many unit cells",
            found=f"{cells:.2g}",
            expected=f"at most {MOST_CELLS:.2g}",
            remedy="Ask for a smaller `size` or a larger `spacing`; of a movie, for fewer `frames` "
            "or less `shift`",
        )


def recorded(name: str, parameters: Any, seed: int) -> dict[str, Any]:
    """What a simulated image says of its making, in place of a file."""
    facts = {"system": name.partition("?")[0], "seed": int(seed), **asdict(parameters)}
    return {
        "vendor_metadata": json.dumps(facts),
        "source_files": [],
        "source_sha256": [],
        "reader": f"simulate:{name}",
    }


def spreads(parameters: Any) -> dict[str, Spread]:
    """Name of each parameter that differs in images at random -> its values there."""
    found = {each.name: each.metadata["random"] for each in fields(parameters)}
    return {name: spread for name, spread in found.items() if spread is not None}


def parse(name: str, known: Mapping[str, Asked]) -> tuple[str, Asked]:
    """Split `NAME?parameter=value&…` into the name of a system and its parameters.

    Parameters
    ----------
    known : name of a system -> its parameters, with their defaults.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    system, _, query = name.partition("?")
    if system not in known:
        raise UserError(
            "there is no such simulation",
            found=repr(system),
            expected=" or ".join(known),
            remedy=suggestion(system, known),
        )
    start: Any = known[system]
    kinds = {each.name: each for each in fields(start)}
    given: dict[str, Any] = {}
    # A plus sign stands for itself, as in 1e+07, not for a space.
    for key, text in parse_qsl(query.replace("+", "%2B"), keep_blank_values=True):
        if key not in kinds:
            raise UserError(
                f"the simulation `{system}` has no such parameter",
                found=repr(key),
                expected="one of " + ", ".join(kinds),
                remedy=suggestion(key, kinds),
            )
        given[key] = _value(kinds[key], text)
    return system, replace(start, **given)


def _value(parameter: Field[Any], text: str) -> float | int | str:
    """A value from its text, as its field allows."""
    words = parameter.metadata.get("words")
    if words is None:
        whole = parameter.type in (int, "int")
        return _number(parameter.name, text, parameter.metadata["limits"], whole)
    if text not in words:
        raise UserError(
            f"the simulation parameter `{parameter.name}` has no such value",
            found=repr(text),
            expected=" or ".join(words),
            remedy=suggestion(text, words),
        )
    return text


def _number(key: str, text: str, limits: tuple[float, float], whole: bool) -> float | int:
    low, high = limits
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise UserError(
            f"the simulation parameter `{key}` is out of range",
            found=repr(text),
            expected=f"{kind} from {low:g} to {high:g}",
        )
    return int(value) if whole else value
