"""Show the progress of a job: plain lines in its log, and one live line on a terminal.

Several jobs share a terminal with Snakemake. One of them at a time shows its bar, on a line that it
leaves empty behind it; Snakemake wipes that line before it writes (``share_with``).
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TextIO

from vaescope.progress import Lines, Progress

WIPE = "\r\x1b[2K"
"""Back to the beginning of the line, and away with what stands there."""
TAKEN = "VAESCOPE_TERMINAL_TAKEN"
"""Set for jobs where the terminal is someone else's."""
BAR = "{name} {bar:16} {share} %{left}, {words}"
"""In a narrow window the end is cut: what matters most comes first."""


class JobDisplay:
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
        self._held: ExitStack | None = None
        self._live = is_ours(stream)

    def update(self, work: Progress) -> None:
        """Show how far it is, if the terminal is free."""
        self._lines.update(work)
        with self._lock:
            if self._live and self._may_draw():
                self._write(f"{WIPE}{self.picture(work)}\r")

    def end(self, work: Progress) -> None:
        """Write a last line about what took long, and leave the terminal to someone else."""
        self._lines.end(work)
        self.close()

    def say(self, text: str) -> None:
        """Write a line on the terminal, if there is one, above the bar."""
        if self._live:
            with self._lock:
                self._write(f"{WIPE}{text}\n")

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            if self._held is not None:
                self._write(WIPE)
                self._held.close()
                self._held = None

    def picture(self, work: Progress) -> str:
        """The bar, as wide as the terminal at most."""
        known = {"name": self.name, "words": work.postfix or work.desc}
        form = {"bar_format": BAR, "ascii": "─╺━", "ncols": shutil.get_terminal_size().columns - 1}
        return work.format_meter(**(work.format_dict | known | form))

    def _may_draw(self) -> bool:
        if self._held is None:
            with ExitStack() as stack:
                if stack.enter_context(self._alone()):
                    self._held = stack.pop_all()
        return self._held is not None

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


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
