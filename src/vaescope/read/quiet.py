"""Libraries speak to programmers in their logs; what matters to a user becomes a message."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*libraries: str) -> Iterator[None]:
    """Silence the loggers and warnings of some libraries; igor2 would log whole images."""
    loggers = [logging.getLogger(name) for name in libraries]
    before = [log.level for log in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for log in loggers:
            log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for log, level in zip(loggers, before, strict=True):
                log.setLevel(level)
