"""SHA-256 of source files, remembered by size and time, so that a run need not read them again.

Sources are compared by what is in them, not by their time stamps: a file that was copied or touched
gives the same fingerprint and nothing is done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from vaescope import store

MISSING = "missing"


class Fingerprints:
    """Fingerprints of files, with a memory in a JSON file."""

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self._known: dict[str, Any] | None = None

    def of(self, files: Sequence[Path], key: str) -> str:
        """One fingerprint of all files of a source.

        Parameters
        ----------
        files : the files, in order. Empty or missing ones give the last known fingerprint of
            ``key``: raw data that was moved to an archive does not undo finished results.
        key : name under which the source is remembered.
        """
        if not files or not all(file.is_file() for file in files):
            return self._remembered().get(f"source {key}", MISSING)
        digests = [[file.name, self._file(file)] for file in files]
        total = digests[0][1] if len(digests) == 1 else store.digest(digests)
        self._remember(f"source {key}", total)
        return total

    def _file(self, file: Path) -> str:
        status = file.stat()
        state = [status.st_size, status.st_mtime_ns]
        known = self._remembered().get(f"file {file}")
        if isinstance(known, dict) and known.get("state") == state:
            return known["sha256"]
        try:
            with file.open("rb") as stream:
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return MISSING  # the job that reads it says what is wrong
        self._remember(f"file {file}", {"state": state, "sha256": sha256})
        return sha256

    def _remembered(self) -> dict[str, Any]:
        if self._known is None:
            try:
                known = json.loads(self.memory.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                known = {}
            self._known = known if isinstance(known, dict) else {}
        return self._known

    def _remember(self, key: str, value: Any) -> None:
        if self._remembered().get(key) == value:
            return
        self._remembered()[key] = value
        with suppress(OSError):  # a results folder that cannot be written fails later, and says so
            store.write_text(json.dumps(self._remembered(), indent=0), self.memory)
