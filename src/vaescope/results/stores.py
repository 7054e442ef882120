"""The folder of one dataset, opened in one place: each store once, when it is first asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vaescope import store
from vaescope.columns import with_edge
from vaescope.errors import UserError
from vaescope.results import facts, layout
from vaescope.results.facts import Judgement
from vaescope.results.model import ModelResults
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_LARGE = frozenset({"reconstruction"})
"""Variables of ``latents.zarr`` that stay on disk until they are drawn."""
_RENAMED = {
    f"truth_{name}": f"truth_{name}_from_reference" for name in ("strain", "rotation")
}  # of ``strain.zarr``, as versions before 0.1.0 wrote them


class Results:
    """The results of one dataset.

    Readers raise ``UserError`` where a store is missing or half-written; those of results that only
    some datasets have give ``None`` instead.

    Parameters
    ----------
    folder : ``results/DATASET``.
    declared : the inputs of a job. What is not among them counts as not there, so that a job reads
        nothing which its rule does not name. None: all that is there.
    """

    def __init__(
        self, folder: str | os.PathLike, declared: Iterable[str | os.PathLike] | None = None
    ) -> None:
        self.folder = Path(folder)
        self._declared = None if declared is None else {Path(path) for path in declared}

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self.folder.name

    def path(self, name: str, model: str = "") -> Path:
        """Find the place of something that ``layout`` names."""
        return self.folder / name.format(model=model)

    def has(self, name: str, model: str = "") -> bool:
        """Whether something that ``layout`` names is there, and declared by the job."""
        path = self.path(name, model)
        return self._may_read(path) and path.exists()

    @cached_property
    def image(self) -> xr.Dataset:
        """All frames and channels, not loaded."""
        return self._open(layout.IMAGE)

    @cached_property
    def sites(self) -> xr.Dataset:
        """The sites of all frames, with which of them are too near the edge for a patch."""
        import numpy as np

        sites = self._open(layout.SITES).load()
        if "site" not in sites.coords:
            sites = sites.assign_coords(site=np.arange(sites.sizes["site"]))
        return with_edge(sites, self.patches) if self.has(layout.SAMPLES) else sites

    @cached_property
    def patches(self) -> xr.Dataset:
        """The patches around sites, not loaded."""
        return self._open(layout.SAMPLES)

    @property
    def stack(self) -> bool:
        """Whether every frame is a patch of its own, so that there is no image to map on."""
        return not traits_of(self.sites.attrs).placed

    def mapped(self, models: Iterable[str]) -> list[str]:
        """Those of some models that have maps: none where the dataset has no site."""
        return list(models) if self.sites.sizes["site"] else []

    def latents(self, model: str) -> xr.Dataset:
        """Open the latent maps of a model, not loaded."""
        latents = self._open(layout.LATENTS, model)
        if "site" not in latents.coords:
            latents = latents.assign_coords(site=self.patches["site"].values)
        return latents

    def history(self, model: str) -> pd.DataFrame:
        """Read the course of a training; an empty table where it was not written."""
        import pandas as pd

        try:
            return pd.read_csv(self._allowed(self.path(layout.HISTORY, model)))
        except (OSError, ValueError):
            return pd.DataFrame()

    def scores(self, model: str) -> dict[str, float]:
        """Read the scores of a model as they were computed; of old results, from its store."""
        try:
            return json.loads(self._allowed(self.path(layout.SCORES, model)).read_text("utf-8"))
        except (OSError, ValueError):
            return store.json_attribute(self._open(layout.LATENTS, model), "scores", {})

    def movie(self, model: str) -> xr.Dataset | None:
        """Load what became of the atoms of a movie; None where none were tracked."""
        if not (self.has(layout.MOVIE, model) and self.path(layout.MOVIE_STORE, model).is_dir()):
            return None
        found = store.open(self.path(layout.MOVIE_STORE, model))
        return found.load() if "track" in found.variables else None

    def model(self, name: str, frame: int | None = None) -> ModelResults:
        """Load the maps of a model, all but its pictures, for the sites of one frame or of all."""
        latents = self.latents(name)
        small = [key for key in latents.data_vars if key not in _LARGE]
        latents = latents.assign(latents[small].load())
        return ModelResults(name, latents, self.path(layout.HISTORY, name), frame, self.movie(name))

    @cached_property
    def strain(self) -> xr.Dataset | None:
        """The map of strain, where there is one of these sites and they stand on a lattice."""
        if not self.has(layout.STRAIN) or not self.sites.sizes["site"]:
            return None
        strain = self._open(layout.STRAIN).load()
        strain = strain.rename({old: new for old, new in _RENAMED.items() if old in strain})
        same = strain.sizes.get("site") == self.sites.sizes["site"]
        return strain if strain.attrs.get("ordered") and same else None

    @cached_property
    def walls(self) -> xr.Dataset | None:
        """What domain walls do, where sites lie on them."""
        return self._open(layout.WALLS).load() if self.has(layout.WALLS) else None

    @cached_property
    def explored(self) -> xr.Dataset | None:
        """What a search proposed, measured and believed, where the recipe has one; not loaded."""
        if not self.has(layout.EXPLORED) or not self.sites.sizes["site"]:
            return None
        return self._open(layout.EXPLORED)

    @cached_property
    def baselines(self) -> xr.Dataset | None:
        """The classical methods, where the recipe has them."""
        if not self.has(layout.BASELINES):
            return None
        if self.has(layout.SAMPLES) and not self.patches.sizes["site"]:
            return None
        fitted = self._open(layout.BASELINES).load()
        if "note" in fitted:
            return fitted
        # Earlier versions held these as JSON.
        failed = store.json_attribute(fitted, "failed", [])
        notes = store.json_attribute(fitted, "notes", {})
        names = fitted["baseline"].values.astype(str).tolist()
        return fitted.assign(
            failed=("baseline", [int(name in failed) for name in names]),
            note=("baseline", [str(notes.get(name, "")) for name in names]),
        )

    @cached_property
    def facts(self) -> Judgement:
        """The judgement of the dataset.

        Raises
        ------
        UserError : it was not judged, or by an earlier version of vaescope.
        """
        found = facts.read(self._allowed(self.path(layout.FACTS)))
        if found is None:
            raise UserError(
                "the scores and findings of this dataset are missing or of an earlier version",
                file=self.path(layout.FACTS),
                remedy="Run the workflow again; its rule `judge` writes them",
            )
        return found

    def _open(self, name: str, model: str = "") -> xr.Dataset:
        return store.open(self._allowed(self.path(name, model)))

    def _may_read(self, path: Path) -> bool:
        return self._declared is None or path in self._declared

    def _allowed(self, path: Path) -> Path:
        if not self._may_read(path):
            raise AssertionError(
                f"{path} is read by a job whose rule does not declare it as an input"
            )
        return path
