"""Pictures decoded all over planes of two latents, close enough to interpolate between them.

The explorer of the report draws from these while the mouse moves; it has no network of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np

STEPS = 13  # pictures along each latent: neighbours differ by less than the eye sees between them
MOST_LATENTS = 4  # latents whose planes are decoded; more make more planes than anyone turns over
REACH = 0.5  # per cent of the sites beyond each side of a plane


def decode_planes(
    content: np.ndarray,
    draw: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    conditions: np.ndarray | None,
    picture: tuple[str, ...],
) -> dict[str, Any]:
    """Decode every plane of two of the first latents, the others at their medians.

    Parameters
    ----------
    content : (site, latent), consensus content.
    draw : content (point, latent) and conditions (number,) or None for their mean -> upright
        pictures (point, channel, py, px).
    conditions : (value, number), values of the conditions, each for its own pictures of the first
        plane; None: all planes, of a model without conditions.
    picture : dimensions of what the model draws.

    Returns
    -------
    Variables of ``latents.zarr``: ``plane_decoded`` (plane, plane_told, plane_step_y, plane_step_x,
    *picture), ``plane_latents`` (plane, end) the numbers of the latents along x and y, −1 where a
    model has one latent alone, ``plane_x``, ``plane_y`` (plane, step) the values decoded, rising.
    """
    count = content.shape[1]
    low, high = np.percentile(content, [REACH, 100 - REACH], axis=0)
    high = np.where(high > low, high, low + 1e-6)
    middle = np.median(content, 0)
    pairs = list(combinations(range(min(count, MOST_LATENTS)), 2)) or [(0, -1)]
    if conditions is not None:
        pairs = pairs[:1]
    decoded, along_x, along_y = [], [], []
    for first, second in pairs:
        x = np.linspace(low[first], high[first], STEPS)
        y = np.zeros(1) if second < 0 else np.linspace(low[second], high[second], STEPS)
        points = np.tile(middle, (len(y) * len(x), 1))
        points[:, first] = np.tile(x, len(y))
        if second >= 0:
            points[:, second] = np.repeat(y, len(x))
        drawn = [draw(points, row) for row in ([None] if conditions is None else conditions)]
        shape = (len(drawn), len(y), len(x), *drawn[0].shape[1:])
        decoded.append(np.stack(drawn).reshape(shape))
        along_x.append(x)
        along_y.append(y)
    return {
        "plane_decoded": (
            ("plane", "plane_told", "plane_step_y", "plane_step_x", *picture),
            np.stack(decoded).astype(np.float32),
            {"long_name": "decoded pictures over planes of two latents"},
        ),
        "plane_latents": (
            ("plane", "end"),
            np.array([[a + 1, b + 1 if b >= 0 else -1] for a, b in pairs]),
            {"long_name": "numbers of the latents along x and y"},
        ),
        "plane_x": (("plane", "plane_step_x"), np.stack(along_x), {"long_name": "latent along x"}),
        "plane_y": (("plane", "plane_step_y"), np.stack(along_y), {"long_name": "latent along y"}),
    }
