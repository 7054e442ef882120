"""Checkpoints from which a killed training goes on, on a processor to the very same weights.

A checkpoint is one safetensors file (``vaescope.weights``): the weights, the optimiser's moments
and the states of the random generators as tensors, the rest as JSON in its header.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.train.adam import Adam
from vaescope.weights import load, save

LAYOUT = 3  # of what a checkpoint holds: none of another is gone on from

__all__ = ["LAYOUT", "load", "optimiser_state", "restore_optimiser", "save"]


def optimiser_state(optimiser: Adam, names: list[str]) -> dict[str, Tensor]:
    """Adam's moments and step counts by parameter name."""
    tensors = {}
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{key}/{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimiser(optimiser: Adam, names: list[str], tensors: dict[str, Tensor]) -> None:
    """Put moments saved by ``optimiser_state`` back."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key in ("exp_avg", "exp_avg_sq", "step"):
            value = tensors.get(f"optimiser/{key}/{name}")
            if value is not None:
                # Fused Adam keeps even the count of steps beside the parameter.
                moments = optimiser.state.setdefault(parameter, {})
                moments[key] = value.to(parameter.device)
