"""Read the failures that the workflow noted."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

_FIELDS = ("rule", "model", "message", "when", "log")


def read_failures(folder: Path) -> list[dict[str, str]]:
    """Failures noted in ``folder/failures``; a note that cannot be read is a failure too."""
    found = []
    for file in sorted((folder / "failures").glob("*.json")):
        try:
            note = json.loads(file.read_text(encoding="utf-8"))
            entry = {key: str(note.get(key) or "") for key in _FIELDS}
        except (OSError, ValueError, AttributeError):
            entry = dict.fromkeys(_FIELDS, "")
            entry["message"] = f"It failed, and the note {file.name} cannot be read."
        entry["rule"] = entry["rule"] or file.stem
        # On the page of many datasets the name already stands above the message.
        entry["message"] = entry["message"].removeprefix(f"dataset `{folder.name}`: ")
        entry["link"] = _link(entry["log"], folder)
        found.append(entry)
    return found


def _link(log: str, folder: Path) -> str:
    """Address of a log relative to the dataset's folder; empty unless it lies in it."""
    if not log:
        return ""
    file = folder / "logs" / Path(log).name
    return f"logs/{quote(file.name)}" if file.is_file() else ""
