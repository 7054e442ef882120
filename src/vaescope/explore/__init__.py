"""Search for the best candidate, or measure where most is learned: propose, evaluate, learn, stop.

The candidates are points of a latent space and their values those of a simulation (method ``bo``),
or the sites of a spectrum image and their values those of its spectra (method ``active``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vaescope.explore.job import SearchJob

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SearchJob", "run"]


def run(job: SearchJob) -> xr.Dataset:
    """Run the search of a recipe to its end, from the last checkpoint if there is one.

    Returns
    -------
    Dataset of ``explore.zarr``.

    Raises
    ------
    UserError : there is nothing to search, or the objective cannot be computed.
    """
    from vaescope.explore import latent_search, measuring

    search = latent_search.run if job.settings.method == "bo" else measuring.run
    return search(job.with_own_checkpoints())
