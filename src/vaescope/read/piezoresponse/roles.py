"""What the channels of a piezoresponse measurement are, by the names that instruments give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vaescope.errors import UserError

TRACE, RETRACE = "trace", "retrace"
_DIRECTIONS = {
    **dict.fromkeys(("trace", "forward", "fwd", "fw"), TRACE),
    **dict.fromkeys(("retrace", "backward", "bwd", "bw", "back", "reverse"), RETRACE),
}
_SECOND_PASS = {"nap", "lift", "interleave"}
_LATERAL = {"lateral", "lat", "torsion", "torsional", "ip"}
_LOCK_IN = {"li", "lock", "lockin", "lia", "demod", "pfm", "piezo", "pr", "dart"}
_QUANTITIES = {
    **dict.fromkeys(("amplitude", "amp", "ampl", "magnitude", "mag"), "amplitude"),
    **dict.fromkeys(("phase", "theta"), "phase"),
    **dict.fromkeys(("height", "topography", "topo"), "height"),
    **dict.fromkeys(("deflection", "defl"), "deflection"),
    **dict.fromkeys(("frequency", "freq"), "frequency"),
}
_OF_LOCK_IN = {"r": "amplitude", "phi": "phase", "x": "x", "y": "y"}
_NOT_MEASURED = {"drive", "setpoint", "excitation", "input", "in0", "in1", "in2"}
OTHERS = ("height", "z sensor", "deflection", "frequency")
"""Channels that are kept beside the response, in this order."""


@dataclass(frozen=True)
class Role:
    """What one channel is.

    ``quantity`` : amplitude, phase, x, y, one of ``OTHERS``, or "" where its name does not say;
    ``number`` : that of the drive, frequency or demodulator, 0 where there is none; ``lateral`` :
    of the twist of the cantilever; ``second_pass`` : of a pass above the surface; ``direction`` :
    trace, retrace, or "".
    """

    quantity: str
    number: int = 0
    lateral: bool = False
    second_pass: bool = False
    direction: str = ""

    @property
    def signal(self) -> tuple[bool, int]:
        """What amplitude and phase of one response have in common."""
        return self.lateral, self.number


@dataclass(frozen=True)
class Pair:
    """Two channels of a file that make one complex response: amplitude and phase, or, if
    ``cartesian``, the in-phase and quadrature signals of a lock-in amplifier."""

    first: int
    second: int
    cartesian: bool = False
    lateral: bool = False


@dataclass(frozen=True)
class Chosen:
    """Which channels of a file are kept: ``pairs`` of the response, ``others`` (number by name),
    in one ``direction`` of the scan; ``left_out`` by their names in the file, and whether the file
    has the ``other`` direction too."""

    pairs: list[Pair]
    others: dict[str, int]
    left_out: list[str]
    direction: str = ""
    other: bool = False


def role_of(name: str) -> Role:
    """Read what a channel is from its name, such as ``NapPhaseRetrace`` or ``LI_Demod_1_X``."""
    quantity, words = _parts(name)
    numbers = [int(word) for word in words if word.isdigit()]
    sides = [_DIRECTIONS[word] for word in words if word in _DIRECTIONS]
    plane = re.search(r"in[\W_]*plane", name, re.IGNORECASE)
    outside = re.search(r"out[\W_]*of[\W_]*plane", name, re.IGNORECASE)
    return Role(
        quantity=quantity,
        number=numbers[0] if numbers else 0,
        lateral=bool(_LATERAL & set(words) or (plane and not outside)),
        second_pass=bool(_SECOND_PASS & set(words)),
        direction=sides[-1] if sides else "",
    )


def _parts(name: str) -> tuple[str, list[str]]:
    """The quantity of a channel, and the words of its name."""
    words = [word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+", name)]
    if _NOT_MEASURED & set(words):
        return "", words
    if re.search(r"out[\W_]*of[\W_]*phase|quadrature|(^|[\W_])imag(inary)?([\W_]|$)", name, re.I):
        return "y", words
    if re.search(r"in[\W_]*phase|(^|[\W_])real([\W_]|$)", name, re.I):
        return "x", words
    found = [_QUANTITIES[word] for word in words if word in _QUANTITIES]
    if found:
        # `response amplitude phase` is a phase: the last word of a name is its noun.
        return found[-1], words
    bare = [word for word in words if word not in _DIRECTIONS and not word.isdigit()]
    for letter, quantity in _OF_LOCK_IN.items():
        if letter in bare and (_LOCK_IN & set(bare) or bare == [letter]):
            return quantity, words
    if ("z" in bare and "sensor" in bare) or "zsensor" in bare:
        return "z sensor", words
    return ("height", words) if bare and bare[0] == "z" and len(bare) <= 2 else ("", words)


def choose(names: Sequence[str], direction: str, *, path: object) -> Chosen:
    """Find the channels of the response in a file.

    Parameters
    ----------
    names : of the channels.
    direction : `trace` or `retrace`; `auto` is the trace where the file has both.

    Raises
    ------
    UserError : no amplitude has its phase, or the wanted direction is not there.
    """
    roles = [role_of(name) for name in names]
    pairs = _pairs(roles)
    if not pairs:
        _refuse(names, roles, path)
    sides = {roles[pair.first].direction for pair in pairs}
    kept = direction if direction != "auto" else TRACE if TRACE in sides else max(sides)
    if kept not in sides and direction != "auto":
        raise UserError(
            f"`ingest: direction` is {direction}, which this file does not have",
            file=path,
            found=", ".join(names),
            remedy="Set it to `auto`",
        )
    pairs = [pair for pair in pairs if roles[pair.first].direction in (kept, "")]
    others: dict[str, int] = {}
    for k, role in enumerate(roles):
        wanted = role.quantity in OTHERS and not role.second_pass
        if wanted and role.direction in (kept, "") and role.quantity not in others:
            others[role.quantity] = k
    others = {name: others[name] for name in OTHERS if name in others}
    used = {k for pair in pairs for k in (pair.first, pair.second)} | set(others.values())
    left = [name for k, name in enumerate(names) if k not in used]
    return Chosen(pairs, others, left, kept, len(sides - {""}) > 1)


def _pairs(roles: list[Role]) -> list[Pair]:
    """All complete pairs, the vertical response first, by their numbers, the trace first."""
    signals = [k for k, role in enumerate(roles) if role.quantity and not role.second_pass]
    found: dict[tuple[bool, int, str], Pair] = {}
    for first, second, cartesian in (("amplitude", "phase", False), ("x", "y", True)):
        for k in signals:
            if roles[k].quantity != first:
                continue
            partners = [m for m in signals if roles[m].quantity == second]
            same = [m for m in partners if _alike(roles[k], roles[m])]
            if not same and len(partners) == 1 and _only(roles, signals, first):
                same = partners
            if same:
                role = roles[k]
                key = (role.lateral, role.number, role.direction)
                found.setdefault(key, Pair(k, same[0], cartesian, role.lateral))
    return [found[key] for key in sorted(found)]


def _alike(one: Role, other: Role) -> bool:
    return one.signal == other.signal and one.direction == other.direction


def _only(roles: list[Role], signals: list[int], quantity: str) -> bool:
    return sum(roles[k].quantity == quantity for k in signals) == 1


def _refuse(names: Sequence[str], roles: list[Role], path: object) -> None:
    """Say what is missing where no pair is complete."""
    first = {role.quantity for role in roles if not role.second_pass}
    second = {role.quantity for role in roles if role.second_pass}
    if {"amplitude", "phase"} <= first:
        problem = "no amplitude of the piezoresponse belongs to a phase by its name"
    elif "amplitude" in first:
        problem = "the piezoresponse has an amplitude but no phase"
    elif "phase" in first:
        problem = "the piezoresponse has a phase but no amplitude"
    elif {"amplitude", "phase"} <= second:
        problem = "the file has amplitude and phase of the second pass alone (nap, lift)"
    else:
        problem = "the file has neither amplitude nor phase of a piezoresponse"
    raise UserError(
        problem,
        file=path,
        found="channels " + ", ".join(f"{k}: {name}" for k, name in enumerate(names)),
        expected="amplitude and phase, or the X and Y signals of a lock-in amplifier, of one pass",
        remedy="Save both from the program of the microscope; if they are there under other names,"
        " set `ingest: channel` to the two of them, amplitude first; if this is no piezoresponse,"
        " leave out `ingest: piezoresponse`",
    )
