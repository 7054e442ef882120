"""What torch is told of a processor leaves results exact, and one call on one thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch

from vaescope import numerics


def test_products_stay_exact() -> None:
    numerics.one_thread()
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(3, 300, 500, generator=generator)
    other = torch.randn(3, 500, 200, generator=generator)
    true = one.double() @ other.double()
    assert (one @ other - true).norm() < 1e-6 * true.norm()


def test_products_that_are_rounded_are_left_alone(monkeypatch) -> None:
    matmul = torch.backends.mkldnn.matmul
    before = matmul.fp32_precision
    monkeypatch.setattr(numerics, "EXACT", 0.0)  # no product is as exact as that
    matmul.fp32_precision = "none"
    try:
        numerics._multiply_faster()
        assert matmul.fp32_precision == "none"
    finally:
        matmul.fp32_precision = before


def test_each_worker_has_one_thread() -> None:
    with ThreadPoolExecutor(2, initializer=numerics.one_thread) as pool:
        assert list(pool.map(lambda _: torch.get_num_threads(), range(8))) == [1] * 8
