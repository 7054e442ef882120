"""Settings as files: YAML read with care, and mappings laid on each other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from vaescope.errors import UserError


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
    UserError : the file is missing, is no YAML (with line and column), or holds no mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        value = yaml.load(text, Loader=_Loader)  # derived from SafeLoader: plain values only
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


def merge(base: Any, over: Any) -> Any:
    """Settings ``over`` laid on ``base``: mappings are merged, everything else is replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    merged = dict(base)
    for key, value in over.items():
        merged[key] = merge(base[key], value) if key in base else value
    return merged
