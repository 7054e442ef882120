"""Weights from which members with classes start: those of trained members without classes.

Before its classes are active, a model with classes is the one without them (``train.classes``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vaescope.errors import UserError
from vaescope.train import checkpoint

OF_CLASSES = "mixture."


def weights(folder: Path, members: Sequence[int]) -> dict[str, Tensor]:
    """Weights of some members by name, joined along their first axis, without those of classes.

    Raises
    ------
    UserError : a member is missing or cannot be read.
    """
    found = []
    for member in members:
        loaded = checkpoint.load(_file(folder, member))
        if loaded is None:
            raise _unreadable(_file(folder, member))
        found.append(loaded[0])
    names = [name for name in found[0] if not name.startswith(OF_CLASSES)]
    return {name: torch.cat([each[name] for each in found]) for name in names}


def digest(folder: Path, members: Sequence[int]) -> str:
    """SHA-256 of the files of some members.

    Raises
    ------
    UserError : a member is missing.
    """
    found = hashlib.sha256()
    for member in members:
        file = _file(folder, member)
        if not file.is_file():
            raise _unreadable(file)
        found.update(file.read_bytes())
    return found.hexdigest()


def refuse_unlike(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights that are not those of a model, its classes left out.

    Raises
    ------
    UserError : a name is missing, is too many, or has another shape.
    """
    shapes = {n: tuple(v.shape) for n, v in own.items() if not n.startswith(OF_CLASSES)}
    wrong = {
        name
        for name in shapes.keys() | given.keys()
        if name not in given or shapes.get(name) != tuple(given[name].shape)
    }
    if wrong:
        raise UserError(
            "the model to start from is built otherwise",
            found=", ".join(sorted(wrong)[:3]),
            remedy="Take `start_from` out of the recipe, or give both models the same settings",
        )


def _file(folder: Path, member: int) -> Path:
    return folder / f"member-{member}.safetensors"


def _unreadable(file: Path) -> UserError:
    return UserError(
        "the member to start from cannot be read",
        file=file,
        remedy="Train the other model again, or take `start_from` out of the recipe",
    )
