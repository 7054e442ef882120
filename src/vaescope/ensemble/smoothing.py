"""Content that varies smoothly from site to site, except across walls and at sites of another kind.

A member gives each site i a normal posterior of its content, of mean m_i and precision 1/s_i². With
the prior that neighbours are alike, a Gaussian Markov random field on the graph of neighbours with
precision λ (Rue & Held, Gaussian Markov Random Fields, 2005, chapter 3), the posterior of all
contents f is normal too,

    (diag(1/s²) + λ L_w) f = m / s²,    L_w the Laplacian of the graph with weights w.

Two things keep it from erasing structure. λ is estimated from the contents themselves, for every
latent variable (expectation–maximisation; the variance of differences between neighbours beyond
what the members are unsure of), so content without order from site to site is left as it is. And
every edge of the graph may be broken and every site may stand apart (the line process of Geman &
Geman, IEEE PAMI 6 (1984) 721): their probabilities are estimated with λ, and weigh the edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from vaescope.models.settings import ModelSettings
from vaescope.sites.neighbours import neighbours
from vaescope.train.data import Data

EDGES = 12  # nearest sites of each site that are joined to it
_ESTIMATED_ON = 1500  # sites near each other from which the field is estimated
_STEPS = 40  # of expectation–maximisation
_DRAWS = 16  # samples of the posterior, from which its variances are computed
_FIRST = 6  # of them, from every start
_ALIKE = (0.02, 0.1, 0.5)  # where the variance between neighbours over that of any two sites starts
_BROKEN = (0.05, 0.5)  # where the share of broken edges starts
_STILL = 0.1  # nats of the prediction by which a step no longer changes it
_MOST = 1e6  # precision of differences: beyond, contents are the same
_BROKEN_MOST, _APART_MOST = 0.7, 0.1  # shares of edges and of sites
_LEAST = 1e-3  # of both shares
_SAYS = 0.1  # variance of a content over that of its noise, below which it says nothing of sites


@dataclass
class SmoothField:
    """A Gaussian Markov random field with a line process.

    Of the latents that say anything of sites: ``precision`` (latent,) λ; ``alike`` (latent,)
    variance of the differences between neighbours over that between any two sites, 1 where
    neighbours say nothing of each other; ``wide`` (latent,) variance of content. ``broken`` share
    of the edges; ``apart`` share of the sites.
    """

    precision: np.ndarray
    alike: np.ndarray
    broken: float = 0.05
    apart: float = 0.01
    wide: np.ndarray = field(default_factory=lambda: np.ones(1))


@dataclass(frozen=True)
class Smoothed:
    """``content``, ``sd`` (site, latent) of the posterior under the field; ``unlike`` (site,)
    probability from 0 to 1 that the field does not hold at a site: it stands apart, or more of its
    edges are broken than those of the median site; ``found`` the field that the contents support,
    whichever was used."""

    content: np.ndarray
    sd: np.ndarray
    unlike: np.ndarray
    found: SmoothField


class SmoothingGraph:
    """Where sites lie, kept while they are encoded block by block."""

    def __init__(self) -> None:
        self._position: list[np.ndarray] = []

    def seen(self, blocks: Iterable[Data]) -> Iterator[Data]:
        """The same blocks of sites."""
        for block in blocks:
            self._position.append(block.position)
            yield block

    def smooth(self, settings: ModelSettings, arrays: dict[str, Any]) -> None:
        """Smooth the ``content`` of a member (site, latent) in its arrays over all sites, and its
        ``content_sd``; adds what came of it as ``smoothed``. Sites without neighbours stay as they
        are."""
        if not settings.smoothness:
            return
        edges = graph_of(np.concatenate(self._position))
        if edges is None:
            return
        given = None if settings.smoothness == "auto" else float(settings.smoothness)
        found = smooth(arrays["content"][:], arrays["content_sd"][:], edges, given)
        arrays["content"][:] = found.content
        arrays["content_sd"][:] = found.sd
        arrays["smoothed"] = found


def graph_of(position: np.ndarray) -> np.ndarray | None:
    """Edges (edge, 2) between sites and their nearest in the same frame, of places (site, 3) as
    frame, y, x; None where frames hold too few sites to have neighbours."""
    for count in (EDGES, EDGES // 2):
        near = neighbours(position[:, 0], position[:, 1:], count)
        if near is not None:
            first = np.repeat(np.arange(len(near)), count)
            pairs = np.sort(np.stack([first, near.ravel()], 1), axis=1)
            return np.asarray(np.unique(pairs, axis=0))
    return None


def smooth(
    content: np.ndarray,
    sd: np.ndarray,
    edges: np.ndarray,
    precision: float | None = None,
    seed: int = 0,
) -> Smoothed:
    """Contents under the prior that neighbours are alike.

    Parameters
    ----------
    content, sd : (site, latent), what a member says of each site alone.
    edges : (edge, 2) indices of neighbouring sites.
    precision : λ of all latent variables; None: as the contents support.
    seed : of the samples from which variances are computed.
    """
    mean, width = np.array(content, float), np.maximum(np.asarray(sd, float), 1e-4)
    carry = mean.var(0) > _SAYS * (width**2).mean(0)
    if not carry.any():
        one = np.ones(1)
        return Smoothed(mean, width, np.zeros(len(mean)), SmoothField(0 * one, one))
    rows, own = _near_each_other(len(mean), edges)
    sampled = _Posterior(mean[rows][:, carry], width[rows][:, carry], own, seed)
    found = sampled.estimate(None)
    used = found if precision is None else sampled.estimate(precision)
    whole = sampled
    if len(rows) < len(mean):
        whole = _Posterior(mean[:, carry], width[:, carry], edges, seed)
        for _ in range(4):  # weights of all edges, the field being known
            whole.expect(used)
    mean[:, carry], width[:, carry] = whole.mean, np.sqrt(whole.variance)
    return Smoothed(mean, width, whole.unlike(), found)


class _Posterior:
    """Posterior of contents under a field: ``mean``, ``variance`` (site, latent), ``weight``
    (edge,) probability that an edge holds, ``single`` (site,) that a site stands apart."""

    def __init__(self, mean: np.ndarray, sd: np.ndarray, edges: np.ndarray, seed: int) -> None:
        self.given, self.noise, self.edges = mean, sd**2, edges
        self.mean, self.variance = mean, sd**2
        self.weight, self.single = np.ones(len(edges)), np.zeros(len(mean))
        self.between = np.zeros((len(edges), mean.shape[1]))  # variance of differences
        self.rng = np.random.default_rng(seed)
        self.at_sites = self.rng.standard_normal((len(mean), _DRAWS))
        self.at_edges = self.rng.standard_normal((len(edges), _DRAWS))

    def estimate(self, fixed: float | None) -> SmoothField:
        """Expectation and maximisation by turns, from the start that predicts sites best from their
        neighbours: a rough field has other optima than a smooth one with walls."""
        starts = [(alike, broken) for alike in _ALIKE for broken in _BROKEN]
        tried = [self._run(*start, fixed, _FIRST) for start in starts]
        best = starts[int(np.argmax([score for _, score in tried]))]
        return self._run(*best, fixed, _STEPS)[0]

    def _run(
        self, alike: float, broken: float, fixed: float | None, steps: int
    ) -> tuple[SmoothField, float]:
        """The field after some steps from a start, and how well it predicts, in nats."""
        self.weight = np.full(len(self.edges), 1 - broken)
        self.single = np.zeros(len(self.given))
        wide = self.given.var(0) + 1e-12
        one = np.ones(len(wide))
        field = SmoothField(one, alike * one, broken=broken, wide=wide)
        self._set(field, 2 * wide * alike, fixed)
        score = -np.inf
        for step in range(steps):
            last = score
            score = self.expect(field)
            if step > _FIRST and abs(score - last) < _STILL:
                break
            held = max(float(self.held.sum()), 1.0)
            self._set(field, (self.held @ self._squares()) / held, fixed)
            field.broken = float(np.clip(1 - self.weight.mean(), _LEAST, _BROKEN_MOST))
            field.apart = float(np.clip(self.single.mean(), _LEAST, _APART_MOST))
        return field, score

    def _set(self, field: SmoothField, squares: np.ndarray, fixed: float | None) -> None:
        """Precision and similarity from mean square differences (latent,) of edges that hold."""
        per_edge = self._freedom()
        if fixed is not None:
            squares = np.full_like(squares, per_edge / max(fixed, 1e-9))
        squares = np.maximum(squares, per_edge / _MOST)
        field.precision = per_edge / squares
        field.alike = np.minimum(squares / (2 * field.wide), 1.0)

    def _freedom(self) -> float:
        """Independent differences of an edge that holds: a site has several edges."""
        return min(len(self.given) / max(float(self.held.sum()), 1.0), 1.0)

    @property
    def held(self) -> np.ndarray:
        """Weight (edge,) of each edge in the field."""
        joined = (1 - self.single)[self.edges]
        return np.asarray(self.weight * joined[:, 0] * joined[:, 1])

    def _squares(self) -> np.ndarray:
        """Expected squares of differences (edge, latent)."""
        apart = np.diff(self.mean[self.edges], axis=1)[:, 0]
        return np.asarray(apart**2 + self.between)

    def expect(self, field: SmoothField) -> float:
        """Contents given the edges, then edges and sites apart given the contents; the logarithm of
        the probability with which neighbours predict them."""
        self._solve(field)
        narrow = 2 * field.wide * field.alike
        worth = -0.5 * np.log(field.alike) - 0.5 * self._squares() * (
            1 / narrow - 1 / (2 * field.wide)
        )
        odds = np.log(1 / field.broken - 1) + worth.sum(1)
        self.weight = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
        return self._set_apart(field)

    def _set_apart(self, field: SmoothField) -> float:
        """Which sites differ from what their neighbours predict by more than noise and field."""
        first, second = self.edges.T
        size = len(self.given)
        total = np.bincount(first, self.weight, size) + np.bincount(second, self.weight, size)
        some = np.maximum(total, 1e-3)[:, None]
        predicted, doubt = np.empty_like(self.mean), np.empty_like(self.mean)
        for k in range(self.mean.shape[1]):
            for out, values in ((predicted, self.mean), (doubt, self.variance)):
                out[:, k] = np.bincount(first, self.weight * values[second, k], size)
                out[:, k] += np.bincount(second, self.weight * values[first, k], size)
        predicted, doubt = predicted / some, doubt / some
        near = self.noise + doubt + 1 / (field.precision * some)
        far = self.noise + field.wide
        near = np.minimum(near, far)
        by_field = -0.5 * ((self.given - predicted) ** 2 / near + np.log(near)).sum(1)
        alone = -0.5 * ((self.given - self.given.mean(0)) ** 2 / far + np.log(far)).sum(1)
        odds = np.log(field.apart / (1 - field.apart)) + alone - by_field
        self.single = 1 / (1 + np.exp(-np.clip(odds, -50, 50)))
        return float((np.log1p(-field.apart) + by_field + np.logaddexp(0, odds)).sum())

    def _solve(self, field: SmoothField) -> None:
        """Means and variances of contents, and variances of differences, from samples (Papandreou
        & Yuille, Advances in Neural Information Processing Systems 23 (2010))."""
        held = self.held
        first, second = self.edges.T
        size = len(self.given)
        incidence = sparse.csr_matrix(
            (
                np.r_[np.sqrt(held), -np.sqrt(held)],
                (np.r_[: len(held), : len(held)], np.r_[first, second]),
            ),
            (len(held), size),
        )
        laplacian = (incidence.T @ incidence).tocsc()
        mean, variance = np.empty_like(self.given), np.empty_like(self.given)
        for k, strength in enumerate(field.precision):
            own = 1 / self.noise[:, k]
            matrix = (sparse.diags(own) + strength * laplacian).tocsc()
            drawn = np.sqrt(own)[:, None] * self.at_sites
            drawn += np.sqrt(strength) * (incidence.T @ self.at_edges)
            right = np.concatenate([(own * self.given[:, k])[:, None], drawn], 1)
            found = _solved(matrix, right)
            mean[:, k], samples = found[:, 0], found[:, 1:]
            variance[:, k] = np.minimum((samples**2).mean(1), self.noise[:, k])
            self.between[:, k] = ((samples[first] - samples[second]) ** 2).mean(1)
        self.mean, self.variance = mean, variance

    def unlike(self) -> np.ndarray:
        """As ``Smoothed.unlike``."""
        size = len(self.given)
        first, second = self.edges.T
        ends = np.bincount(first, minlength=size) + np.bincount(second, minlength=size)
        broken = 1 - self.weight
        lost = np.bincount(first, broken, size) + np.bincount(second, broken, size)
        share = lost / np.maximum(ends, 1)
        more = np.clip(4 * (share - np.median(share)), 0, 1)  # a straight wall cuts a quarter
        return np.asarray(np.maximum(self.single, more))


def _solved(matrix: sparse.csc_matrix, right: np.ndarray) -> np.ndarray:
    """Solutions (site, column): direct of a few sites, else by conjugate gradients."""
    size = matrix.shape[0]
    if size <= _ESTIMATED_ON:
        return np.asarray(splu(matrix).solve(right))
    inverse = 1 / matrix.diagonal()
    scaled = LinearOperator((size, size), lambda v: inverse * v)
    columns = [cg(matrix, column, rtol=1e-4, maxiter=500, M=scaled)[0] for column in right.T]
    return np.stack(columns, 1)


def _near_each_other(count: int, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most ``_ESTIMATED_ON`` sites about the first, and the edges between them."""
    if count <= _ESTIMATED_ON:
        return np.arange(count), edges
    graph = sparse.coo_matrix((np.ones(len(edges)), edges.T), (count, count)).tocsr()
    from scipy.sparse.csgraph import breadth_first_order

    rows = breadth_first_order(graph, count // 2, False, False)[:_ESTIMATED_ON]
    if len(rows) < _ESTIMATED_ON:  # sites of a small frame
        others = np.setdiff1d(np.arange(count), rows)
        rows = np.concatenate([rows, others])[:_ESTIMATED_ON]
    rows = np.sort(rows)
    place = np.full(count, -1)
    place[rows] = np.arange(len(rows))
    inside = place[edges]
    return rows, inside[(inside >= 0).all(1)]
