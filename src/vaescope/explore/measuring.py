"""Active measurement of a spectrum image: spectra one by one where they are worth most."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.explore import monitors, rivals, targets, world
from vaescope.explore.beliefs import Beliefs
from vaescope.explore.learner import Learner
from vaescope.explore.outcome import SEARCH

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.explore.job import SearchJob
    from vaescope.explore.settings import ExploreSettings
    from vaescope.explore.world import World

KEPT = 24
"""Numbers of spectra after which what is believed of all sites is kept."""


@dataclass(frozen=True)
class TargetValues:
    """What a measurement would give at every site.

    ``value`` (site,), NaN where there is none; ``parts`` : name -> (site,) the numbers of which it
    is the weighted sum. ``words``, ``unit`` : of the value. ``about`` : the parts in words, where
    there are several.
    """

    value: np.ndarray
    parts: dict[str, np.ndarray]
    words: str
    unit: str
    about: str = ""


def run(job: SearchJob) -> xr.Dataset:
    """As `vaescope.explore.run`: measure the target of a recipe at sites of a dataset.

    The model's content of all patches, ring spectra and the place of every site are known before
    any spectrum. Values of sites that were not yet measured are looked at only to say afterwards
    how far off predictions were. ``mean`` and ``sd`` are of what would be measured, noise included.
    """
    known = world.of_results(
        job.results.image,
        job.results.patches,
        job.results.latents(job.model),
        job.settings.describe,
    )
    if job.settings.deep_kernel:
        from vaescope.ensemble.members import load_members
        from vaescope.explore import tuned_encoder
        from vaescope.train.data import gather

        member = load_members(job.members)[0]
        data = gather(job.results.patches, member.settings, member.codec)
        known = replace(known, patches=tuned_encoder.patches(member, data))
    return search(known, job.settings, seed=job.seed, checkpoints=job.checkpoints, say=job.say)


def search(
    known: World,
    settings: ExploreSettings,
    *,
    seed: int = 0,
    checkpoints: Path,
    say: Callable[[str], None] = lambda text: None,
) -> xr.Dataset:
    """Measure in a world, as many spectra as are wanted; the Dataset of ``explore.zarr``.

    Parameters
    ----------
    known : the world. settings : the part `explore` of a recipe. seed : of all random choices.
    checkpoints : a folder; a search that was killed goes on from what it holds. say : takes a line
        of progress.

    Raises
    ------
    UserError : too few sites, or a target that nothing can be learned of.
    """
    learner = Learner(known, settings, seed, checkpoints)
    first = np.zeros(len(known), bool)
    first[learner.first] = True
    measured = measure(known, settings, first, seed)
    _check(measured.value[first])
    evaluations = min(settings.evaluations, len(known))
    wanted = np.geomspace(len(learner.first), evaluations, KEPT)
    kept = _ends_of_batches(wanted, len(learner.first), settings.batch)
    beliefs = Beliefs(checkpoints, kept)
    if any(count < learner.count and not beliefs.has(count) for count in kept):
        shutil.rmtree(checkpoints, ignore_errors=True)  # damaged: what was believed is lost
        learner = Learner(known, settings, seed, checkpoints)
    while True:
        count = learner.count
        if count in kept and not beliefs.has(count):
            beliefs.keep(count, *learner.believe())
            say(f"{count} of {evaluations} spectra measured")
        if count >= evaluations:
            break
        until = int(kept[np.searchsorted(kept, count, side="right")])
        new = learner.ask(min(settings.batch, until - count))
        if not len(new):
            break
        learner.tell(new, measured.value[new])
    courses = rivals.courses(known, settings, measured.value, kept, seed, checkpoints, say)
    return _dataset(known, settings, measured, learner, beliefs, courses)


def _ends_of_batches(wanted: np.ndarray, start: int, batch: int) -> np.ndarray:
    """The numbers of spectra nearest to some at which a batch ends; the last one stays."""
    ends = start + batch * ((wanted - start) / batch).round().astype(int)
    return np.unique(np.append(np.minimum(ends, round(wanted[-1])), round(wanted[-1])))


def measure(known: World, settings: ExploreSettings, first: np.ndarray, seed: int) -> TargetValues:
    """The target at every site.

    Components, and the units in which several numbers are added, are those of the spectra with
    which a measurement starts, ``first`` (site,) bool.
    """
    chosen = settings.target.parts()
    parts = {
        name: targets.values(known.spectra, known.axis, one, first, seed)
        for name, one in chosen.items()
    }
    said = {name: targets.words(one, known.axis_unit) for name, one in chosen.items()}
    if len(parts) == 1:
        ((name, value),) = parts.items()
        unit = targets.unit(chosen[name], known.signal_unit, known.axis_unit)
        return TargetValues(value, parts, said[name], unit)
    total = np.zeros(len(known))
    for name, value in parts.items():
        _check(value[first], name)
        spread = np.nanstd(value[first])
        total += chosen[name].weight * (value - np.nanmean(value[first])) / spread
    about = "; ".join(f"{name}, the {what}" for name, what in said.items())
    return TargetValues(total, parts, f"target {targets.sum_of(chosen)}", "1", about)


def _check(values: np.ndarray, part: str = "") -> None:
    finite = values[np.isfinite(values)]
    if len(finite) < 2 or np.ptp(finite) <= 1e-9 * np.abs(finite).max():
        raise UserError(
            f"nothing can be learned of {f'`{part}` of ' if part else ''}the target of `explore`",
            found=f"{len(finite)} finite values, all {finite[0]:g}"
            if len(finite) > 1
            else "one finite value"
            if len(finite)
            else "no finite value at all",
            expected=f"values that differ among the first {len(values)} spectra",
            remedy="Look at the spectra, choose another `target` or its `range`, or start with"
            " more spectra (`start`)",
        )


def _dataset(
    known: World,
    settings: ExploreSettings,
    measured: TargetValues,
    learner: Learner,
    beliefs: Beliefs,
    courses: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr

    kept, mean, sd = beliefs.all()
    points, values = learner.points, learner.values
    spread = float(np.nanstd(measured.value)) or 1.0
    own = [
        monitors.scores(m, s, measured.value, points[:k])
        for k, m, s in zip(kept, mean, sd, strict=True)
    ]
    runs = max(1, *(len(found) for found in courses.values())) if courses else 1
    names = [SEARCH, *courses]
    scored = np.full((2, len(names), runs, len(kept)), np.nan)
    scored[:, 0, 0] = np.array(own).T
    for row, found in enumerate(courses.values(), start=1):
        for number, one in enumerate(found):
            scored[:, row, number, : one.shape[1]] = one[:, : len(kept)]
    unit = {"units": measured.unit}
    site, words = "candidate", measured.words
    variables: dict[str, Any] = {
        "place": ((site, "axis"), known.place, {"long_name": "place of the site", "units": "px"}),
        "allowed": (site, np.ones(len(known), np.int8), _ALLOWED),
        "point": ("step", points, {"long_name": "site that was measured", "units": "1"}),
        "value": ("step", values, {"long_name": words, **unit}),
        "batch": ("step", _batches(len(points), len(learner.first), settings.batch), _BATCH),
        "mean": (("kept", site), mean, {"long_name": f"predicted {words}", **unit}),
        "sd": (("kept", site), sd, {"long_name": f"standard deviation of the {words}", **unit}),
        "band_factor": ("kept", beliefs.factors(), _FACTOR),
        "truth": (site, measured.value, {"long_name": f"measured {words}", **unit}),
        "rmse": (("strategy", "run", "kept"), scored[0] / spread, _RMSE),
        "inside": (("strategy", "run", "kept"), scored[1], _INSIDE),
    }
    if len(measured.parts) > 1:
        numbers = np.stack(list(measured.parts.values()))
        about = {"long_name": "numbers of which the target is the sum", "units": "1"}
        variables["part_truth"] = (("part", site), numbers, about)
    return xr.Dataset(
        variables,
        coords={"axis": ["y", "x"], "kept": kept, "strategy": names, "run": np.arange(runs)}
        | ({"part": list(measured.parts)} if len(measured.parts) > 1 else {}),
        attrs={
            "method": "active",
            "objective": words,
            "unit": measured.unit,
            "parts": measured.about,
            "stopped": f"the limit of {settings.evaluations} spectra"
            if len(points) >= settings.evaluations
            else "every site was measured",
            "features": ", ".join(known.described(settings.describe)),
            "acquisition": settings.acquisition or "variance",
            "image_from": known.image_from,
            "deep_kernel": learner.fallen,
        },
    )


def _batches(count: int, start: int, batch: int) -> np.ndarray:
    """(step,) number of the batch of every step; the start is the first one."""
    return np.maximum((np.arange(count) - start) // batch + 1, 0)


_ALLOWED = {"long_name": "can be measured", "units": "1"}
_BATCH = {"long_name": "batch in which the site was proposed", "units": "1"}
_FACTOR = {
    "long_name": "factor on standard deviations, from values that were left out",
    "units": "1",
}
_RMSE = {
    "long_name": "root mean square error where nothing was measured, over the standard deviation"
    " of the target",
    "units": "1",
}
_INSIDE = {"long_name": "share of what was not measured within 2 sd", "units": "1"}
