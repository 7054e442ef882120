"""A function of the user's own, from a file that a recipe names."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError

if TYPE_CHECKING:
    import numpy as np

FORM = "FILE.py:FUNCTION, with a file relative to the recipe"


def split(given: str, setting: str) -> tuple[Path, str]:
    """File and function named by ``FILE.py:FUNCTION``; ``setting`` is where, for messages.

    Raises
    ------
    UserError : it has another form.
    """
    file, colon, function = given.rpartition(":")
    if not (colon and file.endswith(".py") and function.isidentifier()):
        raise UserError(f"`{setting}` names no function", found=repr(given), expected=FORM)
    return Path(file), function


def refuse_unused(part: str, quantity: str, function: str | None) -> None:
    """Refuse settings of a ``quantity`` that names a function and does not use it, or the reverse,
    or names it in another form.

    Raises
    ------
    UserError : they contradict each other; ``part`` is where, for messages.
    """
    if (quantity == "function") != (function is not None):
        raise UserError(
            f"`{part}` names a function and does not use it"
            if function
            else f"`{part}.quantity: function` names none",
            expected="`quantity: function` with " + FORM,
        )
    if function is not None:
        split(function, f"{part}.function")


def load(given: str | None, setting: str) -> Callable[..., Any] | None:
    """The function that a recipe names, None where it names none. The recipe is its author's own
    program: the file is run.

    Parameters
    ----------
    given : ``FILE.py:FUNCTION``. setting : where the recipe names it, for messages.

    Raises
    ------
    UserError : there is no such file, it cannot be run, or it has no such function.
    """
    if given is None:
        return None
    file, name = split(given, setting)
    try:
        spec = importlib.util.spec_from_file_location("vaescope_user_function", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's file does
        raise UserError(
            f"the file of `{setting}` cannot be run ({type(error).__name__}: {error})", file=file
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(
            f"`{setting}` names no function `{name}` of this file", file=file, expected=FORM
        )
    return function


def numbers(function: Callable[..., Any], setting: str, count: int, *arrays: Any) -> np.ndarray:
    """What a function makes of copies of some arrays: a number (count,) for each row of the first.

    Raises
    ------
    UserError : it fails, ends the program or returns something else; ``setting`` names it.
    """
    import numpy as np

    try:
        found = np.asarray(function(*(array.copy() for array in arrays)), float)
    except (Exception, SystemExit) as error:  # whatever the user's function does
        raise UserError(
            f"the function of `{setting}` fails ({type(error).__name__}: {error})",
            file=place_of(error, function) or None,
            remedy="Mend the function, or let it return NaN for rows that have no value",
        ) from error
    if found.shape != (count,):
        raise UserError(
            f"the function of `{setting}` does not return one number for each row",
            found=f"an array of shape {found.shape}",
            expected=f"({count},)",
        )
    return found


def guarded(function: Callable[..., Any], setting: str) -> Callable[..., Any]:
    """The function, but whatever fails in it, or ends the program, is a UserError that names the
    place; ``setting`` names the function."""

    @functools.wraps(function)
    def run(*given: Any) -> Any:
        try:
            return function(*given)
        except (Exception, SystemExit) as error:
            raise UserError(
                f"the function of `{setting}` fails ({type(error).__name__}: {error})",
                file=place_of(error, function) or None,
                remedy="Mend the function; what was trained so far is kept",
            ) from error

    return run


def digest(function: Callable[..., Any] | None) -> str:
    """Changes with the text of the function's file."""
    if function is None:
        return ""
    try:
        text = Path(inspect.getfile(function)).read_bytes()
    except (OSError, TypeError):
        text = repr(function).encode()
    return hashlib.sha256(text).hexdigest()


def place_of(error: BaseException | None, function: Callable[..., Any]) -> str:
    """Where in the user's file a function of theirs failed, as ``FILE:LINE``, or without an error
    its file; empty where it is of no file."""
    try:
        file = inspect.getsourcefile(function) or ""
    except TypeError:  # it is built into Python
        return ""
    trace = [] if error is None else traceback.extract_tb(error.__traceback__)
    lines = [one.lineno for one in trace if one.filename == file]
    return f"{file}:{lines[-1]}" if lines else file
