"""Findings about angles that cannot be known: structures that look nearly the same when turned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vaescope.results.facts import Finding

if TYPE_CHECKING:
    import xarray as xr

_MISTAKEN = 0.005  # share of the sites of a mode
_SAME = 0.4  # of 0.5: no angle can be read from noise and picture


def of_turns(name: str, latents: xr.Dataset) -> list[Finding]:
    """Judge the modes of one model (``latents.zarr``) by how alike their turned pictures are."""
    if "mode_mistaken_turn" not in latents:
        return []
    order = max(int(latents.attrs.get("symmetry", 1)), 1)
    folds = latents["fold"].values.astype(int)
    open_ways = np.array([order % fold != 0 for fold in folds])
    alike: dict[tuple[int, bool], dict[int, float]] = {}  # by fold: modes and their shares
    for k, row in enumerate(latents["mode_mistaken_turn"].values):
        shares = np.where(open_ways & np.isfinite(row), row, 0.0)
        most = float(shares.max(initial=0.0))
        if most > _MISTAKEN:
            same = most > _SAME
            which = np.flatnonzero(shares > _SAME)[-1] if same else shares.argmax()
            alike.setdefault((int(folds[which]), same), {})[k + 1] = most
    return [_finding(name, order, *key, modes) for key, modes in sorted(alike.items())]


def _finding(name: str, order: int, fold: int, same: bool, modes: dict[int, float]) -> Finding:
    """``order``: angles are modulo 360° divided by this already."""
    turn, setting = 360 / fold, f"`models: {name}: symmetry: {math.lcm(order, fold)}`"
    one = len(modes) == 1
    which = f"Mode{'' if one else 's'} {', '.join(map(str, modes))} look{'s' if one else ''}"
    if same:
        return Finding(
            "ambiguous turn",
            "note",
            name,
            f"{which} the same after a rotation by {turn:g}°.",
            f"Angles of {'its' if one else 'their'} sites are known modulo {turn:g}° only.",
            f"Read them modulo {turn:g}°; {setting} makes all angles so.",
        )
    return Finding(
        "nearly symmetric",
        "care",
        name,
        f"{which} nearly the same after a rotation by {turn:g}°: at this noise up to"
        f" {100 * max(modes.values()):.1f} % of the sites fit better the other way up.",
        f"At least as many of {'its' if one else 'their'} angles are wrong by {turn:g}°.",
        f"Read them modulo {turn:g}°, as {setting} makes all angles; a higher dose or finer"
        " `patches: pixels` resolve the difference.",
    )
