"""Embed figures in a page, with their files and figure data to download.

A report is one file that may be mailed alone. So the picture is in it, and with it, as far as there
is room, its vector file and the table of the values drawn; what has no room is linked to where it
lies beside the report.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaescope.report.pages import embedded_figure

_LARGEST = 400_000  # bytes of one embedded file, packed
_ROOM = 8_000_000  # letters of all of them on a page
PAGE = 24_000_000  # letters of a page that is easily mailed and opened
_WORDS = {"png": "PNG", "svg": "SVG", "pdf": "PDF", "gif": "GIF", "csv": "data (CSV)"}


@dataclass
class Room:
    """Budget of the files embedded in one page, in characters."""

    left: int = _ROOM
    files: dict[str, str] = field(default_factory=dict)  # packed, in base64, by name

    @classmethod
    def beside(cls, taken: int) -> Room:
        """Compute the budget that remains beside text that must be on the page."""
        return cls(min(_ROOM, max(PAGE - taken, 0)))

    def take(self, file: Path) -> bool:
        """Embed a text file, packed, if it is small enough; whether it is in the page."""
        try:
            packed = gzip.compress(file.read_bytes(), mtime=0)
        except OSError:
            return False
        if len(packed) > _LARGEST:
            return False
        text = base64.b64encode(packed).decode()
        if len(text) > self.left:
            return False
        self.left -= len(text)
        self.files[file.name] = text
        return True


@dataclass
class EmbeddedFigure:
    """A figure whose picture is in the page: its ``entry`` in the manifest, the name of the file
    that is ``drawn``, and the ``picture`` (``data``, ``width``)."""

    entry: dict[str, Any]
    drawn: str
    picture: dict[str, Any]


def embedded(latest: Path, manifest: dict[str, Any]) -> list[EmbeddedFigure]:
    """The figures of a manifest with their pictures; those that are gone are left out.

    ``latest`` is the folder in which they lie.
    """
    found = []
    for entry in manifest.get("figures", []):
        files = [str(name) for name in entry.get("files", [])]
        drawn = next((name for name in files if name.endswith((".png", ".gif"))), None)
        picture = embedded_figure(latest / drawn) if drawn else None
        if drawn is not None and picture is not None:
            found.append(EmbeddedFigure(entry, drawn, picture))
    return found


def letters(figures: list[EmbeddedFigure]) -> int:
    """Count the characters that the pictures add to the page."""
    return sum(len(figure.picture["data"]) for figure in figures)


def linked(
    figures: list[EmbeddedFigure], latest: Path, version: str, taken: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Prepare figures for a page, with the files that fit its budget.

    Parameters
    ----------
    figures : with their pictures.
    latest : folder in which they lie.
    version : of the figures.
    taken : letters of the page that are taken.

    Returns
    -------
    The entries of the manifest, each with ``picture``, ``links`` (``word``, ``name``, ``path`` from
    the dataset's folder, ``inside``: whether it is in the page) and ``behind``, the stores and
    variables drawn; and vector files and tables, packed, in base64, by name.
    """
    room, found = Room.beside(taken), []
    for figure in figures:
        entry, drawn, links = figure.entry, figure.drawn, []
        # Tables first: the smallest and the most useful.
        tables = [str(name) for name in entry.get("tables", [])]
        inside = {name: room.take(latest / name) for name in tables}
        for name in [*map(str, entry.get("files", [])), *tables]:
            kind = name.rpartition(".")[2]
            if name != drawn and name not in inside:
                inside[name] = kind == "svg" and room.take(latest / name)
            path = f"figures/{version}/{name}"
            links.append(
                {
                    "word": _word(name, kind, str(entry["name"])),
                    "name": name,
                    "path": path,
                    "inside": name == drawn or inside[name],
                    "picture": name == drawn,
                }
            )
        stores = entry.get("stores", {})
        behind = [(store, ", ".join(map(str, names))) for store, names in stores.items()]
        found.append({**entry, "picture": figure.picture, "links": links, "behind": behind})
    return found, room.files


def _word(name: str, kind: str, figure: str) -> str:
    part = name.removeprefix(figure).removesuffix(f".{kind}").strip("-")
    if kind == "csv" and part:
        return f"{part} (CSV)"
    return _WORDS.get(kind, kind.upper())
