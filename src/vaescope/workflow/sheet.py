"""The sample sheet: one row per dataset. A bad row is set aside with its reason."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vaescope.errors import UserError, suggestion
from vaescope.read import physical
from vaescope.settings import NAME
from vaescope.workflow.cells import read_cells

REQUIRED = ("dataset", "recipe", "source")
OPTIONAL = ("pixel_size", "labels", "notes", "spectra")
RESERVED = frozenset({"index.html"})
SIMULATED = "simulate:"
LONGEST = 2000
"""Characters of a cell: reports, index and crate repeat what rows say."""


@dataclass(frozen=True)
class Row:
    """One usable row of the sample sheet, as written; ``line`` is its line in the file."""

    line: int
    dataset: str
    recipe: str
    source: str
    pixel_size: str = ""
    labels: str = ""
    notes: str = ""
    spectra: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row by column name, without its place in the sheet."""
        return {key: value for key, value in asdict(self).items() if key != "line"}

    @property
    def simulation(self) -> str | None:
        """Name of the simulation, where the source is no file."""
        return self.source[len(SIMULATED) :] if self.source.startswith(SIMULATED) else None


@dataclass(frozen=True)
class Problem:
    """A row that cannot be used. ``dataset`` is the name as written: never make a path of it."""

    line: int
    dataset: str
    message: str

    def as_dict(self) -> dict[str, Any]:
        """The problem as the index takes it."""
        return {"row": self.line, "dataset": self.dataset, "message": self.message}


def read_sheet(path: Path, *, simulations: bool = True) -> tuple[list[Row], list[Problem]]:
    """Rows of a sample sheet, and the rows that cannot be used, in the order of the file.

    Blank lines and lines that start with ``#`` are skipped. Of two rows with one name the first is
    used; names that differ in case only count as one, since some file systems see no difference.
    Without ``simulations`` names of simulations are not checked: that needs libraries which take a
    second or two to import.

    Raises
    ------
    UserError : the sheet as a whole cannot be used: missing, no text, no header, no rows.
    """
    lines = read_cells(path, REQUIRED)
    if not lines:
        raise UserError(
            "the sample sheet is empty", file=path, expected="a header and one row per dataset"
        )
    header = _header(lines[0][1], path)
    if len(lines) == 1:
        raise UserError(
            "the sample sheet has no rows",
            file=path,
            expected="one row per dataset under the header",
        )
    rows: list[Row] = []
    problems: list[Problem] = []
    taken: dict[str, Row] = {}
    for number, cells in lines[1:]:
        values = dict(zip(header, cells, strict=False))
        name = values.get("dataset", "")
        try:
            row = _row(number, cells, values, header, simulations)
            other = taken.get(row.dataset.lower())
            if other:
                raise UserError(
                    "this name is taken",
                    found=f"`{other.dataset}` in line {other.line}",
                    remedy="Give each dataset a name of its own (capitals do not count)",
                )
        except UserError as error:
            problems.append(Problem(number, name, message(path, number, name, error)))
        else:
            taken[row.dataset.lower()] = row
            rows.append(row)
    return rows, problems


def message(path: Path, line: int, dataset: str, error: UserError) -> str:
    """One clear message about a row: dataset, file, found, expected, what to do."""
    where = f"`{path.name}`, line {line}: "
    return f"dataset `{printable(dataset)}`: {where}{error}"


def printable(text: str) -> str:
    """Untrusted text cut to a line that no terminal takes for a command."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown if len(shown) <= 80 else shown[:79] + "…"


def _header(cells: list[str], path: Path) -> list[str]:
    header = [cell.lower() for cell in cells]
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        alone = len(cells) == 1 and all(name in header[0] for name in REQUIRED)
        raise UserError(
            f"the sample sheet lacks the column `{missing[0]}`",
            file=path,
            found=", ".join(printable(cell) for cell in cells),
            expected=", ".join(REQUIRED),
            remedy="Separate the columns by tabs, semicolons or commas, in every line alike"
            if alone
            else "Add it to the first line",
        )
    for name in header:
        if name and name not in (*REQUIRED, *OPTIONAL) and (hint := suggestion(name, OPTIONAL)):
            raise UserError("unknown column", file=path, found=f"`{printable(name)}`", remedy=hint)
    if len(set(filter(None, header))) < len(list(filter(None, header))):
        raise UserError("a column is there twice", file=path, found=", ".join(header))
    return header


def _row(
    number: int, cells: list[str], values: dict[str, str], header: list[str], simulations: bool
) -> Row:
    """Make a row of cells, every one of them checked.

    Raises
    ------
    UserError : a cell is missing or cannot be used: name, pixel size, or simulation.
    """
    if len(cells) > len(header) and any(cells[len(header) :]):
        raise UserError(
            "the row has more cells than the header",
            found=f"{len(cells)} cells",
            expected=f"{len(header)}, separated as those of the header",
            remedy="Put quotation marks around a cell that holds a separator",
        )
    long = next((name for name, cell in values.items() if len(cell) > LONGEST), None)
    if long:
        raise UserError(
            f"the cell of the column `{printable(long)}` is too long",
            found=f"{len(values[long])} characters",
            expected=f"at most {LONGEST}",
            remedy="Keep long notes in a file of their own, and name it here",
        )
    check_name(values.get("dataset", ""))
    for name in REQUIRED[1:]:
        if not values.get(name):
            raise UserError(f"the column `{name}` is empty", remedy="Fill it in, after a tab")
    known = {name: values.get(name, "") for name in (*REQUIRED, *OPTIONAL)}
    row = Row(line=number, **known)
    physical.from_sheet(row.pixel_size)
    if simulations and row.simulation is not None:
        from vaescope import simulate  # late: most sheets name none

        simulate.parse(row.simulation)
    return row


def check_name(name: str) -> None:
    """Refuse a dataset name that cannot safely be a folder.

    Raises
    ------
    UserError : the name is empty, has other characters than allowed, or is reserved.
    """
    if not re.fullmatch(NAME, name) or name.endswith("."):
        raise UserError(
            "the name of the dataset cannot be used" if name else "the dataset has no name",
            found=f"`{printable(name)}`" if name else None,
            expected="1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit",
            remedy="Rename it in the sample sheet; files keep their names",
        )
    if name.lower() in RESERVED:
        raise UserError("this name is reserved", remedy="Give the dataset another name")
