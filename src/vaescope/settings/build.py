"""From what people write to settings: every value checked, and what is wrong said in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self, get_args, get_origin

from vaescope.errors import UserError
from vaescope.settings import refusals
from vaescope.settings.fields import (
    NAME,
    UNSUITED,
    Setting,
    convert,
    part_of_settings,
    parts_of,
    settings_of,
)


@dataclass(frozen=True)
class Settings:
    """Base of the settings of every room: a frozen data class whose fields check themselves.

    ``PART`` is their place in a recipe; ``RENAMED`` gives old names of keys their new ones.
    """

    PART: ClassVar[str] = ""
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def __post_init__(self) -> None:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        for name, value in check(type(self), given, part=self.PART).items():
            object.__setattr__(self, name, _built(value, settings_of(type(self))[name].hint))
        self.refuse_contradictions()

    def refuse_contradictions(self) -> None:
        """Refuse settings that do not go together; each class says which.

        Raises
        ------
        UserError : two settings contradict each other.
        """

    @classmethod
    def of(
        cls, given: Mapping[str, Any] | Self | None, *, part: str | None = None, file: object = None
    ) -> Self:
        """Settings from a mapping, such as a part of a recipe; what it lacks has its default.

        Parameters
        ----------
        given : settings by name; settings of this class are given back as they are.
        part : their place in the recipe for messages; by default that of the class.
        file : the recipe, for messages.

        Raises
        ------
        UserError : an unknown or renamed key, a value of another type or out of its limits, or
            settings that contradict each other.
        """
        if isinstance(given, cls):
            return given
        mapping: Any = {} if given is None else given
        values = check(cls, mapping, part=cls.PART if part is None else part, file=file)
        try:
            return cls(**values)
        except UserError as error:
            raise error.within(file=file, part=part) from error

    @classmethod
    def of_older(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a file that an earlier version wrote, under their names of then."""
        return cls.of({cls.RENAMED.get(key, key): value for key, value in given.items()})

    def files(self) -> dict[str, str]:
        """The files that settings name, by setting."""
        named = [name for name, each in settings_of(type(self)).items() if each.facts.path]
        return {name: str(getattr(self, name)) for name in named if getattr(self, name)}

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, as a recipe would give them."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def check(
    kind: type[Settings], given: Mapping[str, Any], *, part: str = "", file: object = None
) -> dict[str, Any]:
    """Check settings without filling in what is missing, as for a recipe that extends another.

    Parameters
    ----------
    kind : the class that declares them.
    given : settings by name. part : their place in the recipe. file : the recipe.

    Returns
    -------
    The same, each value in the type that is declared.

    Raises
    ------
    UserError : the first mistake, with the recipe, the key, what was found and what is expected.
    """
    wrong: list[UserError] = []
    values = _checked(kind, given, part, wrong)
    if wrong:
        raise wrong[0].within(file=file, more=len(wrong) - 1)
    return values


def _checked(kind: type[Settings], given: Any, part: str, wrong: list[UserError]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        wrong.append(
            UserError(
                f"`{part}` cannot be used" if part else "the file holds no settings",
                found=repr(given),
                expected="`key: value` lines",
            )
        )
        return {}
    known = settings_of(kind)
    values: dict[str, Any] = {}
    for key, value in given.items():
        place = f"{part}.{key}" if part else str(key)
        if key in known:
            values[key] = _value(known[key], value, place, wrong)
        else:
            wrong.append(refusals.unknown(kind.RENAMED, list(known), key, value, place))
    return values


def _value(each: Setting, value: Any, place: str, wrong: list[UserError]) -> Any:
    """One value in its declared type; what is wrong with it is added to the list."""
    inner = part_of_settings(each.hint)
    if inner is not None:
        if isinstance(value, Settings) or (value is None and type(None) in parts_of(each.hint)):
            return value
        return _checked(inner, value, place, wrong)
    if get_origin(each.hint) is dict:
        return _mapping(each, value, place, wrong)
    found = convert(value, each.hint)
    if found is UNSUITED:
        wrong.append(refusals.not_suited(each, value, place))
    elif error := refusals.refused(each, found, place):
        wrong.append(error)
    return found


def _mapping(each: Setting, value: Any, place: str, wrong: list[UserError]) -> Any:
    """Settings under names that people choose; null takes out what an extended recipe has."""
    if not isinstance(value, Mapping):
        wrong.append(refusals.not_suited(each, value, place))
        return {}
    inner = part_of_settings(get_args(each.hint)[1])
    assert inner is not None, "a mapping of names holds settings"
    values: dict[str, Any] = {}
    for name, one in value.items():
        if not re.fullmatch(NAME, str(name)):
            wrong.append(
                UserError(
                    f"a name in `{place}` cannot be used",
                    found=repr(name),
                    expected="letters, digits, `.`, `_` and `-`",
                    remedy="Use letters, digits, `.`, `_` and `-`",
                )
            )
        elif one is None or isinstance(one, Settings):
            values[str(name)] = one
        else:
            values[str(name)] = _checked(inner, one, f"{place}.{name}", wrong)
    return values


def _built(value: Any, hint: Any) -> Any:
    """Settings in place of the mappings that a class of settings holds."""
    inner = part_of_settings(hint)
    return inner(**value) if inner is not None and isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
