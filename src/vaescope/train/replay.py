"""Steps of training on a GPU as one launch each.

A step of so small a network is some thousand operations of a few microseconds: a GPU is done with
each before the next is asked for. A CUDA graph records them once and starts them all together, for
as long as steps are alike but for the numbers in their inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

WARM = 3  # steps taken one operation after the other before a step is recorded

Step = Callable[[Sequence[Tensor]], None]
Record = Callable[[Callable[[], None]], Callable[[], None]]


def cuda_graph(step: Callable[[], None]) -> Callable[[], None]:
    """Record a step, without taking it; what is returned takes it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


class Replay:
    """Takes steps with inputs that keep their shapes; ``step`` gets them always in one place."""

    def __init__(self, device: torch.device, record: Record = cuda_graph) -> None:
        self.device, self.record = device, record
        self.alike: Hashable = None
        self.inputs: list[Tensor] = []
        self.taken = 0
        self.recorded: Callable[[], None] | None = None

    def __call__(self, alike: Hashable, given: Sequence[Tensor], step: Step) -> None:
        """Take a step; one with another ``alike`` than the last is recorded anew."""
        if alike != self.alike:
            self.alike, self.taken, self.recorded = alike, 0, None
            self.inputs = [torch.empty_like(one, device=self.device) for one in given]
        for mine, one in zip(self.inputs, given, strict=True):
            mine.copy_(one, non_blocking=True)
        if self.recorded is None and self.taken < WARM:
            self.taken += 1
            self._warm(step)
            return
        if self.recorded is None:
            self.recorded = self.record(lambda: step(self.inputs))
        self.recorded()

    def _warm(self, step: Step) -> None:
        """Take a step beside the main stream, as recording does: what is set up there stays."""
        if self.device.type != "cuda":
            step(self.inputs)
            return
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            step(self.inputs)
        torch.cuda.current_stream().wait_stream(beside)
