"""What others come to with as many spectra: at random, line by line, and by other models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore import monitors, world
from vaescope.explore.checkpoints import arrays_of, keep_arrays
from vaescope.explore.explorer import Explorer
from vaescope.explore.outcome import RANDOM

if TYPE_CHECKING:
    from vaescope.explore.settings import ExploreSettings
    from vaescope.explore.world import World

RASTER = "raster"
PLACE_ALONE = "random, by place alone"


def courses(
    known: World,
    settings: ExploreSettings,
    value: np.ndarray,
    kept: np.ndarray,
    seed: int,
    checkpoints: Path,
    say: Callable[[str], None],
) -> dict[str, list[np.ndarray]]:
    """Errors and coverage of other strategies, with as many spectra each.

    Parameters
    ----------
    value : (site,) of the target. kept : (k,) numbers of spectra. checkpoints : a folder in which
        each finished run is kept.

    Returns
    -------
    Strategy -> by run, (2, k) : root mean square error in the unit of the target, and share of what
    was not measured within two standard deviations. ``random`` and ``raster`` have the model of the
    search without a deep kernel; ``random, by place alone`` has one of (y, x). Patches of a stack,
    which have no place, are taken at random alone.
    """
    if not settings.repeats:
        return {}
    place = {"place": known.place}
    plans = {RANDOM: known.descriptions}
    if known.mapped:
        plans[RASTER] = known.descriptions
        if set(known.descriptions) != {"place"}:
            plans[PLACE_ALONE] = place
    found: dict[str, list[np.ndarray]] = {}
    for name, descriptions in plans.items():
        found[name] = []
        for number in range(1 if name == RASTER else settings.repeats):
            file = checkpoints / f"{name.replace(', ', '-').replace(' ', '-')}-{number}.npy"
            held = arrays_of(file)
            if held is None:
                order = known.raster()
                if name != RASTER:
                    order = np.random.default_rng([seed, number]).permutation(len(known))
                made = _course(descriptions, order, value, kept)
                keep_arrays(file, values=made)
                held = {"values": made}
            found[name].append(held["values"])
        say(f"{name}: as many spectra, {len(found[name])} times")
    return found


def _course(
    descriptions: dict[str, np.ndarray], order: np.ndarray, value: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    scored = np.full((2, len(kept)), np.nan)
    combine = "sum" if len(descriptions) > 1 else "choose"
    explorer = Explorer(
        descriptions,
        combine=combine,  # type: ignore[arg-type]
        isotropic=[name for name in world.ISOTROPIC if name in descriptions],
        transform="none",
    )
    done = 0
    for column, count in enumerate(kept):
        explorer.tell(order[done:count], value[order[done:count]])
        done = int(count)
        known = explorer.values[np.isfinite(explorer.values)]
        if len(known) < 2 or not np.ptp(known):
            continue
        mean, sd = explorer.predict(measured=True)
        sd = sd * monitors.band_factor(explorer.left_out(), 2 * len(descriptions) + 2)
        scored[:, column] = monitors.scores(mean, sd, value, order[:count])
    return scored
