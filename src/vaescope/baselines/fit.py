"""Fit the classical methods: the Dataset of ``baselines.zarr``.

A method that fails is noted in it and costs nothing else.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import columns
from vaescope.baselines.methods import METHODS, TRAITS
from vaescope.baselines.outcome import NOISE, MethodResult
from vaescope.baselines.pixels import Pixels, look, mask
from vaescope.baselines.settings import BaselineSettings
from vaescope.columns import carried
from vaescope.errors import UserError
from vaescope.progress import track
from vaescope.quantities import CLASSES, OTHER, attributes

if TYPE_CHECKING:
    import xarray as xr

MOST = 4000  # sites that are fitted; others are assigned by the fitted method
REFITS = 2  # to half of the sites each, to see which labels come back
_MOST_AGAIN = 1000  # sites of a refit
_FAILED = {
    "long_name": "whether the method failed",
    "flag_values": [0, 1],
    "flag_meanings": "fitted failed",
}
_NOTE = {"long_name": "what the method warned of, or why it failed"}


def run(
    patches: xr.Dataset,
    settings: Mapping[str, Any] | BaselineSettings | None = None,
    *,
    disc: bool = False,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[xr.Dataset, dict[str, float]]:
    """Fit every requested method.

    Parameters
    ----------
    patches : the Dataset of ``samples.zarr``.
    settings : the part `baselines` of a recipe (see ``baselines.settings``).
    disc : only pixels inside the circle count, as for models that rotate patches.
    seed : of the random number generators.
    say : gets a line for each method.

    Returns
    -------
    The Dataset over ``baseline`` and ``site``: ``label`` (``NOISE``: in no cluster), ``embedding``
    (…, component) and ``pictures`` (baseline, picture, channel, py, px), NaN where there is none;
    ``explained``, ``stability``, ``failed`` (0 or 1) and ``note``, in words, (baseline). And the
    seconds that each method took, which are no part of the result.

    Raises
    ------
    UserError : an unknown setting or method.
    """
    asked = BaselineSettings.of(settings)
    clusters = asked.clusters_for(classes=0)
    found: dict[str, MethodResult] = {}
    notes: dict[str, str] = {}
    stability: dict[str, float] = {}
    seconds: dict[str, float] = {}
    failed: list[str] = []
    seen = None
    try:
        seen = look(
            patches,
            disc=disc,
            components=asked.components,
            clusters=clusters,
            seed=seed,
            most=MOST,
        )
    except UserError as error:
        failed, notes = list(asked.methods), dict.fromkeys(asked.methods, str(error))
    methods = asked.methods
    for name in track("classical methods", methods, len(methods)):
        if seen is None:
            break
        began = time.perf_counter()
        try:
            found[name], notes[name] = _fit(name, seen)
            seconds[name] = time.perf_counter() - began
            stability[name] = _stability(name, seen, found[name].label)
        except Exception as error:  # one method's bad luck must not cost the others
            found.pop(name, None)
            failed.append(name)
            notes[name] = f"failed: {type(error).__name__}: {error}".split("\n")[0][:300]
        say(f"{METHODS[name].words}: {notes[name] or 'done'}")
    dataset = _dataset(patches, asked.methods, disc, found, stability)
    dataset.attrs |= {
        "fitted_sites": 0 if seen is None else len(seen.rows),
        "components": asked.components,
        "clusters": clusters,
        "disc": int(disc),
        "seed": seed,
    }
    dataset["failed"] = ("baseline", [int(name in failed) for name in asked.methods], _FAILED)
    dataset["note"] = ("baseline", [notes.get(name, "") for name in asked.methods], _NOTE)
    return dataset, seconds


def _fit(name: str, seen: Pixels) -> tuple[MethodResult, str]:
    """Fit one method, and collect its warnings in words."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = _answer(name, seen)
    parts = [found.label, found.embedding, found.pictures]
    if not all(np.isfinite(part).all() for part in parts if part is not None):
        raise ArithmeticError("its result holds values that are not numbers")
    note = _in_words(told)
    if not (found.label >= 0).any():
        note = f"{note}; it found no cluster" if note else "it found no cluster"
    return found, note


