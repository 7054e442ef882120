"""Programs timed as whole processes: wall time, processor time and the most memory they held."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Run:
    """One process from start to end: ``wall`` and ``cpu`` seconds, ``memory`` in bytes at most, and
    what it ``said`` of itself (its last line, JSON), and all that it ``wrote``."""

    wall: float
    cpu: float
    memory: int
    said: dict[str, Any]
    wrote: str = ""


@dataclass
class Contender:
    """A command that is timed: ``command`` and what its environment adds."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None


def once(contender: Contender) -> Run:
    """Run a command to its end.

    Raises
    ------
    SystemExit : it failed; the message has what it wrote last.
    """
    began = time.perf_counter()
    child = subprocess.Popen(
        contender.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=contender.folder,
        env={**os.environ, **contender.environment},
    )
    assert child.stdout is not None
    written = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(contender.command)}\nfailed:\n{written[-2000:]}")
    lines = [line for line in written.splitlines() if line.startswith("{")]
    said = json.loads(lines[-1]) if lines else {}
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, said, written)


def interleaved(contenders: dict[str, Contender], repeats: int) -> dict[str, list[Run]]:
    """Every contender in turns, A B A B …, so that a machine that slows down slows all alike."""
    found: dict[str, list[Run]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            found[name].append(once(contender))
    return found


def median(runs: list[Run], of: Callable[[Run], float]) -> float:
    """The median of a number of the runs."""
    return statistics.median(of(run) for run in runs)


def spread(runs: list[Run], of: Callable[[Run], float]) -> tuple[float, float]:
    """The least and the largest of a number of the runs."""
    values = [of(run) for run in runs]
    return min(values), max(values)
