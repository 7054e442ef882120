"""Draw the borders and numbers of grains on a map, and say how the grains lie to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.figures.scene import Scene
from vaescope.figures.style import INK
from vaescope.strain.between_grains import distortion_of, grains_of, misorientations_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGITS = 3  # of a corner in px: corners so near are one
_MOST = 6  # pairs of grains whose angle is written out


def count(scene: Scene) -> int:
    """Number of grains of the whole dataset."""
    return len(grains_of(scene.strain.attrs)) if scene.strain is not None else 0


def draw_borders(axes: Axes, scene: Scene, *, numbered: bool = False) -> None:
    """Draw a line where cells of two grains meet, and the numbers of the grains if requested."""
    if count(scene) < 2:
        return
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    label = _nearest_grain(scene)
    axes.add_collection(LineCollection(_borders(scene.cells, label), colors=INK, linewidths=1.1))
    if not numbered:
        return
    for grain in np.unique(label[label > 0]):
        y, x = scene.positions[label == grain].mean(0)
        halo = [withStroke(linewidth=2.5, foreground="white")]
        axes.text(x, y, f"{grain}", size=11, weight="bold", color=INK, ha="center", va="center",
                  path_effects=halo)  # fmt: skip


def note(scene: Scene) -> str:
    """How many grains there are, with the angle between two of them, for the line below a title."""
    number = count(scene)
    if number < 2:
        return ""
    assert scene.strain is not None
    pairs = misorientations_of(scene.strain.attrs)
    if number == 2:
        return f"2 grains, {angle(pairs[0])} apart"
    return f"{number} grains"


def sentences(scene: Scene) -> str:
    """What a caption says of the grains; empty where there is one."""
    if count(scene) < 2:
        return ""
    assert scene.strain is not None
    attrs = scene.strain.attrs
    said = "Lines part the grains. A strain counts from the reference region of its own grain:"
    said += " values of two grains do not compare. "
    pairs = [pair for pair in misorientations_of(attrs) if pair["touching"]][:_MOST]
    listed = "; ".join(
        f"{pair['grains'][0]} and {pair['grains'][1]}: {angle(pair)}" for pair in pairs
    )
    if listed:
        said += f"Misorientation of neighbouring grains, {listed}. "
    return said + distortion(attrs)


def angle(pair: dict[str, Any]) -> str:
    """The angle between two grains in words."""
    return (
        f"{abs(pair['angle_deg']):.1f} ± {pair['error_deg']:.1f}° (modulo {pair['period_deg']:g}°)"
    )


def distortion(attrs: Any) -> str:
    """The distortion that the grains share, in words; empty where nothing is known of it."""
    known = distortion_of(attrs)
    if not known:
        return ""
    if known["ratio"] - 1 < 6 * known["error"]:  # three standard errors of a ratio
        return f"Their lattices are alike within {100 * known['left']:.1f} %. "
    return (
        f"If the image is stretched by {known['ratio']:.3f} : 1 along"
        f" {known['direction_deg']:.0f}° (counter-clockwise from the x axis), the lattices of the"
        f" grains are alike within {100 * known['left']:.1f} % without this distortion. "
    )


def _nearest_grain(scene: Scene) -> np.ndarray:
    """Grain of every site on the drawn frame; of those of none, that of the nearest one with."""
    from scipy.spatial import cKDTree

    assert scene.strain is not None
    label = np.asarray(scene.strain["grain"].values[scene.on_frame])
    known = label > 0
    if known.any() and not known.all():
        _, nearest = cKDTree(scene.positions[known]).query(scene.positions[~known])
        label = label.copy()
        label[~known] = label[known][nearest]
    return label


def _borders(cells: list[np.ndarray | None], label: np.ndarray) -> list[np.ndarray]:
    """Edges, each (2, 2) px as (x, y), that cells of two grains have in common."""
    seen: dict[tuple[tuple[float, ...], ...], int] = {}
    found = []
    for cell, grain in zip(cells, label, strict=True):
        if cell is None:
            continue
        for start, stop in zip(cell, np.roll(cell, -1, axis=0), strict=True):
            ends = sorted((tuple(np.round(start, _DIGITS)), tuple(np.round(stop, _DIGITS))))
            if seen.setdefault((ends[0], ends[1]), int(grain)) != grain:
                found.append(np.stack([start, stop]))
    return found
