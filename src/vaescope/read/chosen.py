"""Which of the images, arrays or channels of a file a recipe means, by name or by number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from vaescope.errors import UserError


def numbers(wanted: Any, names: Sequence[str | Sequence[str]]) -> list[int]:
    """Find the numbers, counted from 0, of what a recipe names.

    Parameters
    ----------
    wanted : a whole number, which is the number itself, or a text: a name, else a number.
    names : the names by which each may be called, the most telling first, such as path, quantity
        and last part of the path. Names that differ from ``wanted`` in case only count if no other
        name is the same.

    Returns
    -------
    The numbers of all that are called so by the first kind of name that any is; empty if none is.
    """
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return [int(wanted)] if wanted in range(len(names)) else []
    text = str(wanted).strip().strip("/")
    kinds = list(zip_longest(*([one] if isinstance(one, str) else one for one in names)))
    for same in (str, str.casefold):
        for kind in kinds:
            hits = [k for k, name in enumerate(kind) if name and same(name) == same(text)]
            if hits:
                return hits
    return [int(text)] if text.isascii() and text.isdigit() and int(text) < len(names) else []


def refuse_other(wanted: Any, path: Path) -> None:
    """Raise a UserError if a recipe names another array than the one that a file holds."""
    if wanted is not None and not numbers(wanted, [(path.name, path.stem)]):
        raise UserError(
            f"`ingest: array` names {wanted!r}, but this file holds a single image",
            file=path,
            remedy="Leave `ingest: array` out of the recipe of this dataset, or set it to 0",
        )


def told_apart(names: Sequence[str]) -> list[str]:
    """Append its number to every name that occurs more than once."""
    return [n if names.count(n) == 1 else f"{n} {k}" for k, n in enumerate(names)]
