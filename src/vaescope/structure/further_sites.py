"""Modes and classes of sites that had no say in which there are: those of another image, mapped
into a latent space that others have settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from vaescope.structure import intensity
from vaescope.structure.modes import ColumnIntensities, Modes, votes

NEAREST = 5  # sites of known mode, of the same content, to whose intensities one is compared


def with_further(
    found: Modes,
    frame: np.ndarray,
    content: np.ndarray,
    columns: ColumnIntensities | None,
    members: Sequence[np.ndarray],
) -> Modes:
    """Give every site a mode.

    A site has the mode of the known site whose content is nearest. Among modes of one content,
    which the intensities of their columns alone divide, it has that of the sites whose columns are
    as bright, each beside its neighbours.

    Parameters
    ----------
    found : modes of the sites in ``frame``.
    frame : which sites (site,) bool these are.
    content : (site, latent) of all sites, consensus content.
    columns : of all sites; None: not known, and then nothing was divided by them.
    members : content (site, latent) of every member with a vote, in consensus axes.
    """
    label = np.empty(len(content), int)
    label[frame] = found.label
    rest = np.flatnonzero(~frame)
    label[rest] = found.label[cKDTree(content[frame]).query(content[rest])[1]]
    if columns is not None:
        _by_intensity(label, frame, _roots(found.parent), columns)
    of_members = [votes(label, found.parent, content, own) for own in members] or [label]
    agreement = np.mean([own == label for own in of_members], axis=0)
    return replace(found, label=label, agreement=agreement)


def _roots(parent: np.ndarray) -> np.ndarray:
    """The mode (mode,) from which each was divided, whatever lies between."""
    root = np.arange(len(parent))
    for _ in parent:
        root = parent[root]
    return root


def _by_intensity(
    label: np.ndarray, frame: np.ndarray, root: np.ndarray, columns: ColumnIntensities
) -> None:
    """Divide the further sites of each content by their intensities, in place."""
    for one in np.unique(root):
        if (root == one).sum() < 2:
            continue
        own = np.flatnonzero(root[label] == one)
        bright = columns.intensity[own]
        own, bright = own[np.isfinite(bright)], bright[np.isfinite(bright)]
        beside = intensity.relative(bright, bright, columns.position[own], columns.frame[own])
        known = frame[own]
        if not known.any() or known.all():
            continue
        count = min(NEAREST, int(known.sum()))
        near = cKDTree(beside[known, None]).query(beside[~known, None], count)[1]
        chosen = label[own[known]][near.reshape(-1, count)]
        label[own[~known]] = [int(np.bincount(each).argmax()) for each in chosen]
