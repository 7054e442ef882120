"""Files that users name, looked at without trust: a name may be too long, a folder closed."""

from __future__ import annotations

import glob
import re
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is a file that this process may look at; the job that reads it says what is
    wrong otherwise."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def matching(path: Path, source: str) -> list[Path]:
    """The files that a source stands for, sorted: the one of this path, even if it is missing, or
    those that match where it is a pattern."""
    try:
        if path.exists() or not re.search(r"[*?\[]", source):
            return [path]
        return sorted(Path(found) for found in glob.glob(str(path), recursive=True))
    except (OSError, ValueError):
        return [path]


def megabytes(path: Path) -> float:
    """Size in MB (10⁶ bytes) of a file; 0 where it is missing."""
    try:
        return path.stat().st_size / 1e6 if path.is_file() else 0.0
    except (OSError, ValueError):
        return 0.0
