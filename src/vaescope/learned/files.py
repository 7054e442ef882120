"""The folder of a trained detector: a safetensors file for each member, and what is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaescope import store, weights
from vaescope.errors import UserError
from vaescope.learned.network import UNet

_FACTS = "detector.json"


def save(
    folder: Path, members: list[UNet], settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write a detector: one safetensors file for each member, and ``detector.json``."""
    stored = {"settings": settings, "facts": facts}
    with store.replace_atomically(folder) as beside:
        for number, member in enumerate(members):
            known = {"kind": "detector", "member": number, **stored}
            weights.save(beside / f"member-{number}.safetensors", member.state_dict(), known)
        store.write_text(json.dumps(stored, indent=1) + "\n", beside / _FACTS)


def load(folder: Path) -> tuple[list[UNet], dict[str, Any], dict[str, Any]]:
    """Members, settings and facts of a detector, as ``save`` wrote them.

    Raises
    ------
    UserError : the folder is missing, or a file in it is no part of a detector.
    """
    try:
        stored = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        settings, facts = dict(stored["settings"]), dict(stored["facts"])
        members = [
            _member(folder / f"member-{number}.safetensors", int(settings["channels"]))
            for number in range(int(settings["members"]))
        ]
        return members, settings, facts
    except (AssertionError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            "no trained detector here", file=folder, remedy="Train it again (rule train_detector)"
        ) from error


def _member(file: Path, channels: int) -> UNet:
    loaded = weights.load(file)
    assert loaded is not None
    state = loaded[0]
    model = UNet(channels, len(state["last.bias"]))
    model.load_state_dict(state)
    return model.eval()
