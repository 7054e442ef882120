"""Compare all methods, classical ones and models, with and without ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from vaescope import baselines
from vaescope.baselines.fit import MOST
from vaescope.baselines.methods import TRAITS, Method
from vaescope.baselines.pixels import mask
from vaescope.baselines.rows import explained
from vaescope.scores.ground_truth import Angle, angle_of, main_truth, truths
from vaescope.scores.labelled import FOLDS, by_neighbours
from vaescope.scores.truth import matched_accuracy
from vaescope.sites.neighbours import neighbours
from vaescope.traits import traits_of

_HARMONICS = 3  # of the angle that a component may follow
_RESTARTS = 10
MOST_VOTED = 10_000
"""Sites among which neighbours vote: with all of very many it would take hours."""


@dataclass
class Entry:
    """One method or model in the comparison.

    ``label`` (site,), -1: none. ``embedding`` (site, component) or None. ``own_labels``: whether
    the labels are the method's own, not k-means on its embedding. ``signed`` : its pictures have
    both signs; ``on_grid`` : its embedding are units of a square map, its pictures these units.
    """

    name: str
    title: str
    is_model: bool
    label: np.ndarray
    embedding: np.ndarray | None
    own_labels: bool
    stability: float
    explained: float
    note: str = ""
    failed: bool = False
    signed: bool = False
    on_grid: bool = False


def entries(found: xr.Dataset, models: Mapping[str, xr.Dataset]) -> list[Entry]:
    """List the models first, then the classical methods in their order.

    Parameters
    ----------
    found : the Dataset of ``baselines.zarr``, as ``Results.baselines`` opens it.
    models : the Dataset of ``latents.zarr`` by name of the model.
    """
    made = [_model(name, latents, found) for name, latents in models.items()]
    for name in map(str, found["baseline"].values):
        one = found.sel(baseline=name)
        method = _method(name, one)
        place = one["embedding"].values
        place = place[:, np.isfinite(place).all(0)] if len(place) else place
        made.append(
            Entry(
                name,
                method.words,
                False,
                one["label"].values,
                place if place.shape[1] else None,
                method.own_labels,
                float(one["stability"]),
                float(one["explained"]),
                str(one["note"].values),
                bool(one["failed"]),
                method.signed,
                method.on_grid,
            )
        )
    return made


def _method(name: str, one: xr.Dataset) -> Method:
    """A method as its results say what it is; those of earlier versions have its name alone."""
    said: dict[str, Any] = {trait: bool(one[trait]) for trait in TRAITS if trait in one.coords}
    return replace(baselines.METHODS[name], **said)


def _model(name: str, latents: xr.Dataset, found: xr.Dataset) -> Entry:
    from sklearn.metrics import adjusted_rand_score

    content = latents["consensus_content"].transpose("site", "latent").values
    retained = [int(k) for k in latents.attrs.get("members_kept", [])]
    retained = retained or latents["member"].values.tolist()
    own = "consensus_class" in latents
    if own:
        label = latents["consensus_class"].values.astype(int)
        voted = latents.get("class_probability")
        members = [] if voted is None else [voted.sel(member=k).values.argmax(1) for k in retained]
    else:
        count, seed = int(found.attrs["clusters"]), int(found.attrs["seed"])
        label = _clustered(content, count, seed)
        seen = latents["content"].transpose("member", "site", "latent")
        members = [_clustered(seen.sel(member=k).values, count, seed) for k in retained]
    pairs = list(combinations(members, 2))
    stable = np.mean([adjusted_rand_score(*pair) for pair in pairs]) if pairs else np.nan
    return Entry(
        name,
        str(latents.attrs.get("label") or name),
        True,
        label,
        content,
        own,
        float(stable) if len(np.unique(label)) > 1 else float("nan"),
        float("nan"),
    )


def _clustered(content: np.ndarray, count: int, seed: int) -> np.ndarray:
    """K-means on the latents, as on the embeddings of the classical methods."""
    from sklearn.cluster import KMeans

    fitted = _some(content, MOST, seed)
    count = min(count, len(np.unique(fitted.round(9), axis=0)))
    return KMeans(count, n_init=_RESTARTS, random_state=seed).fit(fitted).predict(content)


def _some(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Choose at most ``most`` rows at random, in their order."""
    if len(rows) <= most:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def reconstructed(latents: xr.Dataset, patches: xr.Dataset, disc: bool) -> float:
    """Compute the share of the pixels' variance that a reconstruction explains.

    NaN where the target of the model is not the patch itself.
    """
    made = latents.get("reconstruction")
    if (
        "patch" not in patches
        or made is None
        or latents.attrs.get("target")
        or made.shape != patches["patch"].shape
    ):
        return float("nan")
    inside = mask(made.shape[2], made.shape[3], disc)

    def pixels(array: xr.DataArray, some: slice) -> np.ndarray:
        shown = np.asarray(array.isel(site=some).values)[:, :, inside]
        return shown.reshape(len(shown), -1)

    return explained(len(made), partial(pixels, patches["patch"]), partial(pixels, made))