def _answer(name: str, seen: Pixels) -> MethodResult:
    """Fit a method on one thread: more of them would change sums, and wait for each other.

    UMAP's library sets the number of threads of all others, so it is set anew for every method.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return METHODS[name].fit(seen)


def _in_words(told: Iterable[warnings.WarningMessage]) -> str:
    """Warnings of the libraries that matter to a reader."""
    words = []
    for warning in told:
        text = str(warning.message)
        if warning.category.__name__ == "ConvergenceWarning":
            words.append("it did not converge")
        elif "connected components" in text:
            words.append("its graph of neighbours fell apart and was joined by shortest links")
    return "; ".join(dict.fromkeys(words))


def _stability(name: str, seen: Pixels, label: np.ndarray) -> float:
    """Mean adjusted Rand index of the labels and those of fits to half of the sites.

    NaN where the labels name one cluster only, which would come back from any fit.
    """
    from sklearn.metrics import adjusted_rand_score

    if len(np.unique(label)) < 2:
        return float("nan")
    rng = np.random.default_rng(seen.seed)
    scores = []
    for _ in range(REFITS):
        count = min(len(seen.rows) // 2, _MOST_AGAIN)
        rows = np.sort(rng.choice(seen.rows, count, replace=False))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = _answer(name, seen.only(rows)).label
        scores.append(adjusted_rand_score(label[rows], again))
    return float(np.mean(scores))


def _dataset(
    patches: xr.Dataset,
    names: list[str],
    disc: bool,
    found: dict[str, MethodResult],
    stability: dict[str, float],
) -> xr.Dataset:
    """Put all results into one Dataset, padded to the largest."""
    import xarray as xr

    sites = patches.sizes["site"]
    channels, height, width = (patches.sizes[axis] for axis in ("channel", "py", "px"))
    inside = mask(height, width, disc)
    wide = max([0, *(f.embedding.shape[1] for f in found.values() if f.embedding is not None)])
    deep = max([0, *(len(f.pictures) for f in found.values() if f.pictures is not None)])
    label = np.full((len(names), sites), NOISE, np.int32)
    place = np.full((len(names), sites, wide), np.nan, np.float32)
    picture = np.full((len(names), deep, channels, height, width), np.nan, np.float32)
    explained = np.full(len(names), np.nan)
    for row, name in enumerate(names):
        if name not in found:
            continue
        one = found[name]
        label[row] = one.label
        if one.embedding is not None:
            place[row, :, : one.embedding.shape[1]] = one.embedding
        if one.pictures is not None:
            shown = one.pictures.reshape(len(one.pictures), channels, -1)
            picture[row, : len(shown)][:, :, inside] = shown
        if one.explained is not None:
            explained[row] = one.explained
    steady = [stability.get(name, np.nan) for name in names]
    dataset = xr.Dataset(
        {
            "label": (("baseline", "site"), label, _of_label(int(label.max(initial=0)))),
            "embedding": (("baseline", "site", "component"), place, _PLACE),
            "pictures": (
                ("baseline", "picture", "channel", "py", "px"),
                picture,
                attributes("component, centre, unit or end member, normalised signal", "1"),
            ),
            "explained": ("baseline", explained, attributes("share of the pixels' variance", "1")),
            "stability": (
                "baseline",
                np.array(steady, float),
                attributes("adjusted Rand index of fits to half of the sites", "1"),
            ),
        },
        coords={
            "baseline": names,
            **{
                trait: ("baseline", np.array([getattr(METHODS[name], trait) for name in names]))
                for trait in TRAITS
            },
            "component": np.arange(1, wide + 1),
            "picture": np.arange(deep),
            **{axis: patches[axis].values for axis in ("site", "channel", "py", "px")},
        },
    )
    of_sites = columns.without_truth(patches).items()
    dataset = dataset.assign_coords({name: one for name, one in of_sites if name not in dataset})
    dataset.attrs = carried(patches.attrs)
    return dataset


_PLACE = attributes("place in the embedding", "1", "diverging", group=OTHER)


def _of_label(most: int) -> dict[str, Any]:
    """Attributes of labels from 0 to ``most``; ``NOISE`` is none of them."""
    clusters = [f"cluster {k}" for k in range(most + 1)]
    return attributes("cluster", "1", "categorical", meanings=clusters, group=CLASSES)
