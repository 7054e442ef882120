"""Settings of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

# One thread per process of the tests, of which there are as many as cores: in libraries that are
# loaded later, and in those that plugins of pytest have loaded before.
os.environ.setdefault("OMP_NUM_THREADS", "1")
threadpool_limits(1)

# How long an example takes says nothing of the software on a busy machine.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


SLOW = ("workflow", "cluster", "browser")
"""Folders whose tests run the workflow or open pages in a browser."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what lies in a folder of slow tests; others are marked where they stand.

    The slow folders come first, so that at the end no process waits long for the others.
    """
    for item in items:
        if Path(item.path).parent.name in SLOW:
            item.add_marker("slow")
    items.sort(key=lambda item: Path(item.path).parent.name not in SLOW)
