"""Copies of scripts that Snakemake makes for its jobs, and that a kill leaves behind."""

from __future__ import annotations

import ast
import pickletools
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vaescope.workflow.jobs import alone, lock_of

PLACE = Path(".snakemake/scripts")
YOUNG = 15.0  # seconds in which the job of a copy has started and holds its lock
_PICKLED = re.compile(r"loads\((b(['\"]).*?(?<!\\)(?:\\\\)*\2)\)", re.DOTALL)


def tidy(results: Path, place: Path = PLACE) -> None:
    """Remove the copies whose jobs belong to a results folder and have ended.

    Those of other runs in the same working folder stay, and so do those of jobs that a killed run
    left behind at work. Call it while holding the lock of the results.

    Parameters
    ----------
    results : the results folder, as the rules name it.
    place : where Snakemake keeps the copies; ``PLACE`` in the working folder.
    """
    for copy in place.glob("tmp*.py"):
        with suppress(OSError, ValueError):
            if time.time() - copy.stat().st_mtime < YOUNG:
                continue
            log = _log(copy.read_text(encoding="utf-8"), results)
            if log is not None and _ended(log):
                copy.unlink()


def _log(text: str, results: Path) -> Path | None:
    """The log of the job of a copy, which is in the head that Snakemake writes, pickled; it is
    searched for its strings and not unpickled."""
    return next((log for log in _logs(text) if log.is_relative_to(results)), None)


def _logs(text: str) -> Iterator[Path]:
    head = _PICKLED.search(text)
    if head:
        for _, value, _ in pickletools.genops(ast.literal_eval(head[1])):
            if isinstance(value, str) and value.endswith(".log"):
                yield Path(value)


def _ended(log: Path) -> bool:
    """Whether the job with this log is at work no more."""
    lock = lock_of(log)
    if not lock.exists():
        return True
    with alone(lock, wait=False) as free:
        return free
