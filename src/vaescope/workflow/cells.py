"""Lines and cells of a table as people save it: encodings, separators, quotes of spreadsheets."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vaescope.errors import UserError

SEPARATORS = ("\t", ";", ",")
_WAYS = (
    "Save it from the spreadsheet as `CSV UTF-8` or as `Unicode Text`, or from an editor as "
    "tab-separated text in UTF-8"
)
_BLANK = " \u00a0\u200b\ufeff"  # of these, cells of web pages and of joined files have some around

Line = tuple[int, list[str]]


def read_cells(path: Path, required: Sequence[str]) -> list[Line]:
    """Read the lines of a table that say something, each with its number and its cells.

    Columns are separated by tabs, or by semicolons or commas if the first line then has all
    ``required`` columns. A cell in quotes may hold separators and line breaks, which become spaces.
    Lines without text and lines that start with ``#`` are left out.

    Raises
    ------
    UserError : the file cannot be read, or is no text.
    """
    lines = re.split(r"\r\n|\r|\n", _text(path))
    first = next((line for line in lines if _says_something(line)), "")
    stated = re.fullmatch(r"\"?sep=([\t;,])\"?", first.strip(_BLANK))  # Excel's own first line
    if stated:
        lines[lines.index(first)] = ""
        return list(_rows(lines, stated[1]))
    fitting = [one for one in SEPARATORS if set(required) <= set(_lower(_split(first, one)))]
    return list(_rows(lines, fitting[0] if fitting else "\t"))


def _text(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or, as Excel saves `Text (Tab delimited)`, Windows-1252.

    Raises
    ------
    UserError : the file is missing, is a workbook, or is no text in any of these.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(
            "the sample sheet cannot be read",
            file=path,
            found=error.strerror,
            remedy="Give its place with `--config datasets=PATH.tsv`",
        ) from error
    if raw.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise UserError(
            "the sample sheet is a workbook of a spreadsheet program, not a text file",
            file=path,
            remedy=_WAYS,
        )
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        guessed = encoding not in ("utf-8-sig", "utf-16")
        if not (guessed and re.search("[\x00-\x08\x0e-\x1f\x7f]", text)):
            return text
    raise UserError(
        "the sample sheet is not a text file",
        file=path,
        expected="text in UTF-8, UTF-16 or Windows-1252",
        remedy=_WAYS,
    )


def _encodings(raw: bytes) -> tuple[str, ...]:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # a spreadsheet's "Unicode"
        return ("utf-16",)
    if raw[1:2] == b"\0":
        return ("utf-16-le",)
    if raw[:1] == b"\0":
        return ("utf-16-be",)
    return ("utf-8-sig", "cp1252")


def _rows(lines: list[str], separator: str) -> Iterator[Line]:
    """Number of the first line and cells of every row that says something."""
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        number += 1
        if not _says_something(line):
            continue
        while (place := _open_quote(line, separator)) is not None:
            more = _until_closed(line[place:], lines[number:], separator)
            if not more:
                break  # a quotation mark that means itself
            line = "\n".join([line, *lines[number : number + more]])
            number += more
        cells = [_cell(cell) for cell in _split(line, separator)]
        if any(cells) and not cells[0].startswith("#"):
            yield start + 1, cells


def _says_something(line: str) -> bool:
    return bool(line.strip().strip(_BLANK)) and not line.lstrip(_BLANK).startswith("#")


def _quoted(separator: str) -> re.Pattern[str]:
    return re.compile(rf'[{_BLANK}]*"(?:[^"]|"")*"[{_BLANK}]*(?={separator}|\n|\Z)')


def _split(line: str, separator: str) -> list[str]:
    """Cells of a line as they stand, with their quotes."""
    return [cell for cell, _ in _cells(line, separator)]


def _cells(line: str, separator: str) -> Iterator[tuple[str, int]]:
    """Cells of a line and where each begins."""
    quoted, plain = _quoted(separator), re.compile(f"[^{separator}]*")
    place = 0
    while place <= len(line):
        found = quoted.match(line, place) or plain.match(line, place)
        assert found is not None  # the plain pattern fits anything
        yield found[0], place
        place = found.end() + 1


def _open_quote(line: str, separator: str) -> int | None:
    """Where the first cell of a line begins whose quotation mark stays open; None without one."""
    for cell, place in _cells(line, separator):
        if cell.lstrip(_BLANK).startswith('"') and not _quoted(separator).fullmatch(cell):
            return place
    return None


def _until_closed(cell: str, lines: list[str], separator: str) -> int:
    """Number of the following lines that an open cell goes on for; 0 if it is never closed.

    None of the lines within may be a row of the table: then the quotation mark was a slip, and
    rows would be lost in the cell.
    """
    for count, line in enumerate(lines, start=1):
        cell = f"{cell}\n{line}"
        if closed := _quoted(separator).match(cell):
            inside = closed[0].split("\n")[1:]
            return 0 if any(one.count(separator) > 1 for one in inside) else count
        if line.count(separator) > 1:
            return 0
    return 0


def _cell(text: str) -> str:
    """A cell in one line, without blanks around it and without the quotes of spreadsheets."""
    text = text.strip().strip(_BLANK)
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace('""', '"')
    return re.sub(r"\s*\n\s*", " ", text).strip().strip(_BLANK)


def _lower(cells: list[str]) -> list[str]:
    return [_cell(cell).lower() for cell in cells]
