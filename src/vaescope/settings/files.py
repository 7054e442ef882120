"""Settings as files: YAML read with care, and mappings laid on each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from vaescope.errors import UserError

_BYTES = 1_000_000  # of a file
_VALUES = 20_000  # in a file, aliases written out
_DEPTH = 50  # of mappings and lists in each other


class _Loader(yaml.SafeLoader):
    """Plain YAML that refuses a key given twice and reads ``1e-3`` as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *other`
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float) and key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"`{key}` is given twice", problem_mark=key_node.start_mark
                )
            if isinstance(key, str | int | float):
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises
    ------
    UserError : the file is missing, is no YAML (with line and column), holds no mapping, or holds
        more than settings can be, such as aliases of aliases.
    """
    path = Path(path)
    try:
        value = _values(_text(path))
    except OSError as error:
        raise UserError("cannot be read", file=path, found=error.strerror) from error
    except UnicodeDecodeError as error:
        raise UserError(
            "is not a text file in UTF-8", file=path, remedy="Save it again as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(
            f"is not valid YAML{where}",
            file=path,
            found=error.problem,
            remedy="Check indentation, colons and quotes there",
        ) from error
    except yaml.YAMLError as error:
        raise UserError("is not valid YAML", file=path, found=str(error)) from error
    except (RecursionError, _TooMuchError) as error:
        raise UserError(
            "holds more than any settings do",
            file=path,
            found=str(error) if isinstance(error, _TooMuchError) else "too deep a nesting",
            remedy="Check that it is the right file, and that no alias (`*name`) repeats itself",
        ) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(
            "holds no settings",
            file=path,
            found=type(value).__name__,
            expected="`key: value` lines",
        )
    return value


class _TooMuchError(Exception):
    """More than settings can be."""


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_BYTES + 1)
    if len(content) > _BYTES:
        raise _TooMuchError(f"more than {_BYTES // 1000} kB")
    return content.decode("utf-8-sig")


def _values(text: str) -> Any:
    """The values of a text; the loader is derived from SafeLoader: plain values only."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, ())
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int], above: tuple[int, ...]) -> int:
    """How many values a node holds, aliases written out."""
    if id(node) in above:
        raise _TooMuchError("an alias within what it stands for")
    if len(above) > _DEPTH:
        raise _TooMuchError(f"more than {_DEPTH} mappings and lists in each other")
    if id(node) not in known:
        parts: list[Any] = [] if isinstance(node, yaml.ScalarNode) else node.value
        inner = [each for part in parts for each in (part if isinstance(part, tuple) else (part,))]
        total = 1 + sum(_count(each, known, (*above, id(node))) for each in inner)
        known[id(node)] = total
    if known[id(node)] > _VALUES:
        raise _TooMuchError(f"more than {_VALUES} values, aliases written out")
    return known[id(node)]


def merge(base: Any, over: Any) -> Any:
    """Settings ``over`` laid on ``base``: mappings are merged, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    merged = dict(base)
    for key, value in over.items():
        merged[key] = merge(base[key], value) if key in base else value
    return merged
