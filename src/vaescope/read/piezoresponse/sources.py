"""Files with a piezoresponse, each as the two signals of a lock-in amplifier and what lies beside.

Amplitude and phase become X = R cos φ and Y = R sin φ before anything else is done with them: these
have no step where the phase is wrapped, at whatever angle that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import formats
from vaescope.read.cyclic import TURNS
from vaescope.read.piezoresponse import roles
from vaescope.read.raw import Raw, pick_channels
from vaescope.read.settings import IngestSettings

_TURN = 2 * np.pi
_SLACK = 1.02  # of a turn: noise of conversion beyond its end
_SHOWN = {"m": (1e12, "pm")}  # factor and unit in which people read a response
_NEGATIVE = 0.02  # share of the pixels above which negative amplitudes are no rounding


@dataclass(frozen=True)
class Source:
    """The piezoresponse of a file.

    ``raw`` : its channels are X and Y of every response (named ``x`` and ``y`` by ``labels``), then
    ``others`` by their plain names. ``labels`` : names of the responses, such as ``{}`` and ``{}
    2``. ``facts`` : of each response, for the record. ``left_out`` : channels of the file that are
    neither. ``direction`` : trace, retrace or "". ``other_direction`` : whether the file has that
    too.
    """

    raw: Raw
    labels: list[str]
    others: list[str]
    facts: list[dict[str, Any]]
    left_out: list[str]
    direction: str = ""
    other_direction: bool = False


def read(path: Path, settings: IngestSettings) -> Source:
    """Read the piezoresponse of one file.

    Raises
    ------
    UserError : a channel is missing, or its values are not what its name says.
    """
    raw = formats.read(path, settings.array, together=True)
    with formats.readable(path, formats.extension_of(path)):
        raw = pick_channels(raw, settings.channel, path=path)
        return of_raw(raw, settings, path=path)


def of_raw(raw: Raw, settings: IngestSettings, *, path: Path) -> Source:
    """Make X and Y of the channels of a file; see ``read``."""
    names = list(raw.channels)
    given = settings.channel
    if isinstance(given, list) and len(given) == 2 and not _named(names):
        names = ["amplitude", "phase"]
    chosen = roles.choose(names, settings.direction, path=path)
    labels = _labels(chosen.pairs)
    planes, channels, units, facts = [], [], [], []
    for label, pair in zip(labels, chosen.pairs, strict=True):
        x, y, words = _response(raw, pair, path)
        factor, unit = _SHOWN.get(raw.units[pair.first].strip(), (1.0, raw.units[pair.first]))
        planes += [x * factor, y * factor]
        channels += [label.format("x"), label.format("y")]
        units += [unit] * 2
        facts.append(
            {
                "name": label.format("in-phase"),
                "made_of": [raw.channels[pair.first], raw.channels[pair.second]],
                "lateral": pair.lateral,
                **words,
            }
        )
    for name, k in chosen.others.items():
        planes.append(raw.data[:, k].astype(np.float64))
        channels.append(name)
        units.append(raw.units[k])
    made = replace(raw, data=da.stack(planes, axis=1), channels=channels, units=units)
    others = list(chosen.others)
    return Source(made, labels, others, facts, chosen.left_out, chosen.direction, chosen.other)


def _named(names: Sequence[str]) -> bool:
    try:
        return bool(roles.choose(names, "auto", path=None))
    except UserError:
        return False


def _labels(pairs: Sequence[roles.Pair]) -> list[str]:
    """``{}`` for the first response, ``{} 2`` for the next, ``lateral {}`` for a lateral one that
    is not the first."""
    found: list[str] = []
    for pair in pairs:
        base = "lateral {}" if pair.lateral and found else "{}"
        count = sum(one.startswith("lateral") == base.startswith("lateral") for one in found)
        found.append(base if not count else f"{base} {count + 1}")
    return found


def _response(raw: Raw, pair: roles.Pair, path: Path) -> tuple[da.Array, da.Array, dict[str, Any]]:
    first, second = (raw.data[:, k].astype(np.float64) for k in (pair.first, pair.second))
    if pair.cartesian:
        return first, second, {"phase_unit": ""}
    name, unit = raw.channels[pair.second], raw.units[pair.second]
    low, high, negative = da.compute(da.nanmin(second), da.nanmax(second), (first < 0).mean())
    if negative > _NEGATIVE:
        raise UserError(
            f"the amplitude is negative in {negative:.0%} of the pixels",
            file=path,
            found=f"channel {raw.channels[pair.first]}",
            expected="the amplitude of a lock-in amplifier, which is nowhere below zero",
            remedy="A background was subtracted from it: take the raw data",
        )
    period, words = turn_of(float(low), float(high), unit, name, path=path)
    angle = second * (_TURN / period)
    return first * da.cos(angle), first * da.sin(angle), words


def turn_of(
    low: float, high: float, unit: str, name: str, *, path: object = None
) -> tuple[float, dict[str, Any]]:
    """Find what a full turn is in a phase channel: from its unit, or, where that is missing or
    contradicted by the values, from the values ``low`` to ``high``.

    Values within one turn in radians are radians, and others degrees. Asylum's files give the phase
    of a second pass in ``m``.

    Raises
    ------
    UserError : the phase is in volts.
    """
    known = TURNS.get(unit.strip().casefold())
    narrow = max(abs(low), abs(high), high - low) <= _TURN * _SLACK
    if narrow and (known == _TURN or not unit.strip()):
        return _TURN, {"phase_unit": "rad"}
    if known == 360.0:
        return known, {"phase_unit": "deg"}
    if known is None and unit.strip().casefold() in ("v", "mv", "volt", "volts"):
        raise UserError(
            "the phase is in volts, and the file does not say what a volt is",
            file=path,
            found=f"channel {name} from {low:.3g} to {high:.3g} {unit}",
            expected="a phase in degrees or radians",
            remedy="Export it in degrees, or take the X and Y signals of the lock-in amplifier",
        )
    found = "rad" if narrow else "deg"
    said = f"unit {unit!r}" if unit.strip() else "no unit"
    words = f"{said} in the file; by its values, {low:.3g} to {high:.3g}, {found}"
    return TURNS[found], {"phase_unit": found, "phase_unit_by_values": words}


def refuse_other_angles(raws: Sequence[Raw], paths: Sequence[Path]) -> None:
    """Refuse files of one dataset that were scanned at other angles: their areas differ.

    Raises
    ------
    UserError : the angles in the metadata differ by more than a degree.
    """
    angles = [_scan_angle(raw.metadata) for raw in raws]
    for angle, path in zip(angles[1:], paths[1:], strict=True):
        if angle is not None and angles[0] is not None:
            apart = abs((angle - angles[0] + 180) % 360 - 180)
            if apart > 1:
                raise UserError(
                    "the files of one dataset were scanned in two directions",
                    file=path,
                    found=f"a scan angle of {angle:g}°",
                    expected=f"{angles[0]:g}°, as in `{paths[0].name}`",
                    remedy="Give each direction its own row: their pixels do not lie on each other",
                )


def _scan_angle(metadata: Any) -> float | None:
    """The angle of the scan in degrees, wherever the metadata of a file have it."""
    if not isinstance(metadata, dict):
        return None
    for key, value in metadata.items():
        if str(key).casefold().replace("_", "").split(">")[-1] in ("scanangle",):
            try:
                number = float(str(value).strip())
            except ValueError:
                continue
            return number if np.isfinite(number) else None
    inner = (_scan_angle(value) for value in metadata.values())
    return next((angle for angle in inner if angle is not None), None)
