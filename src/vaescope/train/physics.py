"""A user's own term of the objective, from a file of theirs."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaescope.errors import UserError

FORM = "FILE.py:FUNCTION, with a file relative to the recipe"


def split(given: str) -> tuple[Path, str]:
    """File and function named by ``FILE.py:FUNCTION``.

    Raises
    ------
    UserError : it has another form.
    """
    file, colon, function = given.rpartition(":")
    if not (colon and file.endswith(".py") and function.isidentifier()):
        raise UserError("`physics_loss` names no function", found=repr(given), expected=FORM)
    return Path(file), function


def load(given: str | None) -> Callable[..., Any] | None:
    """The function that a recipe names. The recipe is its author's own program: the file is run.

    Raises
    ------
    UserError : there is no such file, it cannot be run, or it has no such function.
    """
    if given is None:
        return None
    file, name = split(given)
    try:
        spec = importlib.util.spec_from_file_location("vaescope_user_physics", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's file does
        raise UserError(
            f"the file of `physics_loss` cannot be run ({type(error).__name__}: {error})", file=file
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(
            f"`physics_loss` names no function `{name}` of this file", file=file, expected=FORM
        )
    return function


def digest(function: Callable[..., Any] | None) -> str:
    """Changes with the text of the function's file."""
    if function is None:
        return ""
    try:
        text = Path(inspect.getfile(function)).read_bytes()
    except (OSError, TypeError):
        text = repr(function).encode()
    return hashlib.sha256(text).hexdigest()
