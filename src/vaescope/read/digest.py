"""Digests of source files: by them results say which data they come from."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def fingerprint(path: str | os.PathLike) -> str:
    """Compute the SHA-256 of a file, in pieces; of a folder (zspy), over files and names."""
    path = Path(path)
    if path.is_dir():
        total = hashlib.sha256()
        for one in sorted(path.rglob("*")):
            if one.is_file():
                total.update(f"{one.relative_to(path).as_posix()} {fingerprint(one)}\n".encode())
        return total.hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
