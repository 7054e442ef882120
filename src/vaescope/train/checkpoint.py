"""Checkpoints from which a killed training goes on to the very same weights.

A checkpoint is one safetensors file: the weights, the optimiser's moments and the states of the
random generators as tensors, the rest as JSON in its header. Never a pickle.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vaescope import store


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON-able facts atomically."""
    clean = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with store.replace_atomically(path) as beside:
        save_file(clean, beside, metadata={"facts": json.dumps(facts)})


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of a checkpoint; None if there is none or it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def optimiser_state(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Adam's moments and step counts by parameter name."""
    tensors = {}
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{key}/{name}"] = torch.as_tensor(value)
    return tensors


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], tensors: dict[str, Tensor]
) -> None:
    """Put moments saved by ``optimiser_state`` back."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, parameter in zip(names, parameters, strict=True):
        for key in ("exp_avg", "exp_avg_sq", "step"):
            value = tensors.get(f"optimiser/{key}/{name}")
            if value is not None:
                # Fused Adam keeps even the count of steps beside the parameter.
                optimiser.state[parameter][key] = value.to(parameter.device)
