"""A search on disk: what it came to so far, so that a killed job goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from vaescope import store
from vaescope.errors import UserError
from vaescope.explore.explorer import Explorer

_OF = "search.json"
_EXPLORER = "explorer.safetensors"


def arrays_of(file: Path) -> dict[str, np.ndarray] | None:
    """The arrays of an ``npz`` file by name, or that of an ``npy`` file under ``values``; None
    where there is no such file or, damaged, it cannot be read: it is removed then."""
    try:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"values": found}
        with found:
            return {name: found[name] for name in found.files}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error):
        file.unlink(missing_ok=True)
        return None


def keep_arrays(file: Path, **arrays: np.ndarray | float) -> None:
    """Write what ``arrays_of`` reads: arrays by name into an ``npz`` file, or ``values`` alone into
    an ``npy`` file. A kill leaves the file whole or as it was."""
    with store.replace_atomically(file) as beside, beside.open("wb") as opened:
        if file.suffix == ".npy":
            np.save(opened, arrays["values"], allow_pickle=False)
        else:
            np.savez(opened, allow_pickle=False, **arrays)  # type: ignore[arg-type]


class Checkpoints:
    """The files of one search.

    Parameters
    ----------
    folder : of theirs alone. digest : of all that the search depends on; files of another search
        are removed.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.folder, self.digest = folder, digest
        held: Any = None
        with suppress(OSError, ValueError):
            held = json.loads((folder / _OF).read_text(encoding="utf-8"))
        if held != {"digest": digest}:
            self._start_over()

    def _start_over(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        store.write_text(json.dumps({"digest": self.digest}), self.folder / _OF)

    def explorer(self) -> Explorer | None:
        """The explorer as it was after the last evaluation; None, and no file of the search any
        more, where it cannot be read."""
        file = self.folder / _EXPLORER
        if not file.exists():
            return None
        try:
            return Explorer.load(file)
        except UserError:
            self._start_over()
            return None

    def keep(self, explorer: Explorer) -> None:
        """Keep the explorer."""
        explorer.save(self.folder / _EXPLORER)

    def array(self, name: str) -> np.ndarray | None:
        """An array that was kept under a name, where it can be read."""
        found = arrays_of(self.folder / f"{name}.npy")
        return None if found is None else found["values"]

    def keep_array(self, name: str, values: np.ndarray) -> None:
        """Keep an array under a name."""
        keep_arrays(self.folder / f"{name}.npy", values=values)
