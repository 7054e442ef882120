"""Gradient ascent on the field itself, through the lattice: what a search could reach at best."""

from __future__ import annotations

import numpy as np

from vaescope.explore.objective import number_of, polarisation_of
from vaescope.explore.objective_settings import ObjectiveSettings

RATE = 0.1
"""Of Adam, on the inverse hyperbolic tangent of a curve."""
EDGE = 0.999
"""Curves are held within the range from −1 to 1 of the data; further in they can still move."""


def climb(curves: np.ndarray, settings: ObjectiveSettings, steps: int) -> np.ndarray:
    """Values (n, step) of curves (n, channel) as they follow the gradient of the objective.

    Every channel is free between −1 and 1, so that the end is no curve of the family: it bounds
    what any search among curves of that amplitude can find. The first value is that of the start.
    Each step costs a simulation and its gradient.
    """
    import torch

    free = torch.atanh(torch.as_tensor(curves, dtype=torch.float32).clamp(-EDGE, EDGE))
    free.requires_grad_(True)
    optimiser = torch.optim.Adam([free], lr=RATE)
    found = np.full((len(curves), steps), np.nan)
    for step in range(steps):
        values = number_of(polarisation_of(torch.tanh(free), settings), settings)
        found[:, step] = values.detach().numpy()
        if step + 1 < steps:
            optimiser.zero_grad()
            (-values.sum()).backward()
            assert free.grad is not None
            free.grad.nan_to_num_(0.0)
            optimiser.step()
    return found
