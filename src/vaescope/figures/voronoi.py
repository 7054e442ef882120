"""Cells of sites: Voronoi cells clipped to the image and to a largest radius, squares, or stretches
of a curve."""

from __future__ import annotations

import numpy as np


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
    import shapely
    from scipy.spatial import Voronoi

    points = np.asarray(points, dtype=float)
    result: list[np.ndarray | None] = [None] * len(points)
    good = np.flatnonzero(np.isfinite(points).all(axis=1))
    if good.size == 0:
        return result
    # Equal positions, to a millionth of a pixel, share one cell: the first one keeps it.
    _, first = np.unique(np.round(points[good], 6), axis=0, return_index=True)
    good = good[np.sort(first)]
    xy = points[good, ::-1]
    # Sites far outside make every real cell finite, however few or collinear the sites are.
    reach = 10.0 * (max(height, width) + largest_radius + float(np.abs(xy).max()))
    turns = np.arange(8) * np.pi / 4 + 0.1
    far = np.stack([np.cos(turns), np.sin(turns)], axis=1) * reach + xy.mean(axis=0)
    # Qhull, not shapely.voronoi_polygons: that fails on a perfect lattice turned by a few degrees.
    diagram = Voronoi(np.concatenate([xy, far]))
    regions = [diagram.regions[region] for region in diagram.point_region[: len(xy)]]
    corners = diagram.vertices[np.concatenate(regions)]
    owner = np.repeat(np.arange(len(xy)), [len(region) for region in regions])
    polygons = shapely.polygons(shapely.linearrings(corners, indices=owner))
    distance = np.linalg.norm(corners - xy[owner], axis=1)
    wide = np.unique(owner[distance > largest_radius])
    # 24 corners: 1 % short of the circle at most.
    circles = shapely.buffer(shapely.points(xy[wide]), largest_radius, quad_segs=6)
    polygons[wide] = shapely.intersection(polygons[wide], circles)
    frame = shapely.box(-0.5, -0.5, width - 0.5, height - 0.5)
    for index, polygon in zip(good, shapely.intersection(polygons, frame), strict=True):
        if polygon.geom_type == "Polygon" and not polygon.is_empty:
            result[index] = shapely.get_coordinates(polygon)[:-1]
    return result


def squares(points: np.ndarray, side: float) -> list[np.ndarray | None]:
    """Squares of ``side`` px about points (site, 2), as ``cells`` gives cells."""
    corners = side / 2 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    return [corners + point[::-1] for point in np.asarray(points, dtype=float)]


def stretches(
    points: np.ndarray, direction: np.ndarray, length: float, width: float
) -> list[np.ndarray | None]:
    """Oblongs of ``length`` × ``width`` px about points (site, 2) on curves, along the direction
    (site,) of each (rad, of the tangent (cos, sin) in (x, y)), as ``cells`` gives cells."""
    along = length / 2 * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    across = width / 2 * np.stack([-np.sin(direction), np.cos(direction)], axis=1)
    middle = np.asarray(points, dtype=float)[:, ::-1]
    corners = [middle + a * along + b * across for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return [oblong if np.isfinite(oblong).all() else None for oblong in np.stack(corners, axis=1)]
