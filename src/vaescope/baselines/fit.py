"""Fit the classical methods: the Dataset of ``baselines.zarr``.

A method that fails is noted in it and costs nothing else.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.baselines.methods import METHODS
from vaescope.baselines.outcome import MethodResult
from vaescope.baselines.output import dataset_of
from vaescope.baselines.pixels import Pixels
from vaescope.baselines.seen import look
from vaescope.baselines.settings import BaselineSettings
from vaescope.errors import UserError
from vaescope.progress import track

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
    patches : the Dataset of ``samples.zarr``; ``settings`` say which of its views is seen.
    settings : the part `baselines` of a recipe (see ``baselines.settings``).
    disc : only pixels of patches inside the circle count, as for models that rotate patches.
    seed : of the random number generators.
    say : gets a line for each method.

    Returns
    -------
    The Dataset over ``baseline`` and ``site``: ``label`` (``NOISE``: in no cluster), ``embedding``
    (…, component) and ``pictures`` (baseline, picture, channel, py, px), NaN where there is none;
    of spectra ``spectra`` (baseline, picture, energy) in place of ``pictures``, and
    ``embedding_error`` (…, component) and ``residual`` (…) where a method has them;
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
    seen, why = None, ""
    try:
        seen, why = look(patches, asked, disc=disc, clusters=clusters, seed=seed, most=MOST)
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
    spectra = seen.spectra if seen is not None else "patch" not in patches
    dataset = dataset_of(patches, asked.methods, found, stability, disc=disc, spectra=spectra)
    dataset.attrs |= {
        "fitted_sites": 0 if seen is None else len(seen.rows),
        "components": 0 if seen is None else seen.components,
        "components_reason": why,
        "view": "spectrum" if spectra else "patch",
        "clusters": clusters,
        "disc": int(disc),
        "seed": seed,
    }
    dataset["failed"] = ("baseline", [int(name in failed) for name in asked.methods], _FAILED)
    dataset["note"] = ("baseline", [notes.get(name, "") for name in asked.methods], _NOTE)
    return dataset, seconds


def _fit(name: str, seen: Pixels) -> tuple[MethodResult, str]:
    """Fit one method, and collect its warnings in words."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = _answer(name, seen)
    parts = [found.label, found.embedding, found.pictures]
    if not all(np.isfinite(part).all() for part in parts if part is not None):
        raise ArithmeticError("its result holds values that are not numbers")
    note = "; ".join(part for part in (_in_words(warned), found.note) if part)
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


def _in_words(warned: Iterable[warnings.WarningMessage]) -> str:
    """Warnings of the libraries that matter to a reader."""
    words = []
    for warning in warned:
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
