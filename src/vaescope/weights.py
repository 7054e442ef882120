"""Tensors with JSON-able facts in one safetensors file; never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store

if TYPE_CHECKING:
    from torch import Tensor


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors and JSON-able facts atomically."""
    from safetensors.torch import save_file

    clean = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with store.replace_atomically(path) as beside:
        save_file(clean, beside, metadata={"facts": json.dumps(facts)})


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and facts of a file; None if there is none or it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
