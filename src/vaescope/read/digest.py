"""Digests of source files: by them results say which data they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vaescope.errors import UserError


@contextmanager
def unchanged(paths: Iterable[str | os.PathLike]) -> Iterator[None]:
    """Refuse files that change while the block reads them: what was read may be of both versions.

    Raises
    ------
    UserError : size or time stamp of one is another at the end of the block.
    """
    files = [Path(path) for path in paths]
    before = [_state(file) for file in files]
    yield
    for file, state in zip(files, before, strict=True):
        if _state(file) != state:
            raise UserError(
                "the file changed while it was read",
                file=file,
                remedy="Wait until it is written or copied, and run the workflow again",
            )


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None where there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


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
