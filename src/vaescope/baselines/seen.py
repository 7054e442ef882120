"""The view of the sites that classical methods see: patches or spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.baselines import subspace
from vaescope.baselines.pixels import FEWEST, Pixels, look_at_patches
from vaescope.baselines.rows import Block, Lazy
from vaescope.baselines.settings import BaselineSettings
from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

HELD = 2**28  # bytes of spectra that are held in memory
_BLOCKS = range(1, 17)  # sides of blocks over which counts may have been averaged
_MOST = 12  # components that are found by themselves; more is a sign of noise that is not known
_FEWEST = 2


def view_of(samples: xr.Dataset, settings: BaselineSettings) -> str:
    """`spectrum` or `patch`: the view that is set, or else spectra if there are any.

    Raises
    ------
    UserError : the samples do not have the view that is set.
    """
    here = [name for name in ("spectrum", "patch") if name in samples]
    if settings.view == "auto" and here:
        return here[0]
    if settings.view in here:
        return settings.view
    raise UserError(
        "the classical methods have no data",
        found=f"samples with {' and '.join(here) or 'no view'}",
        expected=f"`{settings.view}`" if settings.view != "auto" else "patches or spectra",
        remedy="Set `baselines: view: auto` in the recipe",
    )


def look(
    samples: xr.Dataset,
    settings: BaselineSettings,
    *,
    disc: bool,
    clusters: int,
    seed: int,
    most: int,
) -> tuple[Pixels, str]:
    """Rows of the view that methods see, and why there are so many components.

    Raises
    ------
    UserError : too few sites, sites that do not differ, or a view that is not there.
    """
    if view_of(samples, settings) == "patch":
        count = 4 if settings.components == "auto" else settings.components
        why = "" if settings.components != "auto" else "4 for patches"
        seen = look_at_patches(
            samples, disc=disc, components=count, clusters=clusters, seed=seed, most=most
        )
        return seen, why
    values, counts = _values(samples)
    if len(values) < FEWEST:
        raise UserError(
            "there are too few spectra for any method",
            found=f"{len(values)}",
            expected=f"{FEWEST} or more",
        )
    mean = subspace.mean_of(lambda some: np.asarray(values[some]), len(values))
    scale = subspace.channel_scale(mean, counts=counts)
    some = subspace.drawn(lambda part: np.asarray(values[part]), len(values), seed)
    if not np.isfinite(some).all() or not np.isfinite(mean).all():
        raise UserError("some spectra hold values that are not numbers")
    if some.var(0).max() <= 1e-12 * max(float(np.abs(some).max()) ** 2, 1e-300):
        raise UserError("the spectra do not differ from each other")
    count, why = _components(some, scale, settings, counts=counts, seed=seed)
    rows = np.arange(len(values))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    seen = Pixels(
        values,
        rows,
        count,
        clusters,
        seed,
        spectra=True,
        scale=scale,
        average=mean,
        counts=counts,
        corners=settings.corners,
        shares=settings.shares,
    )
    return seen, why


def energies(samples: xr.Dataset) -> np.ndarray:
    """(energy,) bool: the channels that hold a number in any of the spectra that are drawn."""
    spectrum = samples["spectrum"]
    step = max(spectrum.sizes["site"] // 256, 1)
    drawn = np.asarray(spectrum[::step].values)
    return np.asarray(np.isfinite(drawn).any(0))


def _values(samples: xr.Dataset) -> tuple[Block, bool]:
    """The recorded signal (site, channel), and whether its noise is that of counts."""
    spectrum = samples["spectrum"].transpose("site", "energy")
    factor = 1.0
    if "spectrum_scale" in samples and samples.sizes["site"]:
        factor = float(samples["spectrum_scale"][0])
    kept = energies(samples)
    if not kept.any():
        raise UserError("no spectrum holds a number")
    step = max(spectrum.sizes["site"] // 64, 1)
    counts, unit = bool(samples.attrs.get("spectra_counts", 0)), 1.0
    if counts:
        unit = _unit(np.asarray(spectrum[::step].values)[:, kept] * factor)
        counts = unit > 0
    rows = Lazy(spectrum.data, factor * (unit or 1.0), kept)
    small = 4 * rows.shape[0] * rows.shape[1] <= HELD
    return (rows[slice(None)] if small else rows), counts


def _unit(drawn: np.ndarray) -> float:
    """What makes whole numbers of counts that were averaged over blocks of pixels; 0: nothing."""
    finite = drawn[np.isfinite(drawn)]
    largest = float(np.abs(finite).max(initial=0))
    if not largest > 0 or finite.min() < -0.5:
        return 0.0
    for side in _BLOCKS:
        whole = finite * side**2
        slack = max(0.02, 4e-7 * float(whole.max()))  # what float32 keeps of a quotient
        if slack < 0.2 and np.abs(whole - np.rint(whole)).max() < slack:
            return float(side**2)
    return 0.0


def _components(
    some: np.ndarray, scale: np.ndarray, settings: BaselineSettings, *, counts: bool, seed: int
) -> tuple[int, str]:
    """The number of components, and why."""
    if settings.components != "auto":
        return settings.components, ""
    found = 1 + subspace.significant(some, scale, _MOST, counts=counts, seed=seed)
    count = int(np.clip(found, _FEWEST, _MOST))
    noise = "Poisson noise" if counts else "uncorrelated noise of the size of the residuals"
    why = f"{count} components: {found - 1} directions about the mean exceed {noise}"
    if found > _MOST:
        why = (
            f"{count} components, the most that are looked for: the noise is larger or more"
            f" correlated than {noise}. Set `baselines: components`"
        )
    elif found < _FEWEST:
        why = f"{count} components, the fewest possible: no direction exceeds {noise}"
    return count, why
