"""Why a job failed, in words for whoever started the workflow."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from vaescope import parallel
from vaescope.errors import UserError
from vaescope.text import plain

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")
"""Some libraries hand on what the system says, and not its number."""
_LONGEST = 300  # characters of what a library says


def in_words(error: Exception) -> UserError | None:
    """What is wrong outside the program, where that is known; None where it failed unexpectedly."""
    if isinstance(error, UserError):
        return error
    causes = list(_causes(error))
    for cause in causes:
        text = str(cause)
        if getattr(cause, "errno", None) in _FULL or any(word in text for word in _FULL_IN_WORDS):
            return UserError(
                "there is no space left for the results",
                found=plain(cause, _LONGEST),
                remedy="Make room on the disk (also in `TMPDIR`), and run the workflow again; it"
                " goes on from what was done until then",
            )
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _CLOSED and cause.filename is not None:
            return UserError(
                "the file or its folder may not be changed or read",
                file=cause.filename,
                found=cause.strerror,
                remedy="Correct its permissions, or choose another folder by `--config"
                " results=PATH`, and run the workflow again",
            )
    if any(isinstance(cause, MemoryError) for cause in causes):
        return UserError(
            "there is too little memory for this job",
            found=str(error) or None,
            remedy="End other programs or give the job more memory, and run the workflow again",
        )
    return next(filter(None, map(parallel.lost, causes)), None)


def unforeseen(error: Exception, name: str, log_file: Path) -> str:
    """What to say where a job failed unexpectedly: the details are in its log."""
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    reason = f"{kind}: {plain(lines[0], _LONGEST)}" if lines else kind
    return f"{name} failed unexpectedly ({reason}). The details are in `{log_file}`."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from."""
    known: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in known:
        known.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
