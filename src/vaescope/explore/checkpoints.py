"""A search on disk: what it came to so far, so that a killed job goes on where it stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from vaescope import store
from vaescope.explore.explorer import Explorer

_OF = "search.json"
_EXPLORER = "explorer.safetensors"


class Checkpoints:
    """The files of one search.

    Parameters
    ----------
    folder : of theirs alone. digest : of all that the search depends on; files of another search
        are removed.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.folder = folder
        held: dict[str, Any] = {}
        if (folder / _OF).exists():
            held = json.loads((folder / _OF).read_text(encoding="utf-8"))
        if held.get("digest") != digest:
            shutil.rmtree(folder, ignore_errors=True)
            store.write_text(json.dumps({"digest": digest}), folder / _OF)

    def explorer(self) -> Explorer | None:
        """The explorer as it was after the last evaluation."""
        file = self.folder / _EXPLORER
        return Explorer.load(file) if file.exists() else None

    def keep(self, explorer: Explorer) -> None:
        """Keep the explorer."""
        explorer.save(self.folder / _EXPLORER)

    def array(self, name: str) -> np.ndarray | None:
        """An array that was kept under a name."""
        file = self.folder / f"{name}.npy"
        return np.load(file, allow_pickle=False) if file.exists() else None

    def keep_array(self, name: str, values: np.ndarray) -> None:
        """Keep an array under a name."""
        with (
            store.replace_atomically(self.folder / f"{name}.npy") as beside,
            beside.open("wb") as file,
        ):
            np.save(file, values, allow_pickle=False)
