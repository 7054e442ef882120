"""What maps of domain walls say of the whole: how much switched, and whether places pin walls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.results.facts import Finding, Measure

if TYPE_CHECKING:
    import xarray as xr

MEASURES = (
    Measure("switched_share", "area that switched from frame to frame, at most", "share"),
    Measure("switched_share_error", "its standard error", "share", "less"),
    Measure("frames_switched", "steps in which something switched", "count"),
    Measure("wall_events", "walls that appear, vanish, split or merge", "count"),
    Measure("wall_roughness", "roughness exponent of the walls"),
    Measure("wall_roughness_error", "its standard error", "", "less"),
    Measure("pinning_p", "chance that no place pins (p)"),
)
"""Of maps of domain walls (``walls.zarr``)."""

_LEVEL = 0.01  # of tests that are reported
_MORE = 1.0  # ratio beyond which pinning goes with a candidate


def numbers(walls: xr.Dataset | None) -> dict[str, float]:
    """Measure what walls do (``walls.zarr``); nothing where there are no walls."""
    if walls is None or not walls.sizes.get("row", 1):
        return {}
    found: dict[str, float] = {}
    share = walls["switched_share"].values if "switched_share" in walls else np.zeros(0)
    if np.isfinite(share).any():
        most = int(np.nanargmax(share))
        found["switched_share"] = float(share[most])
        found["switched_share_error"] = float(walls["switched_share_error"].values[most])
        found["frames_switched"] = int((walls["happened"].values == 1).sum())
        found["wall_events"] = int(walls.sizes.get("event_number", 0))
    value, error = (walls[name].values for name in ("roughness", "roughness_error"))
    known = np.isfinite(value) & np.isfinite(error) & (error > 0)
    if known.any():
        weight = error[known] ** -2
        found["wall_roughness"] = float((weight * value[known]).sum() / weight.sum())
        # Frames show the same walls: their mean is no better than the best of them.
        found["wall_roughness_error"] = float(error[known].min())
    chance = _chance(walls)
    if np.isfinite(chance):
        found["pinning_p"] = chance
    return found


def of_wall_maps(walls: xr.Dataset | None) -> list[Finding]:
    """Say what switched and whether places pin; nothing of a single image (``walls.zarr``)."""
    if walls is None or "switched_share" not in walls or not walls.sizes.get("row", 1):
        return []
    said, found = [], numbers(walls)
    if "switched_share" in found and not found["frames_switched"]:
        said.append(
            Finding(
                "nothing switched",
                "note",
                "sites",
                "Nothing switched from frame to frame beyond doubt.",
                "Differences between frames are within the errors of walls, noise and drift.",
                "Nothing, if none is expected; otherwise a stronger field, or more time.",
            )
        )
    chance = _chance(walls)
    if np.isfinite(chance) and chance < _LEVEL:
        said.append(
            Finding(
                "pinning sites",
                "note",
                "sites",
                f"There are places that pin walls (p = {chance:.2g}).",
                "Walls stay there more often than if all places were alike.",
                "Look at the pinning map, and at what else lies at these places.",
            )
        )
    for k, name in enumerate(map(str, walls["candidate"].values)):
        p, ratio = (float(walls[f"association_{n}"].values[k]) for n in ("p_value", "ratio"))
        if np.isfinite(p) and p < _LEVEL:
            more = "more" if ratio > _MORE else "less"
            said.append(
                Finding(
                    "pinning goes with",
                    "note",
                    "sites",
                    f"Walls are pinned {more} often on {name} than elsewhere: {ratio:.2g} times as"
                    f" often (p = {p:.2g}).",
                    "That is an association: what is found at the same places need not be the"
                    " cause.",
                    "Compare with an area, or a sample, without it.",
                )
            )
    return said


def _chance(walls: xr.Dataset) -> float:
    return float(walls["pinning"].attrs.get("p_value", np.nan)) if "pinning" in walls else np.nan
