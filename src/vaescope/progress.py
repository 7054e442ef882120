"""Progress of long work: lines in a log at sensible intervals, and a bar on a terminal.

The library says how far it is (``course``); whoever runs it says where that shows (``shown``). In a
notebook or a test, where nobody does, it costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from vaescope.text import duration

T = TypeVar("T")

FIRST_LINE, LONGEST_GAP = 5.0, 60.0
"""Seconds to the first line in a log; each gap is twice the one before, up to the longest."""


class Display(Protocol):
    """Where progress shows."""

    def update(self, course: Course) -> None:
        """Show how far a piece of work is; called at every step, from any thread."""

    def end(self, course: Course) -> None:
        """The work has ended."""


class Course:
    """One piece of work: ``done`` of ``total`` steps, and words about how it goes."""

    def __init__(self, what: str, total: int, display: Display | None) -> None:
        self.what, self.total, self.done, self.words = what, total, 0, ""
        self.started, self._before = time.monotonic(), 0
        self._display, self._lock = display, threading.Lock()

    def skip(self, steps: int) -> None:
        """Tell that so many steps were done before, which says nothing of the pace."""
        with self._lock:
            self.done += steps
            self._before += steps

    def advance(self, steps: int = 1, words: str | None = None) -> None:
        """Tell that so many steps more are done."""
        with self._lock:
            self.done += steps
            if words is not None:
                self.words = words
            # Of work within work the outer one shows.
            if self._display is not None and _running[:1] == [self]:
                self._display.update(self)

    @property
    def seconds(self) -> float:
        """Since its beginning."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float | None:
        """Seconds left at the pace so far; None while that is not known."""
        here = self.done - self._before
        if here <= 0:
            return None
        return self.seconds * max(self.total - self.done, 0) / here

    @property
    def share(self) -> int:
        """Per cent done."""
        return 100 * self.done // max(self.total, 1)

    def __str__(self) -> str:
        parts = [f"{self.what}: {self.share} % ({self.done} of {self.total})", self.words]
        if self.left and self.done < self.total:
            parts.append(f"about {duration(self.left)} left")
        return ", ".join(part for part in parts if part)


class Lines:
    """A display of plain lines, soon at first and then ever more rarely."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._lock = write, threading.Lock()
        self._due: dict[int, tuple[float, float]] = {}

    def update(self, course: Course) -> None:
        """A line, if it is time for one."""
        with self._lock:
            due, gap = self._due.get(id(course), (FIRST_LINE, FIRST_LINE))
            if course.seconds >= due and course.done < course.total:
                self._write(str(course))
                gap = min(2 * gap, LONGEST_GAP)
                self._due[id(course)] = course.seconds + gap, gap

    def end(self, course: Course) -> None:
        """A last line about what took long."""
        with self._lock:
            if self._due.pop(id(course), None) and course.done >= course.total:
                words = f", {course.words}" if course.words else ""
                self._write(f"{course.what}: done in {duration(course.seconds)}{words}")


_display: Display | None = None
_running: list[Course] = []


@contextmanager
def shown(display: Display) -> Iterator[None]:
    """Show the progress of everything in the block, in all threads, on a display."""
    global _display
    before, _display = _display, display
    try:
        yield
    finally:
        _display = before


@contextmanager
def course(
    what: str, total: int, otherwise: Callable[[str], None] | None = None
) -> Iterator[Course]:
    """Work of ``total`` steps: call ``advance`` after each.

    ``otherwise`` takes lines where nobody shows progress.
    """
    display = _display if _display is not None else Lines(otherwise) if otherwise else None
    made = Course(what, total, display)
    _running.append(made)
    try:
        yield made
    finally:
        _end(made)


def _end(course: Course) -> None:
    first = _running[:1] == [course]
    if course in _running:
        _running.remove(course)
    if first and course._display is not None:
        course._display.end(course)


@contextmanager
def chunks(what: str) -> Iterator[None]:
    """What Dask computes in the block with its threads, told task by task.

    A ``dask.distributed`` cluster tells nothing here: it has a page of its own.
    """
    if _display is None:
        yield
        return
    from dask.callbacks import Callback

    running: list[Course] = []

    def start(graph: object, state: dict) -> None:
        total = sum(len(state[part]) for part in ("ready", "waiting"))
        running.append(Course(what, total, _display))
        _running.append(running[-1])

    def step(*_: object) -> None:
        if running:
            running[-1].advance()

    def finish(*_: object) -> None:
        if running:
            _end(running.pop())

    with Callback(start_state=start, posttask=step, finish=finish):
        yield


def over(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """The items, each counted as done when the next is asked for."""
    with course(what, total) as made:
        for item in items:
            yield item
            made.advance()
