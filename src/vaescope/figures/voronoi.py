"""Cells of sites: Voronoi cells clipped to the image and to a largest radius, or squares."""

from __future__ import annotations

import numpy as np

_CORNERS = 24  # of the polygon that stands for the clipping circle: 1 % short of it at most


def neighbour_distance(points: np.ndarray) -> float:
    """Median distance to the nearest other site, in the unit of ``points`` (site, 2)."""
    from scipy.spatial import cKDTree

    if len(points) < 2:
        return float("nan")
    distance = cKDTree(points).query(points, k=2)[0][:, 1]
    return float(np.median(distance))


def cells(
    points: np.ndarray, height: int, width: int, largest_radius: float
) -> list[np.ndarray | None]:
    """Cell of every site: what of the image is nearer to it than to any other site.

    Parameters
    ----------
    points : (site, 2) float, (y, x) in pixels, pixel centres at whole numbers.
    height, width : size of the image in pixels.
    largest_radius : nothing farther from its site than this belongs to a cell, so that the cells
        at the border of an array and around gaps do not run out into the empty part.

    Returns
    -------
    List of (corner, 2) arrays of (x, y), ready for drawing; ``None`` for a site without a cell
    (not finite, or at the very place of an earlier one).
    """
    from scipy.spatial import Voronoi

    points = np.asarray(points, dtype=float)
    result: list[np.ndarray | None] = [None] * len(points)
    good = np.flatnonzero(np.isfinite(points).all(axis=1))
    if good.size == 0:
        return result
    # Equal positions have no cell of their own: the first one keeps it.
    _, first = np.unique(points[good], axis=0, return_index=True)
    good = good[np.sort(first)]
    yx = points[good]
    # Sites far outside make every real cell finite, however few or collinear the sites are.
    reach = 10.0 * (max(height, width) + largest_radius + float(np.abs(yx).max()))
    turns = np.arange(8) * np.pi / 4 + 0.1
    far = np.stack([np.sin(turns), np.cos(turns)], axis=1) * reach + yx.mean(axis=0)
    diagram = Voronoi(np.concatenate([yx, far]))
    vertices = diagram.vertices[:, ::-1]  # to (x, y)
    circle = largest_radius * np.stack(
        [
            np.cos(np.arange(_CORNERS) * 2 * np.pi / _CORNERS),
            np.sin(np.arange(_CORNERS) * 2 * np.pi / _CORNERS),
        ],
        axis=1,
    )
    frame = np.array(
        [[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]]
    )
    for place, index in enumerate(good):
        region = diagram.regions[diagram.point_region[place]]
        if not region or -1 in region:
            continue
        centre = yx[place, ::-1]
        polygon = vertices[region]
        around = polygon - centre
        # Qhull gives no promise about the sense of rotation; the clipping below needs none.
        if (around**2).sum(axis=1).max() > largest_radius**2:
            polygon = _clip(polygon, circle + centre)
        if polygon.size and (
            polygon.min() < -0.5
            or polygon[:, 0].max() > width - 0.5
            or polygon[:, 1].max() > height - 0.5
        ):
            polygon = _clip(polygon, frame)
        if len(polygon) >= 3:
            result[index] = polygon
    return result


def squares(points: np.ndarray, side: float) -> list[np.ndarray | None]:
    """Squares of ``side`` px about points (site, 2), as ``cells`` gives cells."""
    corners = side / 2 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return [corners + point[::-1] for point in np.asarray(points, dtype=float)]


def _clip(polygon: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Intersection of a convex ``polygon`` with a convex ``window`` (counter-clockwise in x, y).

    Source: I. E. Sutherland and G. W. Hodgman, Commun. ACM 17 (1974) 32.
    """
    corners = [tuple(c) for c in polygon.tolist()]
    edges = window.tolist()
    for (ax, ay), (bx, by) in zip(edges, edges[1:] + edges[:1], strict=True):
        ux, uy = bx - ax, by - ay
        sides = [ux * (y - ay) - uy * (x - ax) for x, y in corners]
        if all(side >= 0 for side in sides):
            continue
        kept = []
        for here, corner in enumerate(corners):
            previous = corners[here - 1]
            side, before = sides[here], sides[here - 1]
            if (side >= 0) != (before >= 0):
                share = before / (before - side)
                kept.append(
                    (
                        previous[0] + share * (corner[0] - previous[0]),
                        previous[1] + share * (corner[1] - previous[1]),
                    )
                )
            if side >= 0:
                kept.append(corner)
        corners = kept
        if not corners:
            break
    return np.array(corners, dtype=float).reshape(-1, 2)
