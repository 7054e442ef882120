"""Gradient ascent on the field itself, through the lattice: what a search could reach at best."""

from __future__ import annotations

import numpy as np

from vaescope.explore.objective import number_of, polarisation_of
from vaescope.explore.objective_settings import ObjectiveSettings

STEP, STEPS = 1e-3, (1e-7, 0.2)
"""Of a channel's inverse hyperbolic tangent: the first step, the least and the longest. The
objective is steep in the last channels and flat in all others, so that each has its own step (M.
Riedmiller and H. Braun, Proc. IEEE Int. Conf. Neural Networks (1993) 586)."""
EDGE = 0.999
"""Share of the reach within which curves start: at the reach itself they could not move."""


def climb(
    curves: np.ndarray, settings: ObjectiveSettings, steps: int, reach: float = 1.0
) -> np.ndarray:
    """Values (n, step) of curves (n, channel) as they follow the gradient of the objective.

    Every channel is free between −``reach`` and ``reach``, so that the end is no curve of the
    family: it bounds what any search among curves of that amplitude can find. The first value is
    that of the start. Each step costs a simulation and its gradient.
    """
    import torch

    start = torch.as_tensor(curves, dtype=torch.float32) / reach
    free = torch.atanh(start.clamp(-EDGE, EDGE))
    free.requires_grad_(True)
    optimiser = torch.optim.Rprop([free], lr=STEP, step_sizes=STEPS)
    found = np.full((len(curves), steps), np.nan)
    for step in range(steps):
        values = number_of(polarisation_of(reach * torch.tanh(free), settings), settings)
        found[:, step] = values.detach().numpy()
        if step + 1 < steps:
            optimiser.zero_grad()
            (-values.sum()).backward()
            assert free.grad is not None
            free.grad.nan_to_num_(0.0)
            optimiser.step()
    return found
