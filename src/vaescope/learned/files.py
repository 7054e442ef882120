"""The folder of a trained detector: a safetensors file for each member, and what is known of it.

Detectors of the bundled recipes come with the package, each in a folder named by the digest of its
settings; ``make detectors`` trains them anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store, weights
from vaescope.errors import UserError

if TYPE_CHECKING:
    from vaescope.learned.network import UNet
    from vaescope.learned.settings import DetectorSettings

BUNDLED = Path(__file__).parent / "bundled"
_FACTS = "detector.json"
_AGAIN = "Remove this folder and train the detector again (rule train_detector)"
_INSTALL = "Install vaescope again, or train the bundled detectors again (`make detectors`)"


def save(
    folder: Path, members: list[UNet], settings: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    """Write a detector: one safetensors file for each member, and ``detector.json``, which holds
    settings, facts and the SHA-256 of every file.

    Weights of convolutions are stored in half precision, to which training rounded them.
    """
    from vaescope.learned.network import in_half

    stored: dict[str, Any] = {"settings": dict(settings), "facts": dict(facts), "files": {}}
    with store.replace_atomically(folder) as beside:
        for number, member in enumerate(members):
            file = beside / f"member-{number}.safetensors"
            weights.save(file, in_half(member), {"kind": "detector", "member": number})
            stored["files"][file.name] = _sha256(file)
        stored["sha256"] = store.digest(stored)
        store.write_text(json.dumps(stored, indent=1) + "\n", beside / _FACTS)


def load(folder: Path) -> tuple[list[UNet], dict[str, Any], dict[str, Any]]:
    """Members, settings and facts of a detector, as ``save`` wrote them.

    Raises
    ------
    UserError : the folder is missing, a file in it is no part of a detector, or one is not as it
        was written.
    """
    remedy = _INSTALL if BUNDLED in folder.parents else _AGAIN
    try:
        stored = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        settings, facts = dict(stored["settings"]), dict(stored["facts"])
        files = dict(stored["files"])
        written = stored.pop("sha256")
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise UserError("no trained detector here", file=folder, remedy=remedy) from error
    _check(folder / _FACTS, store.digest(stored), written, remedy)
    for name, expected in files.items():
        file = folder / name
        _check(file, _sha256(file) if file.is_file() else "no such file", expected, remedy)
    try:
        members = [_member(folder / name, int(settings["channels"])) for name in files]
    except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError("no trained detector here", file=folder, remedy=remedy) from error
    return members, settings, facts


def bundled(settings: DetectorSettings) -> Path | None:
    """Folder of the detector of these settings that comes with the package; None if none does."""
    folder = BUNDLED / settings.digest()
    return folder if folder.is_dir() else None


def _check(file: Path, found: str, expected: str, remedy: str) -> None:
    if found != expected:
        raise UserError(
            "a file of a trained detector is not as it was written",
            file=file,
            found=found if " " in found else f"SHA-256 {found}",
            expected=f"SHA-256 {expected}",
            remedy=remedy,
        )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _member(file: Path, channels: int) -> UNet:
    from vaescope.learned.network import UNet

    loaded = weights.load(file)
    assert loaded is not None
    state = loaded[0]
    model = UNet(channels, len(state["last.bias"]))
    model.load_state_dict(state)
    return model.eval()
