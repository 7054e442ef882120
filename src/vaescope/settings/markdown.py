"""The table of a class of settings for people: key, default, what is allowed, meaning."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from vaescope.settings.build import Settings
from vaescope.settings.fields import Setting, choices_of, part_of_settings, parts_of, plain
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
    """What is allowed: the choices, the limits with their unit, or the type."""
    choices = choices_of(each.hint) or list(each.facts.known)
    if choices and bool not in parts_of(each.hint):
        return ", ".join(_said(one) for one in choices)
    return _escaped(each.expected())


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")
