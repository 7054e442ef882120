"""One setting: a field of a data class with its limits, unit and help, and the words for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What datasets, recipes and models may be called: safe as a folder on every system."""

Schedule = float | list[list[float]]
"""A number, or its schedule in training: [[share of training, value], …], straight in between."""

UNSUITED = object()
"""What ``convert`` gives where a value is not of a type."""


@dataclass(frozen=True)
class Facts:
    """What is said of a setting beside its name, type and default; see ``setting``."""

    help: str
    limits: tuple[float, float] | None = None
    unit: str | None = None
    default: str | None = None
    path: bool = False
    empty: bool = False
    pattern: str | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A setting as its data class declares it."""

    name: str
    hint: Any
    default: Any
    facts: Facts

    def expected(self) -> str:
        """What it may be, in words, such as `a whole number from 4 to 1024 px, or null`."""
        return in_words(self.hint, self.facts)


def setting(
    default: Any,
    *,
    help: str,
    limits: tuple[float, float] | None = None,
    unit: str | None = None,
    default_words: str | None = None,
    path: bool = False,
    empty: bool = False,
    pattern: str | None = None,
    known: Iterable[str] = (),
) -> Any:
    """Declare a field of a ``Settings`` class. Its type hint says what it may be: plain types,
    ``Literal`` choices, ``list`` and ``tuple`` of them, ``Schedule``, ``dict[str, …]``, another
    ``Settings`` class, and unions of these with ``None``.

    Parameters
    ----------
    default : its value where a recipe says nothing; a ``Settings`` class stands for its defaults.
    help : what it is, for tables and messages: words without a capital and without a full stop.
    limits : the least and the greatest number allowed, both included; for lists, of each number,
        and for schedules, of each value.
    unit : of the number, such as ``px``.
    default_words : what tables show in place of the default, where other settings decide it.
    path : it names a file, relative to the recipe.
    empty : an empty list is allowed.
    pattern : regular expression that a text must match as a whole.
    known : the texts it can be, where they are not written out as a ``Literal``.
    """
    facts = Facts(help, limits, unit, default_words, path, empty, pattern, tuple(known))
    metadata = {"setting": facts}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    if isinstance(default, list | dict):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def settings_of(kind: type) -> dict[str, Setting]:
    """The settings that a ``Settings`` class declares, by name."""
    return _settings_of(kind)  # type: ignore[arg-type]  # mypy takes classes for unhashable


@cache
def _settings_of(kind: type) -> dict[str, Setting]:
    hints = get_type_hints(kind)
    return {
        each.name: Setting(each.name, hints[each.name], _default(each), each.metadata["setting"])
        for each in fields(kind)
    }


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def parts_of(hint: Any) -> tuple[Any, ...]:
    """The types that a union joins; a type that is no union is its only part."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def part_of_settings(hint: Any) -> type | None:
    """The class of a setting that holds settings itself; None of any other."""
    for part in parts_of(hint):
        if isinstance(part, type) and is_dataclass(part):
            return part
    return None


def convert(value: Any, hint: Any) -> Any:
    """A value in the type of a setting, or ``UNSUITED``. A number without a fraction is a whole
    number (8.0 is 8); whole numbers are numbers; true and false are neither."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        found = (convert(value, part) for part in inner)
        return next((one for one in found if one is not UNSUITED), UNSUITED)
    if origin is Literal:
        return (
            value if any(value == one and type(value) is type(one) for one in inner) else UNSUITED
        )
    if hint in (None, NoneType):
        return None if value is None else UNSUITED
    if origin in (list, tuple):
        if not isinstance(value, list | tuple):
            return UNSUITED
        items = [convert(one, inner[0]) for one in value]
        return UNSUITED if any(one is UNSUITED for one in items) else origin(items)
    if hint is bool or isinstance(value, bool):
        return value if hint is bool and isinstance(value, bool) else UNSUITED
    if hint is int:
        whole = isinstance(value, Real) and float(value).is_integer()
        return int(value) if whole else UNSUITED
    if hint is float:
        if not isinstance(value, Real) or not math.isfinite(value):
            return UNSUITED
        return int(value) if isinstance(value, Integral) else float(value)
    return value if isinstance(value, hint) else UNSUITED


def numbers_in(value: Any) -> list[float]:
    """The numbers of a setting that its limits are for: it, those of a list, values of a
    schedule."""
    if isinstance(value, list | tuple):
        flat = [one[-1] if isinstance(one, list) and one else one for one in value]
        return [number for one in flat for number in numbers_in(one)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def choices_of(hint: Any) -> list[Any]:
    """The values that ``Literal`` types in a hint allow."""
    return [one for part in parts_of(hint) if get_origin(part) is Literal for one in get_args(part)]


def plain(number: float) -> str:
    """A number as people write it: 10000000 and 0.0001 rather than 1e+07 and 0.000100."""
    return str(int(number)) if number == int(number) else f"{number:g}"


def in_words(hint: Any, facts: Facts) -> str:
    """What a setting of a type may be, in words."""
    parts = parts_of(hint)
    null = NoneType in parts
    words = list(dict.fromkeys(_kind(part, facts) for part in parts if part is not NoneType))
    return " or ".join(words) + ", or null" * null


def _kind(hint: Any, facts: Facts) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        said = [str(one) for one in inner]
        return said[0] if len(said) == 1 else "one of " + ", ".join(said)
    if origin in (list, tuple):
        if get_origin(inner[0]) is list:
            return "[[share of training, value], …] in the order of time"
        few = "a list" if facts.empty else "a list of one or more"
        return f"{few}, each {_kind(inner[0], facts)}"
    if origin in (dict, Mapping) or part_of_settings(hint):
        return "`key: value` lines"
    if hint is bool:
        return "true or false"
    if hint is str:
        return "one of " + ", ".join(facts.known) if facts.known else "text"
    return ("a whole number" if hint is int else "a number") + _range(facts)


def _range(facts: Facts) -> str:
    unit = f" {facts.unit}" if facts.unit else ""
    if facts.limits is None:
        return f" of{unit}" if unit else ""
    low, high = facts.limits
    return f" from {plain(low)} to {plain(high)}{unit}"
