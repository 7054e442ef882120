"""Tables for spreadsheets, whose cells are never taken for a formula.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@`; names and units come from files of
others. An apostrophe before them makes them text, and is not shown.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from vaescope import store

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe(cell: Any) -> Any:
    """A cell as it may stand in a table: text that looks like a formula gets an apostrophe."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write(
    table: pd.DataFrame, path: str | os.PathLike, *, digits: int = 7, missing: str = ""
) -> None:
    """Write a table as CSV, atomically.

    Parameters
    ----------
    digits : of numbers. missing : what stands where nothing is known.
    """
    texts = [name for name in table.columns if table[name].dtype.kind not in "biufc"]
    table = table.assign(**{str(name): table[name].map(safe, na_action="ignore") for name in texts})
    with store.replace_atomically(path) as beside:
        table.rename(columns=safe).to_csv(
            beside, index=False, float_format=f"%.{digits}g", na_rep=missing
        )
