"""Shared helpers of the unit tests lie beside them (``pictures``)."""

import os

# One thread per test process: the suite runs on as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
