"""The categories by which the atoms of a movie are counted: classes, or modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope.structure.modes import votes
from vaescope.structure.settings import MovieSettings


@dataclass
class Categories:
    """``label`` (site,) counts from 0; ``names`` are those in figures and tables;
    ``what`` they are, `class` or `mode`; ``of_members`` has the labels (site,) that each member
    with a vote would give."""

    label: np.ndarray
    names: list[str]
    what: str
    of_members: list[np.ndarray]


def of(
    latents: xr.Dataset, settings: Mapping[str, Any] | MovieSettings | None = None
) -> Categories | None:
    """Sort sites into the categories of a recipe; None without classes and several modes.

    Parameters
    ----------
    latents : Dataset of ``latents.zarr``.
    settings : the part `movie` of a recipe (see ``structure.settings``).

    Raises
    ------
    UserError : an unknown setting, or categories that there are not.
    """
    if MovieSettings.of(settings).categories == "classes" and "consensus_class" in latents:
        return _classes(latents)
    several = "mode" in latents and int(latents["mode"].max()) > 0
    return _modes(latents) if several else None


def _classes(latents: xr.Dataset) -> Categories:
    retained = latents["member_kept"].values.astype(bool)
    votes = latents["class_probability"].values[retained]
    return Categories(
        label=latents["consensus_class"].values.astype(int),
        names=[f"class {k}" for k in range(latents.sizes["class"])],
        what="class",
        of_members=[probability.argmax(1) for probability in votes],
    )


def _modes(latents: xr.Dataset) -> Categories:
    """Sort sites by mode; a member's are the modes of the consensus nearest to its content."""
    mode = latents["mode"].values.astype(int)
    names = [f"mode {k + 1}" for k in range(int(mode.max(initial=0)) + 1)]
    retained = latents["member_kept"].values.astype(bool)
    consensus = latents["consensus_content"].values
    parent = np.arange(len(names))
    if "mode_parent" in latents:
        parent[: latents.sizes["mode_number"]] = latents["mode_parent"].values
    each = latents["content"].values[retained]
    of_members = [votes(mode, parent, consensus, content) for content in each]
    return Categories(label=mode, names=names, what="mode", of_members=of_members)
