"""What is wrong with a setting, said in words: what was found, what is expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vaescope.errors import UserError, suggestion
from vaescope.settings.fields import Schedule, Setting, choices_of, numbers_in, parts_of


def unknown(
    renamed: Mapping[str, str], known: list[str], key: Any, value: Any, place: str
) -> UserError:
    """A key that there is not, or no longer under this name."""
    if key in renamed:
        new = renamed[key]
        return UserError(
            f"`{place}` is now called `{new}`", remedy=f"Write `{new}: {_yaml(value)}` instead"
        )
    return UserError(
        f"unknown setting `{place}`",
        expected="one of " + ", ".join(known),
        remedy=suggestion(key, known) or "Take the line out, or correct its name",
    )


def not_suited(each: Setting, value: Any, place: str) -> UserError:
    """A value that is not of the type of a setting."""
    choices = choices_of(each.hint)
    if choices and isinstance(value, str):
        problem = f"`{place}` is not known"
    elif int in parts_of(each.hint) and isinstance(value, float):
        problem = f"a whole number is wanted for `{place}`"
    else:
        problem = f"`{place}` cannot be used"
    return UserError(
        problem,
        found=repr(value),
        expected=each.expected(),
        remedy=suggestion(value, map(str, choices)) or _help(each),
    )


def refused(each: Setting, value: Any, place: str) -> UserError | None:
    """A value of the right type that cannot be: out of limits, empty, repeated, not known."""
    for wrong in (_outside(each, value), _ill_ordered(each, value), _ill_worded(each, value)):
        if wrong is not None:
            problem, more = wrong
            usual = {"found": repr(value), "expected": each.expected(), "remedy": _help(each)}
            return UserError(f"`{place}` {problem}", **(usual | more))
    return None


_Wrong = tuple[str, dict[str, Any]] | None
"""What is wrong, after the name of the setting, and what of the message is not as usual."""


def _outside(each: Setting, value: Any) -> _Wrong:
    low, high = each.facts.limits or (-float("inf"), float("inf"))
    outside = [number for number in numbers_in(value) if not low <= number <= high]
    return ("is out of range", {"found": outside[0]}) if outside else None


def _ill_ordered(each: Setting, value: Any) -> _Wrong:
    if not isinstance(value, list | tuple):
        return None
    if not value:
        return None if each.facts.empty else ("is empty", {})
    if each.hint == Schedule:
        times = [one[0] for one in value if len(one) == 2]
        good = len(times) == len(value) and times == sorted(times) and times[0] >= 0
        return None if good else ("is no schedule", {})
    repeated = len(set(value)) < len(value)
    return ("cannot be used", {"expected": "every entry only once"}) if repeated else None


def _ill_worded(each: Setting, value: Any) -> _Wrong:
    facts = each.facts
    for text in value if isinstance(value, list | tuple) else [value]:
        if not isinstance(text, str):
            continue
        if facts.known and text not in facts.known:
            close = suggestion(text, facts.known)
            return "is not known", {"found": repr(text)} | ({"remedy": close} if close else {})
        if facts.pattern and not re.fullmatch(facts.pattern, text):
            return "cannot be used", {}
    return None


def _help(each: Setting) -> str:
    """The first sentence of a setting's help, as what a message ends with."""
    return f"`{each.name}`: {each.facts.help.split('. ')[0]}"


def _yaml(value: Any) -> str:
    """A value as YAML would write it in a line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
