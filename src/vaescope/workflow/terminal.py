"""What a job shows of its progress: plain lines in its log, and one live line on a terminal.

Several jobs share a terminal with Snakemake. One of them at a time shows its bar, on a line that it
leaves empty behind it; Snakemake wipes that line before it writes (``share_with``).
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

from vaescope.progress import Course, Lines
from vaescope.text import duration

WIPE = "\r\x1b[2K"
"""Back to the beginning of the line, and away with what stands there."""
TAKEN = "VAESCOPE_TERMINAL_TAKEN"
"""Set for jobs where the terminal is someone else's."""
REDRAWN = 0.2  # seconds between two pictures of the bar
BAR = 16  # letters


class Progress:
    """The display (see ``vaescope.progress``) of one job.

    Parameters
    ----------
    name : what stands before the bar.
    line : writes a line into the log.
    stream : the terminal; anything else gets no bar.
    alone : makes a lock without waiting, which yields whether it could be had: who has it shows
        its bar.
    """

    def __init__(
        self,
        name: str,
        line: Callable[[str], None],
        stream: TextIO,
        alone: Callable[[], AbstractContextManager[bool]],
    ) -> None:
        self.name, self._stream, self._alone = name, stream, alone
        self._lines, self._lock = Lines(line), threading.Lock()
        self._held: AbstractContextManager[bool] | None = None
        self._drawn = 0.0
        self._live = is_ours(stream)

    def update(self, course: Course) -> None:
        """Show how far it is, if it is time to."""
        self._lines.update(course)
        with self._lock:
            now = time.monotonic()
            if self._live and now - self._drawn >= REDRAWN and self._may_draw():
                self._drawn = now
                self._stream.write(f"{WIPE}{self.picture(course)}\r")
                self._stream.flush()

    def end(self, course: Course) -> None:
        """A last line about what took long, and the terminal to someone else."""
        self._lines.end(course)
        self.close()

    def say(self, text: str) -> None:
        """A line on the terminal, if there is one, above the bar."""
        if not self._live:
            return
        with self._lock:
            self._stream.write(f"{WIPE}{text}\n")
            self._stream.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            self._let_go()

    def picture(self, course: Course) -> str:
        """The bar, as wide as the terminal at most."""
        filled = BAR * course.done // max(course.total, 1)
        bar = "━" * filled + "╺" * (filled < BAR) + "─" * (BAR - filled - 1)
        width = shutil.get_terminal_size().columns - 1
        # In a narrow window the end is cut: what matters most comes first.
        left = f"about {duration(course.left)} left" if course.left else ""
        words = " · ".join(filter(None, [f"{course.share} %", left, course.words or course.what]))
        return f"{self.name} {bar} {words}"[: max(width, 0)]

    def _may_draw(self) -> bool:
        if self._held is None:
            lock = self._alone()
            if lock.__enter__():
                self._held = lock
            else:
                lock.__exit__(None, None, None)
        return self._held is not None

    def _let_go(self) -> None:
        if self._held is not None:
            self._stream.write(WIPE)
            self._stream.flush()
            self._held.__exit__(None, None, None)
            self._held = None


def share_with(logger: logging.Logger) -> None:
    """Keep the lines of a logger and the bars of jobs apart; for the process that starts the jobs.

    A logger that writes lines wipes the bar before each. Where something else draws on the terminal
    (a plugin of Snakemake), jobs leave it alone.
    """
    plain = any(
        isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
        for handler in logger.handlers
    )
    if plain:
        logger.addFilter(_wiping)
    else:
        os.environ[TAKEN] = "1"


def is_ours(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which jobs may write."""
    return stream.isatty() and TAKEN not in os.environ


def _wiping(record: logging.LogRecord) -> bool:
    """A filter that lets everything pass, on an empty line."""
    if sys.stderr.isatty():
        sys.stderr.write(WIPE)
        sys.stderr.flush()
    return True
