"""Figures on a page: embedded, with their files and the data behind them to be taken away.

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

from vaescope.figures import versions
from vaescope.report.pages import embedded_figure

_LARGEST = 400_000  # bytes of one embedded file, packed
_ROOM = 6_000_000  # bytes of all of them on a page
_WORDS = {"png": "PNG", "svg": "SVG", "pdf": "PDF", "gif": "GIF", "csv": "data (CSV)"}


@dataclass
class Room:
    """Files embedded in one page, and how much more may be."""

    left: int = _ROOM
    files: dict[str, str] = field(default_factory=dict)  # packed, in base64, by name

    def take(self, file: Path) -> bool:
        """Embed a text file, packed, if it is small enough; whether it is in the page."""
        try:
            packed = gzip.compress(file.read_bytes(), mtime=0)
        except OSError:
            return False
        if len(packed) > min(_LARGEST, self.left):
            return False
        self.left -= len(packed)
        self.files[file.name] = base64.b64encode(packed).decode()
        return True


def embedded_figures(folder: Path, manifest: dict[str, Any], room: Room) -> list[dict[str, Any]]:
    """Figures of the manifest with their pictures embedded; those that are gone are left out.

    Parameters
    ----------
    folder : of the dataset.
    manifest : of its latest figures.
    room : takes vector files and tables.

    Returns
    -------
    The entries of the manifest, each with ``picture`` (``data``, ``width``), ``links`` (``word``,
    ``name``, ``path`` from the dataset's folder, ``inside``: whether it is in the page) and
    ``behind``, the stores and variables drawn.
    """
    version = str(manifest.get("version", versions.LATEST))
    latest = folder / "figures" / versions.LATEST
    found = []
    for entry in manifest.get("figures", []):
        files = [str(name) for name in entry.get("files", [])]
        drawn = next((name for name in files if name.endswith((".png", ".gif"))), None)
        picture = embedded_figure(latest / drawn) if drawn else None
        if picture is None:
            continue
        links = []
        # Tables first: the smallest and the most useful.
        tables = [str(name) for name in entry.get("tables", [])]
        inside = {name: room.take(latest / name) for name in tables}
        for name in [*files, *tables]:
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
        found.append({**entry, "picture": picture, "links": links, "behind": behind})
    return found


def _word(name: str, kind: str, figure: str) -> str:
    part = name.removeprefix(figure).removesuffix(f".{kind}").strip("-")
    if kind == "csv" and part:
        return f"{part} (CSV)"
    return _WORDS.get(kind, kind.upper())
