"""One image through sites, patches, training and latents, without the workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from vaescope import ensemble, recipes, samples, sites, train


def analysed(
    image: xr.Dataset,
    recipe: recipes.Recipe,
    settings: dict[str, Any],
    *,
    members: int,
    seed: int,
    name: str,
    folder: Path,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Sites, patches and latents of an image by a model of the settings, called ``name``; its
    members are left in ``folder``."""
    found = sites.find(image, recipe.sites)
    cut = samples.extract(image, found, recipe.patches).load()
    train.fit(
        cut,
        settings,
        members=range(members),
        seed=seed,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        log=lambda _: None,
    )
    return found, cut, ensemble.map_latents(folder / "members", cut, name=name).load()
