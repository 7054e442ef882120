"""Find modes of the sites in the latent space.

What a mode is: a structure that occurs again and again (a fragment, a defect, a phase), with a gap
between it and all others in the latents (``train.separate``) or between the intensities of their
columns (``structure.intensity``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope.quantities import CLASSES, attributes
from vaescope.structure import intensity
from vaescope.structure.mode_paths import paths
from vaescope.train.neighbourhood import typical
from vaescope.train.separate import separated

if TYPE_CHECKING:
    import xarray as xr

MOST = 30  # modes at most
GAP = 2.6  # standard deviations by which the valley between two modes is lower than chance
RARE = 80  # sites of a mode, and fewer, too few for that; whether members agree is said of each
RARER = 0.15  # of the sites of a mode, those of one that may differ from it by intensity alone
EXAMPLES = 12  # real patches of each mode
APART = 2.0  # mean over standard deviation of what a patch loses by another mode's picture

Pictures = Callable[[np.ndarray], np.ndarray]
"""Rows of sites, or content in consensus axes (point, latent), -> (point, channel, py, px)."""


@dataclass(frozen=True)
class ColumnIntensities:
    """What divides modes beside the content: ``intensity`` (site,) of the column of each site, NaN
    where it is not known, ``position`` (site, 2) px, ``frame`` (site,), ``sublattice`` (site,)
    from 0, None where there is only one, and ``evidence`` (site,) nats, by which contaminated sites
    are known, None: they are not."""

    intensity: np.ndarray
    position: np.ndarray
    frame: np.ndarray
    sublattice: np.ndarray | None = None
    evidence: np.ndarray | None = None

    def some(self, rows: np.ndarray) -> ColumnIntensities:
        """Those of some sites, by their rows or a mask."""
        return ColumnIntensities(
            self.intensity[rows],
            self.position[rows],
            self.frame[rows],
            None if self.sublattice is None else self.sublattice[rows],
            None if self.evidence is None else self.evidence[rows],
        )


@dataclass
class Modes:
    """Modes of the content and paths between them; pictures are aligned, in normalised units."""

    label: np.ndarray  # (site,) mode of each site, largest mode first
    parent: np.ndarray  # (mode,) the largest mode that has the same content
    intensity: np.ndarray  # (mode,) median of its columns over that of the first, NaN if unknown
    agreement: np.ndarray  # (site,) share of the members whose content puts a site in its mode
    stability: (
        np.ndarray
    )  # (mode,) mean Jaccard similarity with the sites that each member puts there
    content: np.ndarray  # (mode, latent) of the site in the middle of each
    decoded: np.ndarray  # (mode, channel, py, px)
    example: np.ndarray  # (mode, example) rows of the nearest sites, −1 beyond the mode's own
    example_patch: np.ndarray  # (mode, example, channel, py, px)
    path: np.ndarray  # (path, step, latent)
    path_ends: np.ndarray  # (path, 2) modes joined; −1: an end of the first latent
    path_decoded: np.ndarray  # (path, step, channel, py, px)
    path_patch: np.ndarray  # (path, step, channel, py, px) of the nearest sites

    @classmethod
    def of(cls, latents: xr.Dataset) -> Modes:
        """Read them from ``latents.zarr``; the rows of the examples are not known any more."""
        patch = latents["mode_patch"].values
        return cls(
            label=latents["mode"].values.astype(int),
            parent=latents["mode_parent"].values.astype(int),
            intensity=latents["mode_intensity"].values,
            agreement=latents["mode_agreement"].values,
            stability=latents["mode_stability"].values,
            content=latents["mode_content"].values,
            decoded=latents["mode_decoded"].values,
            example=np.full(patch.shape[:2], -1),
            example_patch=patch,
            path=latents["path_content"].values,
            path_ends=latents["path_ends"].values,
            path_decoded=latents["path_decoded"].values,
            path_patch=latents["path_patch"].values,
        )

    def variables(
        self, picture: tuple[str, str, str], patch: tuple[str, str, str] = ("channel", "py", "px")
    ) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes); ``picture`` and
        ``patch`` are the dimensions of what the model draws and sees."""
        names = [f"mode {k + 1}" for k in range(len(self.content))]
        about = attributes("mode", "1", "categorical", meanings=names, group=CLASSES)
        agreement = attributes("share of the members that find the mode of a site", "1")
        again = attributes("Jaccard similarity of a mode with that of each member", "1")
        bright = attributes("intensity of the columns of a mode over that of mode 1", "1")
        return {
            "mode": (("site",), self.label, about),
            "mode_agreement": (("site",), self.agreement, agreement),
            "mode_stability": (("mode_number",), self.stability, again),
            "mode_parent": (("mode_number",), self.parent),
            "mode_intensity": (("mode_number",), self.intensity, bright),
            "mode_content": (("mode_number", "latent"), self.content),
            "mode_decoded": (("mode_number", *picture), self.decoded),
            "mode_patch": (("mode_number", "example", *patch), self.example_patch),
            "path_content": (("path", "step", "latent"), self.path),
            "path_ends": (("path", "end"), self.path_ends),
            "path_decoded": (("path", "step", *picture), self.path_decoded),
            "path_patch": (("path", "step", *patch), self.path_patch),
        }


