"""The table of a class of settings for people: key, default, what is allowed, meaning."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from vaescope.settings.build import Settings
from vaescope.settings.fields import Facts, Setting, part_of_settings, parts_of, plain
from vaescope.settings.fields import settings_of as _settings_of

_HEAD = ["| key | default | values | meaning |", "| --- | --- | --- | --- |"]


def table_of(kind: type[Settings], *, leave_out: Collection[str] = ()) -> str:
    """A Markdown table of a class of settings; settings within settings have keys with a point.

    Parameters
    ----------
    kind : the class. leave_out : keys that have a table of their own.
    """
    return "\n".join([*_HEAD, *_rows(kind, "", leave_out)])


def _rows(kind: type[Settings], before: str, leave_out: Collection[str]) -> Iterator[str]:
    for each in _settings_of(kind).values():
        key = before + each.name
        inner = part_of_settings(each.hint)
        if key in leave_out:
            continue
        if inner is not None:
            yield from _rows(inner, f"{key}.", leave_out)
        else:
            cells = [f"`{key}`", _default(each), _values(each), _escaped(each.facts.help)]
            yield "| " + " | ".join(cells) + " |"


def _default(each: Setting) -> str:
    return each.facts.default if each.facts.default is not None else _said(each.default)


def _said(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, str):
        return f"`{value}`" if value else ""
    return plain(value) if isinstance(value, int | float) else str(value)


def _values(each: Setting) -> str:
    """What is allowed: choices, limits with their unit, or the type."""
    words = [_allowed(part, each.facts) for part in parts_of(each.hint)]
    return _escaped(" or ".join(dict.fromkeys(words)))


def _allowed(hint: Any, facts: Facts) -> str:
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return ", ".join(_said(one) for one in inner)
    if get_origin(hint) is dict:
        return "`NAME:` lines"
    if get_origin(hint) in (list, tuple):
        if get_origin(inner[0]) is list:
            return "a schedule"
        return f"list of {_values_of_items(inner[0], facts)}"
    if hint is str and not facts.path:
        return ", ".join(_said(one) for one in facts.known) or "text"
    if hint in (int, float):
        if facts.limits is not None:
            low, high = map(plain, facts.limits)
            return " ".join(filter(None, ["whole," * (hint is int), low, "to", high, facts.unit]))
        return "whole number" if hint is int else "number"
    return {bool: "true, false", NoneType: "null", str: "file"}[hint]


def _values_of_items(hint: Any, facts: Facts) -> str:
    if hint is str and not facts.known:
        return "names"
    return " or ".join(_allowed(part, facts) for part in parts_of(hint))


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")
