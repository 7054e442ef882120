"""Search for the best candidate, or measure where most is learned: propose, evaluate, learn, stop.

The candidates are points of a latent space and their values those of a simulation (method ``bo``),
or the sites of a spectrum image and their values those of its spectra (method ``active``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
    checkpoints : a folder that outlives a killed job; it is removed when the search ends.
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
        checkpoints=checkpoints,
        say=say,
    )