def find(
    content: np.ndarray,
    take: Pictures,
    draw: Pictures,
    turnable: bool = True,
    seed: int = 0,
    among: np.ndarray | None = None,
    columns: ColumnIntensities | None = None,
    members: Sequence[np.ndarray] = (),
    inside: np.ndarray | None = None,
) -> Modes:
    """Find modes and paths, decode them, and lay the nearest real patches beside them.

    One structure may lie in several places of the latent space, each another way up, since nothing
    in the evidence bound forbids it. So modes whose real patches are drawn as well by each other's
    picture, turned at will, are one.

    Parameters
    ----------
    content : (site, latent), consensus content.
    take : gives the patches of some sites, aligned.
    draw : decodes content.
    turnable : whether patches have an angle of their own, and nothing else moves what they show.
    seed : of the choice of sites where there are more than ``LOOKED_AT``.
    among : which sites (site,) bool make modes and are shown; the others join the nearest of these.
    columns : of the sites, whose intensities divide modes.
    members : content (site, latent) of every member with a vote, in consensus axes.
    inside : which sites (site,) lie inside a domain, where sites are windows, many of which a wall
        crosses: if these are of several modes, they alone make modes.
    """
    label = separated([content], MOST, seed, among, GAP, RARE).label
    if inside is not None:
        within = inside if among is None else inside & among
        clear = separated([content], MOST, seed, within, GAP, RARE).label
        if clear.max() > 0:
            label, among = clear, within
    middle = _middles(content, label, among)
    if turnable and len(middle) > 1:
        example = _examples(content, label, middle, among)
        label, middle = _merged(label, middle, example, take, draw(content[middle]))
    parent, bright = np.arange(len(middle)), np.full(len(middle), np.nan)
    if columns is not None:
        label, middle, parent = _by_intensity(label, content, columns, among)
        bright = _brightness(label, len(middle), columns.intensity)
    example = _examples(content, label, middle, among)
    of_members = [votes(label, parent, content, own) for own in members] or [label]
    found = np.array(
        [[_jaccard(label == k, own == k) for k in range(len(middle))] for own in of_members]
    )
    shown = take(np.maximum(example, 0).ravel()).astype(np.float32)
    shown = shown.reshape(*example.shape, *shown.shape[1:])
    shown[example < 0] = np.nan
    ways, ends = paths(content, middle, seed)
    flat = ways.reshape(-1, content.shape[1])
    shape = ways.shape[:2]
    decoded_pictures = draw(np.concatenate([content[middle], flat]))
    near = take(cKDTree(content).query(flat)[1]).astype(np.float32)
    return Modes(
        label=label,
        parent=parent,
        intensity=bright,
        agreement=np.mean([own == label for own in of_members], axis=0),
        stability=found.mean(0),
        content=content[middle],
        decoded=decoded_pictures[: len(middle)],
        example=example,
        example_patch=shown,
        path=ways,
        path_ends=ends,
        path_decoded=decoded_pictures[len(middle) :].reshape(*shape, *decoded_pictures.shape[1:]),
        path_patch=near.reshape(*shape, *near.shape[1:]),
    )


