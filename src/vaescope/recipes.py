"""Recipes: find them, lay them on what they extend, check them against a schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vaescope.errors import UserError, suggestion
from vaescope.results import layout
from vaescope.samples.settings import Patches
from vaescope.settings import NAME, merge, read_yaml
from vaescope.sites.kinds import kind_of
from vaescope.sites.settings import Windows

PREPROCESSING_FILES = ("flat_field",)
"""Settings of ``ingest.preprocess`` that name a file, relative to the recipe."""


def check(value: Any, schema: dict[str, Any], *, file: object) -> None:
    """Check a value against a JSON schema.

    Raises
    ------
    UserError : the first mismatch, with the place, what was found and what the schema expects.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(
        Draft202012Validator(schema).iter_errors(value),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    if errors:
        raise _in_words(errors[0], file, more=len(errors) - 1)


def _in_words(error: Any, file: object, more: int) -> UserError:
    """A schema error as a sentence."""
    path = ".".join(str(part) for part in error.absolute_path)
    place = f"`{path}`" if path else "the file"
    remedy = error.schema.get("description")
    found: object = repr(error.instance)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [str(key) for key in error.instance if key not in known]
        problem = f"unknown setting `{f'{path}.' if path else ''}{unknown[0]}`"
        found, expected = None, "one of " + ", ".join(known)
        remedy = suggestion(unknown[0], known) or "Take the line out, or correct its name"
    elif error.validator == "propertyNames":
        problem, expected = f"a name in {place} cannot be used", error.schema.get("description")
        remedy = "Use letters, digits, `.`, `_` and `-`"
    elif error.validator == "required":
        problem, found = f"{place} lacks a setting", None
        expected = ", ".join(f"`{key}`" for key in error.validator_value)
    elif error.validator == "enum":
        problem = f"{place} is not known"
        expected = "one of " + ", ".join(str(item) for item in error.validator_value)
        remedy = suggestion(error.instance, map(str, error.validator_value)) or remedy
    elif error.validator == "anyOf":
        kinds = [str(part.get("type")) for part in error.validator_value]
        problem = f"{place} cannot be used"
        expected = " or ".join(_KINDS.get(kind, kind) for kind in kinds)
        remedy = remedy or "config/README.md says what it may be"
    else:
        problem, expected = f"{place} cannot be used", _expected(error)
    if more:
        remedy = f"{(remedy or 'Correct it').rstrip('.')}. {more} more are wrong after it"
    return UserError(problem, file=file, found=found, expected=expected, remedy=remedy)


_KINDS = {
    "object": "`key: value` lines",
    "array": "a list",
    "null": "null",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
}


def _expected(error: Any) -> str:
    """What a schema wanted, in words."""
    wanted = error.validator_value
    if error.validator == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        return " or ".join(_KINDS.get(kind, kind) for kind in kinds)
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "exclusiveMinimum": "more than",
        "exclusiveMaximum": "less than",
        "minItems": "so many items or more:",
        "minProperties": "so many entries or more:",
        "pattern": "text of the form",
    }
    if error.validator == "uniqueItems":
        return "every entry only once"
    return f"{words.get(error.validator, error.validator)} {wanted}"


def with_defaults(value: Any, schema: dict[str, Any]) -> Any:
    """A copy of a value with the schema's defaults filled in, at every level."""
    if schema.get("type") == "object" and isinstance(value, dict):
        filled = {}
        for key, part in schema.get("properties", {}).items():
            if key in value:
                filled[key] = with_defaults(value[key], part)
            elif "default" in part:
                filled[key] = with_defaults(part["default"], part)
        return {**filled, **{key: value[key] for key in value if key not in filled}}
    return value


def find_recipe(name: str, folders: Sequence[Path]) -> Path:
    """The file of a recipe: ``NAME.yaml`` in the first folder that has it.

    Raises
    ------
    UserError : no folder has it; the message lists the recipes there are.
    """
    if re.fullmatch(NAME, name):
        for folder in folders:
            for suffix in (".yaml", ".yml"):
                if (folder / f"{name}{suffix}").is_file():
                    return folder / f"{name}{suffix}"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.y*ml")})
    raise UserError(
        "there is no such recipe",
        found=repr(name),
        expected="one of " + ", ".join(known) if known else "a file `recipes/NAME.yaml`",
        remedy=suggestion(name, known)
        or "Correct the column `recipe`, or write `recipes/NAME.yaml` beside the sample sheet",
    )


