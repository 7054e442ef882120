"""Ctrl-C and SIGTERM: a run and its jobs stop within seconds, in order, and ask only once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

PATIENCE = 5.0  # seconds that a job has to leave things in order before it is ended all the same
STATUS = 128 + signal.SIGINT
"""Exit status of a job that was stopped, as shells give it."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_asked = False


@contextmanager
def stoppable() -> Iterator[None]:
    """Run a job that Ctrl-C or SIGTERM ends: a KeyboardInterrupt first, after a while the process.

    Threads of a pool and long calculations of a library do not see a KeyboardInterrupt, and waiting
    for them would take until they are done. What they write is written beside its place and
    renamed, so that nothing half done is left by ending the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to whoever started this thread
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    before = [signal.signal(number, _once) for number in _SIGNALS]
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    threading.Thread(target=_end_soon, args=(read,), daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(STATUS) from None  # signals stay as they are: the last steps are quiet
    signal.set_wakeup_fd(woken)
    for number, handler in zip(_SIGNALS, before, strict=True):
        signal.signal(number, handler)
    os.close(write)


def stop_run_once(*numbers: int) -> None:
    """Let the first of these signals stop a run with its jobs, and further ones pass.

    Snakemake waits for its jobs after Ctrl-C, and a second one would break that off with a
    traceback. A signal that was sent to it alone reaches its jobs as well.
    """
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            signal.signal(number, _once_for_all)


def _once(number: int, frame: FrameType | None) -> None:
    """Raise a KeyboardInterrupt for the first signal; the process is already ending at others."""
    global _asked
    if not _asked:
        _asked = True
        raise KeyboardInterrupt


def _once_for_all(number: int, frame: FrameType | None) -> None:
    """Do the same, and interrupt all processes that this one has started."""
    import psutil

    if not _asked:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGINT)
    _once(number, frame)


def _end_soon(read: int) -> None:
    """Wait for a signal, and then end the process unless it ends by itself meanwhile."""
    while woken := os.read(read, 1):
        if woken[0] in _SIGNALS:
            time.sleep(PATIENCE)
            os._exit(STATUS)
    os.close(read)