def votes(
    label: np.ndarray, parent: np.ndarray, consensus: np.ndarray, content: np.ndarray
) -> np.ndarray:
    """The mode (site,) that a member gives each site: that of the site whose consensus is nearest
    to what the member says. Where only intensities divide modes, no member has a say.

    Parameters
    ----------
    label : (site,), ``parent`` (mode,) : as in ``Modes``.
    consensus, content : (site, latent) of all members, and of this one in the same axes.
    """
    near = label[cKDTree(consensus).query(content)[1]]
    return np.where(parent[near] == parent[label], label, parent[near])


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def _by_intensity(
    label: np.ndarray,
    content: np.ndarray,
    columns: ColumnIntensities,
    among: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide modes by the intensities of their columns: labels, middles and parents.

    Rare modes are taken together with the large one beside them, as sites may be there because of
    their intensity alone. If most sites of a rare mode are brighter or dimmer than the others, it
    has all of these, and no others; if none is, they become one.
    """
    alike = _own_sublattice(_beside(label, content)[label], columns.sublattice)
    part = intensity.divided(
        alike, columns.intensity, columns.position, columns.frame, among, columns.evidence
    )
    new, parent = label.copy(), list(range(int(label.max()) + 1))
    for large, number in sorted(set(zip(alike.tolist(), part.tolist(), strict=True))):
        if number == 0:
            continue
        own = (alike == large) & (part == number)
        size, shared = np.bincount(label), np.bincount(label[own])
        most = [int(k) for k in np.flatnonzero(2 * shared >= size[: len(shared)]) if shared[k]]
        if most:
            for mode in most:
                new[(label == mode) & ~own] = large
                parent[mode] = large
            first = max(most, key=lambda mode: shared[mode])
            own &= ~np.isin(label, most)
            if own.sum() < max(intensity.SMALLEST, shared[first] / 2):
                new[own] = first
                continue
        new[own] = len(parent)
        parent.append(int(np.bincount(label[own]).argmax()))
    left, new, size = np.unique(new, return_inverse=True, return_counts=True)
    order = np.argsort(-size, kind="stable")
    rank = np.argsort(order, kind="stable")
    place = {int(mode): int(rank[k]) for k, mode in enumerate(left)}
    of_left = [place.get(parent[mode], place[int(mode)]) for mode in left[order]]
    new = rank[new]
    return new, _middles(content, new, among), np.array(of_left)


def _beside(label: np.ndarray, content: np.ndarray) -> np.ndarray:
    """For every mode the large one (mode,) that it lies beside, itself if it is large."""
    size = np.bincount(label)
    middle = np.stack([content[label == k].mean(0) for k in range(len(size))]) / content.std(0)
    found = np.arange(len(size))
    for k in range(len(size)):
        large = np.flatnonzero(size[k] < RARER * size)
        if len(large):
            found[k] = large[np.linalg.norm(middle[large] - middle[k], axis=1).argmin()]
    for _ in range(len(size)):
        found = found[found]
    return found


def _own_sublattice(large: np.ndarray, sublattice: np.ndarray | None) -> np.ndarray:
    """The large mode (site,) to which the column of each site is compared: its own, unless that is
    one of another sublattice, in which the few sites of this one are strangers (a dim dopant of the
    strong sublattice that looks like a column of the weak one)."""
    if sublattice is None:
        return large
    found = large.copy()
    for one in np.unique(sublattice):
        own = sublattice == one
        here = np.bincount(large[own], minlength=int(large.max()) + 1)
        strange = here < RARER * np.bincount(large)
        if here[~strange].any():
            usual = int(np.where(strange, 0, here).argmax())
            found[own & strange[large]] = usual
    return found


def _brightness(label: np.ndarray, modes: int, intensity_: np.ndarray) -> np.ndarray:
    """Median intensity (mode,) of each mode over that of the first, NaN where it is not known."""
    known = np.isfinite(intensity_)
    usual = [
        float(np.median(intensity_[own])) if (own := known & (label == k)).any() else np.nan
        for k in range(modes)
    ]
    return np.asarray(usual) / (usual[0] if usual[0] else np.nan)


def _middles(content: np.ndarray, label: np.ndarray, among: np.ndarray | None) -> np.ndarray:
    """Rows (mode,) of the sites in the middle of the modes, of those ``among``."""
    each = [label == k for k in range(int(label.max()) + 1)]
    seen = [own if among is None or not (own & among).any() else own & among for own in each]
    return np.array([typical(content, own) for own in seen])


def _examples(
    content: np.ndarray, label: np.ndarray, middle: np.ndarray, among: np.ndarray | None
) -> np.ndarray:
    """Rows (mode, example) of the sites of each mode nearest to its middle, −1 beyond its own."""
    example = np.full((len(middle), EXAMPLES), -1)
    for k, row in enumerate(middle):
        own = np.flatnonzero(label == k if among is None else among & (label == k))
        nearest = own[np.argsort(((content[own] - content[row]) ** 2).sum(1), kind="stable")]
        example[k, : min(len(own), EXAMPLES)] = nearest[:EXAMPLES]
    return example


def _merged(
    label: np.ndarray,
    middle: np.ndarray,
    example: np.ndarray,
    take: Pictures,
    decoded_pictures: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Merge modes of one structure that differ by a rotation: labels and centres.

    A patch loses by another mode's picture what its squared distance grows by. Two modes are apart
    if either's patches lose on average ``APART`` times as much as the loss scatters among them.
    Modes are one only if no two of them are apart (complete linkage): a rare structure between two
    others would else chain them.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    from vaescope.models import orbit

    count = len(middle)
    held = example >= 0
    # Together, so that all have one zero of brightness.
    every = orbit.harmonics(np.concatenate([decoded_pictures, take(example[held])]))
    pictures, patches = every.rows(np.arange(count)), every.rows(np.arange(count, len(every)))
    of_mode = np.repeat(np.arange(count), held.sum(1))
    power = pictures.norm**2
    loss = np.zeros((count, count))
    for k in range(count):
        own = patches.rows(np.flatnonzero(of_mode == k))
        best = orbit.products(own, pictures).max(-1)
        distance = power[None] - 2 * best  # the patch's own power drops out below
        more = distance - distance[:, [k]]
        scatter = more.std(0, ddof=1) if len(own) > 1 else np.zeros(count)
        loss[k] = more.mean(0) / np.maximum(scatter, 1e-12)
    apart = np.maximum(np.maximum(loss, loss.T), 0)
    np.fill_diagonal(apart, 0)
    group = fcluster(linkage(squareform(apart), "complete"), APART, "distance") - 1
    found = int(group.max()) + 1
    size = np.array([(np.isin(label, np.flatnonzero(group == g))).sum() for g in range(found)])
    order = np.argsort(-size, kind="stable")
    rank = np.empty(found, int)
    rank[order] = np.arange(found)
    # Modes come largest first, so the first of a group is its largest.
    first = [int(np.flatnonzero(group == g)[0]) for g in order]
    merged = rank[group[label]]
    return merged, middle[first]