def resolve_recipe(name: str, folders: Sequence[Path], schema: dict[str, Any]) -> dict[str, Any]:
    """A recipe with everything that it extends and every default filled in.

    Parameters
    ----------
    name : name of the recipe.
    folders : where to look for ``NAME.yaml``; the first that has it wins.
    schema : JSON schema of recipes, with defaults.

    Returns
    -------
    The resolved recipe. ``models`` holds every setting of each model; a model that a recipe sets to
    null is left out. ``sites`` holds a ``detector``, with every setting, only if its method is
    ``model``. Files named in it are absolute paths.

    Raises
    ------
    UserError : the recipe is unknown, misspelt, out of range, or extends itself.
    """
    given: dict[str, Any] = {}
    chain: list[Path] = []
    wanted: str | None = name
    while wanted is not None:
        path = find_recipe(wanted, folders)
        if path in chain:
            raise UserError(
                "this recipe extends itself",
                file=path,
                found=" → ".join(file.stem for file in [*chain, path]),
                remedy="Take one `extends` out",
            )
        chain.append(path)
        layer = read_yaml(path)
        check(layer, schema, file=path)
        given = merge(_anchored(layer, path.parent), given)
        wanted = layer.get("extends")
    given.pop("extends", None)
    recipe = with_defaults(given, schema)
    models = {key: value for key, value in recipe.get("models", {}).items() if value is not None}
    if not models:
        raise UserError(
            "the recipe trains no model", file=chain[0], expected="`models:` with at least one name"
        )
    recipe["models"] = {key: model_settings(key, models[key], chain[0]) for key in models}
    detector = recipe["sites"].pop("detector", None)
    if recipe["sites"].get("method") == "model":
        recipe["sites"]["detector"] = detector_settings(detector or {}, chain[0])
    patches = Patches.of(recipe.get("patches"), file=chain[0])
    kind, own = kind_of(recipe["sites"], file=chain[0])
    if kind.settings is Windows and own.window is None:
        # A window is what its patch shows: who gives the size of patches alone means both.
        recipe["sites"]["window"] = patches.size
    return recipe


def _anchored(layer: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A recipe's files as absolute paths: they are given relative to the recipe."""
    preprocess = layer.get("ingest", {}).get("preprocess", {})
    files = {
        key: _absolute(preprocess[key], folder)
        for key in PREPROCESSING_FILES
        if isinstance(preprocess.get(key), str)
    }
    models = {
        name: {"physics_loss": _absolute(given["physics_loss"], folder)}
        for name, given in (layer.get("models") or {}).items()
        if isinstance(given, dict) and isinstance(given.get("physics_loss"), str)
    }
    layer = merge(layer, {"ingest": {"preprocess": files}}) if files else layer
    return merge(layer, {"models": models}) if models else layer


def _absolute(given: str, folder: Path) -> str:
    return str((folder / Path(given).expanduser()).resolve())


@cache
def _model_schema() -> dict[str, Any]:
    """JSON schema of one model's settings, from the data class that defines them."""
    from vaescope.models.settings import ModelSettings

    hints = get_type_hints(ModelSettings)
    properties = {field.name: _schema_of(hints[field.name]) for field in fields(ModelSettings)}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _schema_of(hint: Any) -> dict[str, Any]:
    """JSON schema of a type hint of ``ModelSettings``: plain types, literals, lists and unions."""
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", NoneType: "null"}
    if hint in kinds:
        return {"type": kinds[hint]}
    if get_origin(hint) is Literal:
        return {"enum": list(get_args(hint))}
    if get_origin(hint) is list:
        return {"type": "array", "items": _schema_of(get_args(hint)[0]), "minItems": 1}
    parts = [_schema_of(part) for part in get_args(hint)]
    if all(set(part) == {"type"} for part in parts):
        return {"type": [part["type"] for part in parts]}
    return {"anyOf": parts}


def detector_settings(given: dict[str, Any], file: object) -> dict[str, Any]:
    """Every setting of a learned detector.

    Raises
    ------
    UserError : an unknown setting or simulation, or a value out of range.
    """
    from vaescope.sites.learned import DetectorSettings

    try:
        return DetectorSettings.of(given).as_dict()
    except UserError as error:
        raise UserError(
            error.problem,
            file=file,
            found=error.found,
            expected=error.expected,
            remedy=error.remedy,
        ) from error


def model_settings(name: str, given: dict[str, Any], file: object) -> dict[str, Any]:
    """Every setting of one model of a recipe; its variant is its name unless it says otherwise.

    Raises
    ------
    UserError : an unknown setting or variant, a wrong type, or a value out of range.
    """
    from vaescope.models.settings import ModelSettings
    from vaescope.models.zoo import VARIANTS

    if name.lower() in layout.RESERVED_MODELS or name.lower().endswith(layout.STORED):
        raise UserError(
            f"a model cannot be called `{name}`", file=file, remedy="Call it something else"
        )
    try:
        check(given, _model_schema(), file=None)
        variant = given.get("variant", name if name in VARIANTS else None)
        if variant is None:
            raise UserError(
                "no variant is given",
                expected=f"`variant:` with one of {', '.join(sorted(VARIANTS))}",
                remedy=suggestion(name, VARIANTS),
            )
        return ModelSettings.from_recipe({**given, "variant": variant}).as_dict()
    except UserError as error:
        raise UserError(
            f"model `{name}`: {error.problem}",
            file=file,
            found=error.found,
            expected=error.expected,
            remedy=error.remedy,
        ) from error
