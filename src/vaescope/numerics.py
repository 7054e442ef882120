"""How torch computes: on a processor each call on one thread, exactly, and as fast as that goes; on
a GPU with rounded factors."""

from __future__ import annotations

import contextlib
import ctypes
from threading import Lock

import torch

EXACT = 1e-5  # relative error of a product of matrices in float32, many times what it is
_KEPT = {-3: 2**30, -1: 2**31 - 1}  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of mallopt(3), bytes

_lock = Lock()
_tuned = False


def one_thread() -> None:
    """Let the calling thread compute by itself; sums keep one order, whatever the machine has.

    The first call also looks for the faster way of multiplying matrices and lets the process keep
    memory that it has freed: a step of training frees and takes the same again, and pages from the
    system cost a quarter of its time.
    """
    global _tuned
    torch.set_num_threads(1)  # counted per calling thread
    with _lock:
        if not _tuned:
            _multiply_faster()
            _keep_memory()
            _tuned = True


def rounded_on_gpu() -> None:
    """Let networks on a GPU multiply by its units for matrices: factors are rounded to 10 bits
    (TF32), sums are float32. Poses are no such products (``models.pose``)."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "tf32"  # type: ignore[attr-defined]


def _multiply_faster() -> None:
    """Multiply float32 matrices by oneDNN where that stays exact.

    torch leaves them to MKL, which is slower (1024 x 512 by 512 x 512 on one Xeon core: 18 ms
    against 13 ms) and slower still on processors of other makers. The only setting that hands them
    to oneDNN is the permission to round to bfloat16. oneDNN uses that permission only on processors
    with units for it (AMX) and is as exact as MKL on all others; so it is given, a product is
    measured, and where that came out rounded the permission is taken back.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # not in its stubs
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    one, other = torch.linspace(-1, 1, 2**17).cos().reshape(2, 256, 256)
    true = one.double() @ other.double()
    if (one @ other - true).norm() > EXACT * true.norm():
        matmul.fp32_precision = before


def _keep_memory() -> None:
    """Let glibc keep what is freed; other libraries have their own ways."""
    with contextlib.suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        for option, value in _KEPT.items():
            set_option(option, value)
