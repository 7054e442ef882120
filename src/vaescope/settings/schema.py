"""The JSON schema of a class of settings, for editors and for programs that write recipes."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin

from vaescope.settings.build import Settings
from vaescope.settings.fields import (
    NAME,
    Facts,
    Setting,
    part_of_settings,
    parts_of,
    settings_of,
)

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}


def schema_of(kind: type[Settings], *, description: str | None = None) -> dict[str, Any]:
    """JSON schema of a class of settings, with its help as descriptions and its defaults."""
    known = settings_of(kind).values()
    schema: dict[str, Any] = {"description": description} if description else {}
    schema |= {"type": "object", "additionalProperties": False}
    return {**schema, "properties": {each.name: _schema_of(each) for each in known}}


def _schema_of(each: Setting) -> dict[str, Any]:
    help = each.facts.help + (f" ({each.facts.unit})" if each.facts.unit else "")
    schema = {"description": help, **_of_hint(each.hint, each.facts)}
    if part_of_settings(each.hint) is None and get_origin(each.hint) is not dict:
        default = each.default
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _of_hint(hint: Any, facts: Facts) -> dict[str, Any]:
    parts = parts_of(hint)
    if len(parts) > 1:
        return {"anyOf": [_of_part(part, facts) for part in parts]}
    return _of_part(hint, facts)


def _of_part(hint: Any, facts: Facts) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin is dict:
        schema = _of_hint(inner[1], facts)
        names = {"pattern": f"^{NAME}$", "description": "letters, digits, `.`, `_` and `-`"}
        every = {"anyOf": [schema, {"type": "null"}]}
        return {"type": "object", "propertyNames": names, "additionalProperties": every}
    if origin in (list, tuple):
        if get_origin(inner[0]) is list:
            return _of_schedule(facts)
        schema = {"type": "array", "items": _of_hint(inner[0], facts), "uniqueItems": True}
        return schema if facts.empty else {**schema, "minItems": 1}
    kind = part_of_settings(hint)
    if kind is not None:
        return schema_of(kind)
    schema = {"type": _TYPES[hint]}
    if hint in (int, float) and facts.limits is not None:
        schema |= {"minimum": facts.limits[0], "maximum": facts.limits[1]}
    if hint is str and facts.known:
        schema |= {"enum": list(facts.known)}
    if hint is str and facts.pattern:
        schema |= {"pattern": f"^{facts.pattern}$"}
    return schema


def _of_schedule(facts: Facts) -> dict[str, Any]:
    """A list of [share of training, value]."""
    point = [{"type": "number", "minimum": 0}, _of_part(float, facts)]
    pair = {"type": "array", "prefixItems": point, "minItems": 2, "maxItems": 2}
    return {"type": "array", "items": pair, "minItems": 1}
