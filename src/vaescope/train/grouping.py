"""Groups of the sites of one member, from which its classes start.

Groups come from a mixture of normals on each member's content, which is the model's own prior. The
content may be torn, though: one structure in several places, each another way up. A mixture then
finds other groups whenever a few sites are left out, and a graph of the canonical pictures,
compared at the turn at which they are most similar, takes its place if it is the steadier of the
two. Where labels are known, they name the groups and regroup the sites.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from vaescope.models import orbit
from vaescope.models.settings import ModelSettings
from vaescope.train.normals import fitted

CORE = ModelSettings.class_core  # unless the settings of the model say otherwise
NARROWEST = 0.003  # least variance of a component beside that of all content: no class of one site
FITTED = 5000  # sites on which a mixture is fitted at most
RESTARTS = 8
"""Fits of the mixture from different starts; the likeliest counts."""
STEADY = 0.85  # adjusted Rand index between fits without a fifth of the sites
TRIALS = 4
LEFT_IN = 0.8
MEASURED = 800  # canonical pictures in the graph; the others follow the most similar of them
DETAIL = (1.0, 1.5, 2.0, 3.0)  # components of the mixtures that labels name, per class
PRIOR_VOTE = 0.1  # labels of every kind that a component has to begin with
DOUBT = 0.01  # of what the graph of neighbours says
SURE = 0.98  # probability of its group for a site of the graph


def mixture(
    content: np.ndarray, classes: int, seed: int, core: float = CORE, restarts: int = RESTARTS
) -> tuple[np.ndarray, ...]:
    """Mixture of normals on content (site, latent).

    It is fitted to the share ``core`` of the sites, those in the densest places, so that the few
    that belong nowhere (boundaries, debris) do not take a class for themselves; all sites are then
    assigned.

    Returns
    -------
    responsibility (site, class), weight (class,), mean (class, latent), covariance (class, latent,
    latent).
    """
    scale = content.std(0) + 1e-9
    neighbours = min(6, len(content) - 1)
    tree = cKDTree(content / scale)
    distance = tree.query(content / scale, neighbours + 1)[0][:, -1]
    dense = np.argsort(distance, kind="stable")[: max(int(core * len(content)), classes)]
    dense = dense[np.linspace(0, len(dense) - 1, min(len(dense), FITTED)).round().astype(int)]
    model = fitted(
        content[dense] / scale,
        classes,
        starts=restarts,
        narrowest=NARROWEST,
        seed=seed,
        init="kmeans",
    )
    return (
        model.predict_proba(content / scale),
        model.weights_,
        model.means_ * scale,
        model.covariances_ * np.outer(scale, scale),
    )


def moments(
    content: np.ndarray, responsibility: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, mean and covariance, as ``mixture`` gives them, of given groups."""
    total = responsibility.sum(0) + 1e-9
    mean = responsibility.T @ content / total[:, None]
    covariance = np.stack(
        [
            (responsibility[:, k, None] * (content - mean[k])).T @ (content - mean[k]) / total[k]
            for k in range(len(total))
        ]
    )
    narrowest = NARROWEST * content.var(0) + 1e-12
    return total / total.sum(), mean, covariance + np.diag(narrowest)


def steadiness(group: Callable[[np.ndarray, int], np.ndarray], count: int, seed: int) -> float:
    """How far groups survive leaving a fifth of the sites out: mean adjusted Rand index.

    ``group`` takes rows and a seed and gives their groups. Source: Ben-Hur, Elisseeff & Guyon,
    Pac. Symp. Biocomput. 2002, 6.
    """
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    found = np.full((TRIALS, count), -1)
    for trial in found:
        rows = np.sort(rng.choice(count, int(LEFT_IN * count), replace=False))
        trial[rows] = group(rows, int(rng.integers(2**31)))
    scores = []
    for k, one in enumerate(found):
        for other in found[:k]:
            both = (one >= 0) & (other >= 0)
            scores.append(adjusted_rand_score(one[both], other[both]))
    return float(np.mean(scores))


