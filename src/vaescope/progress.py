"""Progress of long work: lines in a log at sensible intervals, and a bar on a terminal.

The library says how far it is (``course``); whoever runs it says where that shows (``shown``). In a
notebook or a test, where nobody does, it costs nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")


class Display(Protocol):
    """Where progress shows."""

    def update(self, course: Course) -> None:
        """Show how far a piece of work is; called at every step, from any thread."""

    def end(self, course: Course) -> None:
        """The work has ended."""


class Course:
    """One piece of work: ``done`` of ``total`` steps, and words about how it goes."""

    def __init__(self, what: str, total: int, display: Display | None, done: int = 0) -> None:
        self.what, self.total, self.done, self.words = what, total, done, ""
        self.started, self._before = time.monotonic(), done
        self._display, self._lock = display, threading.Lock()

    def advance(self, steps: int = 1, words: str | None = None) -> None:
        """Tell that so many steps more are done."""
        with self._lock:
            self.done += steps
            if words is not None:
                self.words = words
            if self._display is not None:
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

    def __str__(self) -> str:
        share = 100 * self.done // max(self.total, 1)
        parts = [f"{self.what}: {share} % ({self.done} of {self.total})", self.words]
        if self.left and self.done < self.total:
            parts.append(f"about {duration(self.left)} left")
        return ", ".join(part for part in parts if part)


_display: Display | None = None


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
def course(what: str, total: int, done: int = 0) -> Iterator[Course]:
    """Work of ``total`` steps, of which ``done`` were done before: call ``advance`` after each."""
    made = Course(what, total, _display, done)
    try:
        yield made
    finally:
        if made._display is not None:
            made._display.end(made)


def over(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    """The items, each counted as done when the next is asked for."""
    with course(what, total) as made:
        for item in items:
            yield item
            made.advance()


def duration(seconds: float) -> str:
    """A time in words: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    # Of what lasts long the seconds are noise.
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
