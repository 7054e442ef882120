"""What a search of a dataset starts from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vaescope import store
from vaescope.results import layout

if TYPE_CHECKING:
    from vaescope.explore.settings import ExploreSettings
    from vaescope.results import Results


@dataclass(frozen=True)
class SearchJob:
    """A search in the results of a dataset.

    ``results`` : of the dataset: image, sites, samples, latents of the model. ``settings`` : of the
    recipe; ``method`` is not None. ``model`` : name of the model whose latent space is searched, or
    whose content describes sites; ``members`` : folder of its trained members. ``seed`` : of all
    random numbers. ``checkpoints`` : a folder that outlives a killed job. ``say`` : takes a line of
    progress.
    """

    results: Results
    settings: ExploreSettings
    model: str
    members: Path
    seed: int
    checkpoints: Path
    say: Callable[[str], None]

    def with_own_checkpoints(self) -> SearchJob:
        """The same with a folder of checkpoints that no other search has used; what is there of
        others is removed."""
        digest = self._digest()
        for other in self.checkpoints.glob("*"):
            if other.name != digest:
                shutil.rmtree(other, ignore_errors=True)
        own = self.checkpoints / digest
        own.mkdir(parents=True, exist_ok=True)
        return replace(self, checkpoints=own)

    def _digest(self) -> str:
        """Changes with anything that a search depends on: its settings, its inputs, the code."""
        own = [Path(file) for file in self.settings.own_files()]
        names = (layout.IMAGE, layout.SITES, layout.SAMPLES, layout.LATENTS)
        stores = [self.results.path(name, self.model) for name in names]
        files = sorted(file for folder in (*stores, self.members) for file in folder.rglob("*"))
        states = [
            (str(file), file.stat().st_size, file.stat().st_mtime_ns)
            for file in files
            if file.is_file()
        ]
        facts = {"settings": self.settings.as_dict(), "model": self.model, "seed": self.seed}
        facts |= {"files": states, "own": [store.digest(file.read_bytes().hex()) for file in own]}
        return store.digest(facts | {"code": store.code_version()})[:16]
