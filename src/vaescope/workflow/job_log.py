"""The log of one job: safe to print on a terminal, and no reason to fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from vaescope.text import harmless


class JobLog:
    """A log that takes no control characters, which may come from the names and notes of others,
    and that leaves out what a full disk does not take."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Add text."""
        with suppress(OSError):
            self._file.write(harmless(text))

    def flush(self) -> None:
        """Bring it to the disk."""
        with suppress(OSError):
            self._file.flush()

    def say(self, text: str) -> None:
        """Add a line, with the time of day."""
        self.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
        self.flush()


@contextmanager
def opened(path: Path) -> Iterator[JobLog]:
    """Begin a log anew; warnings and the messages of libraries go there too."""
    file = path.open("w", encoding="utf-8", errors="replace")
    log = JobLog(file)
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield log
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        with suppress(OSError):
            file.close()
