"""Shared helpers of the unit tests lie beside them (``pictures``)."""

import os
import sys
from pathlib import Path

# One thread per test process: the suite runs on as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))