def neighbours_of(patches: xr.Dataset) -> np.ndarray | None:
    """Indices (site, neighbour) of the sites beside each in the image; None for stacks."""
    if not traits_of(patches.attrs).placed:
        return None
    frame, y, x = (patches[name].values for name in ("frame", "y", "x"))
    return neighbours(frame, np.stack([y, x], axis=1).astype(float))


def scores(
    entry: Entry,
    categories: Mapping[str, np.ndarray],
    neighbours: np.ndarray | None,
    angle: Angle | None,
) -> dict[str, float]:
    """Compute one row of the comparison; NaN where a score is undefined.

    ``ari_TRUTH`` and ``accuracy`` of labels, ``knn_TRUTH`` of the embedding, ``stability``,
    ``coherence``, ``moran``, ``angle_share``, ``explained``.
    """
    nothing = float("nan")
    out: dict[str, float] = {}
    for name, category in categories.items():
        out[f"knn_{name}"] = knn(entry, category)
        out[f"ari_{name}"] = ari(entry, category)
    main = main_truth(categories)
    if main is not None:
        has_truth = main >= 0
        out["accuracy"] = (
            nothing if entry.failed else accuracy(entry.label[has_truth], main[has_truth])
        )
    out["stability"] = entry.stability
    if neighbours is not None:
        out["coherence"] = nothing if entry.failed else coherence(entry.label, neighbours)
        out["moran"] = nothing if entry.embedding is None else moran(entry.embedding, neighbours)
    if angle is not None:
        out["angle_share"] = (
            nothing if entry.embedding is None else angle_share(entry.embedding, angle, main)
        )
    out["explained"] = entry.explained
    return out


def accuracy(label: np.ndarray, category: np.ndarray) -> float:
    """Share of sites whose label is right after the best one-to-one naming of labels; those in no
    cluster are wrong."""
    inside = label >= 0
    if not inside.any():
        return 0.0
    return matched_accuracy(label[inside], category[inside]) * float(inside.mean())


def ari(entry: Entry, category: np.ndarray) -> float:
    """Adjusted Rand index of the labels against true categories, -1 where unknown."""
    from sklearn.metrics import adjusted_rand_score

    has_truth = category >= 0
    return (
        float("nan")
        if entry.failed
        else float(adjusted_rand_score(category[has_truth], entry.label[has_truth]))
    )


def knn(entry: Entry, category: np.ndarray) -> float:
    """Classify sites by a vote of their neighbours in the embedding: the share that is right.

    At most ``MOST_VOTED`` sites vote; NaN without an embedding.
    """
    if entry.embedding is None:
        return float("nan")
    used = _some(np.flatnonzero(category >= 0), MOST_VOTED, 0)
    # Kinds too rare for cross-validation are left out.
    used = used[np.bincount(category[used])[category[used]] >= FOLDS]
    if len(np.unique(category[used])) < 2:
        return float("nan")
    return by_neighbours(entry.embedding[used], category[used])


