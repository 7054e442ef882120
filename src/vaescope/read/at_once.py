"""How much of a file is decoded at once, against the memory that there is.

What a header announces costs nothing to write: a picture of 2³⁰ × 2³⁰ pixels, a chunk of zeros that
is packed a thousandfold. It is looked at before anything is decoded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from vaescope.errors import UserError

_SHARE = 0.5  # of the free memory that one decoded piece may take; the rest is for its float copy
_CGROUP = Path("/sys/fs/cgroup")
_SMALL = 64e6  # bytes that are never refused


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, of its container, or of what Slurm
    has given to its job, whichever is least."""
    import psutil

    known = [float(psutil.virtual_memory().available)]
    with suppress(OSError, ValueError, KeyError):  # other systems, or the word "max"
        limit = float((_CGROUP / "memory.max").read_text())
        # Files that the system keeps in memory give way.
        kept = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        used = float((_CGROUP / "memory.current").read_text()) - float(kept["file"])
        known.append(limit - used)
    with suppress(KeyError, ValueError):
        known.append(float(os.environ["SLURM_MEM_PER_NODE"]) * 2**20)
    with suppress(ImportError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            known.append(float(soft - psutil.Process().memory_info().vms))
    return max(min(known), 0.0)


def refuse_large(path: Path, shape: Sequence[int], dtype: np.dtype, what: str) -> None:
    """Refuse a piece of a file that can only be decoded as a whole, and is too large for that.

    Parameters
    ----------
    shape, dtype : of the piece. what : it in words, such as ``a chunk``.

    Raises
    ------
    UserError : it takes more than half of the memory that there is.
    """
    needed = math.prod(map(int, shape)) * dtype.itemsize
    allowed = max(_SHARE * free_memory(), _SMALL)
    if needed > allowed:
        raise UserError(
            f"{what} of this file is too large to be decoded in the memory that there is",
            file=path,
            found=f"{needed / 1e9:,.1f} GB ({' × '.join(map(str, shape))} of {dtype})",
            expected=f"at most {allowed / 1e9:,.1f} GB",
            remedy="Save it uncompressed or in smaller pieces, as npy, TIFF or HDF5, or give the"
            " job more memory; a file from elsewhere may be damaged or made to do harm",
        )
