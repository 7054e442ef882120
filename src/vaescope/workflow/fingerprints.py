"""SHA-256 of source files, remembered by size and time, so that a run need not read them again.

Sources are compared by what is in them, not by their time stamps: a file that was copied or touched
gives the same fingerprint and nothing is done again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vaescope import store
from vaescope.workflow.places import is_file

MISSING = "missing"

State = tuple[int, int]  # size in bytes, and time of the last change in nanoseconds


@dataclass
class KnownSource:
    """Remembered facts of a source: its fingerprint, and the state and digest of each file."""

    fingerprint: str = MISSING
    files: dict[str, tuple[State, str]] = field(default_factory=dict)


class Fingerprints:
    """Fingerprints of sources, each remembered in a small file of its own.

    Adding a source to thousands therefore writes one small file, and a job of one dataset reads
    one. Files lie in subfolders by the first two digits of their names, so that no folder grows
    long.

    Parameters
    ----------
    memory : folder of these files. What an older version kept in ``memory.json`` beside it is
        still known.
    """

    def __init__(self, memory: Path) -> None:
        self.memory = memory
        self._digests: dict[str, tuple[State, str]] = {}  # of this process: sources share files

    def of(self, files: Sequence[Path], key: str) -> str:
        """One fingerprint of all files of a source.

        Parameters
        ----------
        files : the files, in order. Empty or missing ones give the last known fingerprint of
            ``key``: raw data that was moved to an archive does not undo finished results.
        key : name under which the source is remembered.
        """
        known = self._recall(key)
        if not files or not all(map(is_file, files)):
            return known.fingerprint
        found = {str(file): self._digest(file, known) for file in files}
        digests = [[file.name, found[str(file)][1]] for file in files]
        total = digests[0][1] if len(digests) == 1 else store.digest(digests)
        if MISSING not in (digest for _, digest in digests):
            self._remember(key, known, KnownSource(total, found))
        return total

    def _digest(self, file: Path, known: KnownSource) -> tuple[State, str]:
        """State and SHA-256 of a file, read only where nothing remembered is of the same state."""
        name, state = str(file), (-1, 0)
        with suppress(OSError):
            status = file.stat()
            state = (status.st_size, status.st_mtime_ns)
        for remembered in (known.files, self._digests, self._old_files):
            if name in remembered and remembered[name][0] == state:
                return remembered[name]
        try:
            with file.open("rb") as stream:
                found = state, hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return state, MISSING  # the job that reads it says what is wrong
        self._digests[name] = found
        return found

    def _file_of(self, key: str) -> Path:
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        return self.memory / name[:2] / f"{name[2:]}.json"

    def _recall(self, key: str) -> KnownSource:
        try:
            known = json.loads(self._file_of(key).read_text(encoding="utf-8"))
            return KnownSource(str(known["fingerprint"]), _files(known["files"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return KnownSource(str(self._old.get(f"source {key}", MISSING)))

    def _remember(self, key: str, known: KnownSource, found: KnownSource) -> None:
        if known == found:
            return
        content = {"source": key, "fingerprint": found.fingerprint, "files": found.files}
        with suppress(OSError):  # a results folder that cannot be written fails later, and says so
            store.write_text(json.dumps(content, indent=0) + "\n", self._file_of(key))

    @cached_property
    def _old(self) -> dict[str, Any]:
        """The one file of an older version; empty where there is none."""
        try:
            known = json.loads(
                self.memory.with_name(f"{self.memory.name}.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    @cached_property
    def _old_files(self) -> dict[str, tuple[State, str]]:
        found: dict[str, tuple[State, str]] = {}
        for name, one in self._old.items():
            with suppress(TypeError, KeyError, ValueError):
                if name.startswith("file "):
                    found |= _files({name.removeprefix("file "): (one["state"], one["sha256"])})
        return found


def _files(given: dict[str, Any]) -> dict[str, tuple[State, str]]:
    """Remembered files in the types of this module; raises what a damaged memory makes it raise."""
    return {
        name: ((int(size), int(changed)), str(sha256))
        for name, ((size, changed), sha256) in given.items()
    }