def coherence(label: np.ndarray, neighbours: np.ndarray) -> float:
    """Measure how often neighbouring sites share a label: 0 as by chance, 1 always.

    Parameters
    ----------
    label : (site,). neighbours : (site, neighbour) indices.

    Source: Cohen's kappa (Educ. Psychol. Meas. 20 (1960) 37) of a site and its neighbours.
    """
    _, index, counts = np.unique(label, return_inverse=True, return_counts=True)
    chance = float(((counts / len(label)) ** 2).sum())
    if chance >= 1:
        return float("nan")
    return (float((index[neighbours] == index[:, None]).mean()) - chance) / (1 - chance)


def moran(embedding: np.ndarray, neighbours: np.ndarray) -> float:
    """Moran's I over the neighbour graph, averaged over components by their variance.

    Source: P. A. P. Moran, Biometrika 37 (1950) 17.
    """
    centred = embedding - embedding.mean(0)
    total = float((centred**2).sum())
    return float((centred * centred[neighbours].mean(1)).sum()) / total if total > 0 else 0.0


def angle_share(embedding: np.ndarray, angle: Angle, category: np.ndarray | None = None) -> float:
    """Share of an embedding's variance that follows the angle.

    Every component is fitted by the first harmonics of the angle, within each kind where kinds are
    known, and the number of terms is allowed for (adjusted R²). Near 1: the embedding is little
    but the angle; 0: it does not know the angle.

    Parameters
    ----------
    embedding : (site, component). kind : (site,), -1 where not known, or None.

    Source: circular-linear regression, K. V. Mardia and P. E. Jupp, Directional Statistics (2000),
    section 11.2.
    """
    use = np.isfinite(angle.value)
    if category is not None:
        use &= category >= 0
    if use.sum() < 2:
        return float("nan")
    place, turn = embedding[use].astype(float), angle.value[use] * angle.symmetry
    group = np.zeros(len(place), int) if category is None else category[use]
    order = np.arange(1, _HARMONICS + 1)
    terms = np.concatenate([np.cos(turn[:, None] * order), np.sin(turn[:, None] * order)], axis=1)
    total = float(((place - place.mean(0)) ** 2).sum())
    followed = 0.0
    for one in np.unique(group):
        here = group == one
        free = int(here.sum()) - terms.shape[1] - 1
        if free < 1:
            continue
        apart = place[here] - place[here].mean(0)
        design = terms[here] - terms[here].mean(0)
        left = apart - design @ np.linalg.lstsq(design, apart, rcond=None)[0]
        within = float((apart**2).sum())
        followed += within - float((left**2).sum()) * (int(here.sum()) - 1) / free
    return float(np.clip(followed / total, 0, 1)) if total > 0 else 0.0


def matched_labels(label: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Labels renamed to those of a reference that they share most sites with, so that they can be
    coloured alike; what has no partner gets names beyond the reference's. -1 stays."""
    names, wanted = np.unique(label[label >= 0]), np.unique(reference[reference >= 0])
    table = np.array([[((label == a) & (reference == b)).sum() for b in wanted] for a in names])
    out = np.full(len(label), -1)
    if not len(names):
        return out
    partner: dict[int, int] = {}
    if len(wanted):
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(-table)
        partner = {
            int(names[a]): int(wanted[b])
            for a, b in zip(rows, columns, strict=True)
            if table[a, b] > 0
        }
    free = int(wanted.max()) + 1 if len(wanted) else 0
    for name in names.tolist():
        if name not in partner:
            partner[name], free = free, free + 1
        out[label == name] = partner[name]
    return out


def reference(found: list[Entry], categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Choose the labels by which others are coloured: truth, or else a model's, or the first."""
    main = main_truth(categories)
    if main is not None:
        return main
    ranked = sorted(found, key=lambda e: (e.failed, not e.own_labels, not e.is_model))
    return ranked[0].label


def table(
    found: list[Entry], patches: xr.Dataset, models: Mapping[str, xr.Dataset], *, disc: bool
) -> list[dict[str, Any]]:
    """Score every entry, one row each, with its ``method``.

    ``disc`` : whether reconstructions count inside the circle only.
    """
    categories, angle, near = truths(patches), angle_of(patches, models), neighbours_of(patches)
    rows = []
    for entry in found:
        row = {"method": entry.name, **scores(entry, categories, near, angle)}
        if entry.is_model:
            row["explained"] = reconstructed(models[entry.name], patches, disc)
        rows.append(row)
    return rows
