"""Search for the best candidate, or measure where most is learned: propose, evaluate, learn, stop.

The candidates are points of a latent space and their values those of a simulation (method ``bo``),
or the sites of a spectrum image and their values those of its spectra (method ``active``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vaescope import store
from vaescope.results import layout

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.explore.settings import ExploreSettings
    from vaescope.results import Results


def run(
    results: Results,
    settings: ExploreSettings,
    *,
    model: str,
    members: Path,
    seed: int,
    checkpoints: Path,
    say: Callable[[str], None],
) -> xr.Dataset:
    """Run the search of a recipe to its end, from the last checkpoint if there is one.

    Parameters
    ----------
    results : of the dataset: image, sites, samples, latents of the model.
    settings : of the recipe; ``method`` is not None.
    model : name of the model whose latent space is searched, or whose content describes sites.
    members : folder of its trained members.
    seed : of all random numbers.
    checkpoints : a folder that outlives a killed job; what is in it of another search is removed.
    say : takes a line of progress.

    Returns
    -------
    Dataset of ``explore.zarr``.

    Raises
    ------
    UserError : there is nothing to search, or the objective cannot be computed.
    """
    from vaescope.explore import latent_search, measuring

    search = latent_search.run if settings.method == "bo" else measuring.run
    return search(
        results,
        settings,
        model=model,
        members=members,
        seed=seed,
        checkpoints=_of_this(checkpoints, _digest(results, settings, model, members, seed)),
        say=say,
    )


def _of_this(checkpoints: Path, digest: str) -> Path:
    """The folder of the checkpoints of one search, alone among them."""
    for other in checkpoints.glob("*"):
        if other.name != digest:
            shutil.rmtree(other, ignore_errors=True)
    own = checkpoints / digest
    own.mkdir(parents=True, exist_ok=True)
    return own


def _digest(
    results: Results, settings: ExploreSettings, model: str, members: Path, seed: int
) -> str:
    """Changes with anything that a search depends on: its settings, its inputs, the code."""
    own = [Path(file) for file in settings.own_files()]
    names = (layout.IMAGE, layout.SITES, layout.SAMPLES, layout.LATENTS)
    stores = [results.path(name, model) for name in names]
    files = sorted(file for folder in (*stores, members) for file in folder.rglob("*"))
    states = [
        (str(file.relative_to(results.folder)), file.stat().st_size, file.stat().st_mtime_ns)
        for file in files
        if file.is_file()
    ]
    facts = {"settings": settings.as_dict(), "model": model, "seed": seed, "files": states}
    facts |= {"code": store.code_version(), "own": [file.read_text("utf-8") for file in own]}
    return store.digest(facts)[:16]