def graph_groups(distance: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Groups (row,) of pictures from their distances (row, row): spectral clustering of the graph
    of nearest neighbours (von Luxburg, Stat. Comput. 17 (2007) 395)."""
    from sklearn.cluster import SpectralClustering

    similarity = orbit.neighbours(distance)
    typical = float(np.median(similarity.data))
    similarity.data = np.exp(-((similarity.data / typical) ** 2)) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that do not hang together: so much the better
        return SpectralClustering(
            classes, affinity="precomputed", assign_labels="cluster_qr", random_state=seed
        ).fit_predict(similarity.toarray())


@dataclass
class Groups:
    """``responsibility`` (site, class), ``weight`` (class,), ``mean`` (class, latent),
    ``covariance`` (class, latent, latent); ``turn`` (site,) rad by which each canonical picture is
    turned against its neighbours, None where that needs no mending."""

    responsibility: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    turn: np.ndarray | None = None


def groups(
    content: np.ndarray,
    pictures: Callable[[np.ndarray], np.ndarray] | None,
    classes: int,
    seed: int,
    core: float = CORE,
) -> Groups:
    """Groups of the sites of one member.

    Parameters
    ----------
    content : (site, latent).
    pictures : canonical pictures of given content; None where angles mean nothing.
    core : share of the sites on which mixtures are fitted.
    """
    plain = Groups(*mixture(content, classes, seed, core))
    if pictures is None:
        return plain

    def by_mixture(rows: np.ndarray, start: int) -> np.ndarray:
        return mixture(content[rows], classes, start, core, restarts=2)[0].argmax(1)

    steady = steadiness(by_mixture, len(content), seed)
    if steady >= STEADY:
        return plain
    count = len(content)
    rows = np.unique(np.linspace(0, count - 1, min(count, MEASURED)).round().astype(int))
    drawn = orbit.harmonics(pictures(content[rows]))
    distance = orbit.distances(drawn)

    def by_graph(some: np.ndarray, start: int) -> np.ndarray:
        return graph_groups(distance[np.ix_(some, some)], classes, start)

    if steadiness(by_graph, len(rows), seed) <= steady:
        return plain
    of_rows = graph_groups(distance, classes, seed)
    every = orbit.harmonics(pictures(content))
    found = given(content, of_rows[orbit.most_similar(every, drawn)], classes)
    measured, _ = orbit.transport(drawn, orbit.neighbours(distance))
    found.turn, _ = orbit.turns_of_rest(every, drawn, measured)
    return found


def given(content: np.ndarray, group: np.ndarray, classes: int) -> Groups:
    """Groups (site,) as indices, as ``groups`` gives them, for content (site, latent)."""
    sure = np.full((len(content), classes), (1 - SURE) / max(classes - 1, 1))
    sure[np.arange(len(content)), group] = SURE
    return Groups(sure, *moments(content, sure))


def named(content: np.ndarray, found: Groups, known: np.ndarray, classes: int, seed: int) -> Groups:
    """Groups renamed and regrouped by the known labels (site,), -1 where there is none.

    Labels spread over the graph of nearest neighbours in content (Zhou et al., NIPS 16 (2003) 321),
    and name the components of mixtures; the two views are multiplied. Classes without any label
    keep what the groups say.
    """
    from sklearn.semi_supervised import LabelSpreading

    scale = content.std(0) + 1e-9
    spread = LabelSpreading(kernel="knn", n_neighbors=min(10, len(content) - 1), alpha=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sites that no label reaches
        spread.fit(content / scale, known)
    there = spread.classes_.astype(int)
    near = np.nan_to_num(spread.label_distributions_)
    view = by_mixtures(content, known, there, classes, seed)
    probability = np.full((len(content), classes), 1e-6)
    probability[:, there] += view * (near + DOUBT)
    responsibility = found.responsibility
    reached = near.sum(1) > 0.5
    # Groups that no label reaches are classes of their own, as far as there are any left.
    free = [k for k in range(classes) if k not in set(known[known >= 0])]
    if free:
        share = responsibility[reached].sum(0) / np.maximum(responsibility.sum(0), 1e-9)
        for k, group in zip(free, np.argsort(share), strict=False):
            probability[:, k] = responsibility[:, group] * (1 - share[group])
    probability /= probability.sum(1, keepdims=True)
    is_known = known >= 0
    probability[is_known] = np.eye(classes)[known[is_known]]
    weight, mean, covariance = moments(content, probability)
    return Groups(probability, weight, mean, covariance, found.turn)


def by_mixtures(
    content: np.ndarray, known: np.ndarray, there: np.ndarray, classes: int, seed: int
) -> np.ndarray:
    """Probability (site, label that is ``there``) by mixtures whose components take the labels of
    the known sites in them, the mean over coarse and fine mixtures: fine ones part what a coarse
    one throws together, coarse ones reach where a fine one has no label."""
    total = np.zeros((len(content), len(there)))
    most = int((known >= 0).sum() // 2)
    for detail in DETAIL:
        count = max(min(round(detail * classes), most), 1)
        share = mixture(content, count, seed, restarts=1)[0]
        votes = np.stack([share[known == k].sum(0) for k in there], axis=1) + PRIOR_VOTE
        total += share @ (votes / votes.sum(1, keepdims=True))
    return total / len(DETAIL)
