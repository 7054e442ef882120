"""Progress of long work, counted by tqdm: lines in a log, ever more rarely; a bar on a terminal.

The library counts its steps (``Progress``); whoever runs it says where that shows (``shown``). In a
notebook or a test, where nobody does, it costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from tqdm.std import tqdm

from vaescope.text import duration

T = TypeVar("T")

FIRST_LINE, LONGEST_GAP = 5.0, 60.0
"""Seconds to the first line in a log; each gap is twice the one before, up to the longest."""
INTERVAL = 0.2
"""Seconds between two looks at the progress, at least."""
LINE = "{desc}: {share} % ({n} of {total}){postfix}{left}"


class Display(Protocol):
    """Where progress shows."""

    def update(self, work: Progress) -> None:
        """Show how far a piece of work is; called from any thread."""

    def end(self, work: Progress) -> None:
        """Show that the work has ended."""


class Progress(tqdm):
    """One piece of work: loop over it as over its items, or ``update`` it after each step.

    Work within work is silent: the outer one shows. ``log`` takes lines where nobody shows
    progress. A front end of tqdm as ``tqdm.rich`` is.
    """

    monitor_interval = 0  # no thread of tqdm's own: what shows comes with the steps
    _lock = threading.RLock()  # nor its lock between processes

    def __init__(
        self,
        iterable: Iterable | None = None,
        desc: str = "",
        total: int | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        display = _display.get() or (Lines(log) if log else _SILENT)
        super().__init__(
            iterable,
            desc,
            total,
            gui=True,
            disable=display is _SILENT,
            mininterval=INTERVAL,
            miniters=1,
            smoothing=0,
            bar_format=LINE,
        )
        self._shown_on = display
        if not self.disable:
            self._around = _display.get()
            _display.set(_SILENT)

    def skip(self, steps: int) -> None:
        """Count steps that were done before, which say nothing of the pace."""
        with self._lock:
            self.n += steps
            self.initial += steps

    def update(self, n: float | None = 1, words: str | None = None) -> bool | None:
        """Count ``n`` steps more; ``words`` say how it goes."""
        with self._lock:
            if words is not None:
                self.set_postfix_str(words, refresh=False)
            return super().update(n)

    @property
    def format_dict(self) -> dict[str, Any]:
        """What can stand in a line or a bar: tqdm's facts, the whole per cent and the time left."""
        facts = super().format_dict
        done, left = facts["n"] - facts["initial"], ""
        to_do = (facts["total"] or 0) - facts["n"]
        if done > 0 and to_do > 0:
            left = f", about {duration(facts['elapsed'] * to_do / done)} left"
        return facts | {"left": left, "share": 100 * facts["n"] // max(facts["total"] or 0, 1)}

    def display(self, *_: object, **__: object) -> None:
        """Show how far it is."""
        self._shown_on.update(self)

    def clear(self, *_: object, **__: object) -> None:
        """Leave everything in its place: displays tidy up after themselves."""

    def close(self) -> None:
        """End the work."""
        if not self.disable:
            super().close()
            _display.set(self._around)
            self._shown_on.end(self)


class Lines:
    """A display of lines in a log, soon at first and then ever more rarely."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._due, self._gap = write, FIRST_LINE, FIRST_LINE

    def update(self, work: Progress) -> None:
        """Write a line, if it is time for one."""
        seconds = work.format_dict["elapsed"]
        if seconds >= self._due and work.n < work.total:
            self._write(str(work))
            self._gap = min(2 * self._gap, LONGEST_GAP)
            self._due = seconds + self._gap

    def end(self, work: Progress) -> None:
        """Write a last line about what took long."""
        if self._gap > FIRST_LINE and work.n >= work.total:
            took = duration(work.format_dict["elapsed"])
            self._write(
                f"{work.desc}: done in {took}{', ' * bool(work.postfix)}{work.postfix or ''}"
            )
        self._due = self._gap = FIRST_LINE


_SILENT = Lines(lambda text: None)
_display: ContextVar[Display | None] = ContextVar("display", default=None)


@contextmanager
def shown(display: Display) -> Iterator[None]:
    """Show the progress of everything in the block on a display."""
    before = _display.get()
    _display.set(display)
    try:
        yield
    finally:
        _display.set(before)


def track(what: str, items: Iterable[T], total: int) -> Iterable[T]:
    """Loop over items, each counted as done when the next is asked for."""
    return Progress(items, what, total)


def chunks(what: str) -> AbstractContextManager:
    """Show what Dask computes in the block with its threads, task by task.

    A ``dask.distributed`` cluster shows nothing here: it has a page of its own.
    """
    if _display.get() in (None, _SILENT):
        return nullcontext()
    from tqdm.dask import TqdmCallback

    return TqdmCallback(tqdm_class=Progress, desc=what)
