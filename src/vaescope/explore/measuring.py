"""Active measurement of a spectrum image: spectra one by one where they are worth most."""

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
    """As `vaescope.explore.run`."""
    raise NotImplementedError
