"""Spectra decoded beside patches all over the latent plane, by models of both views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from vaescope.ensemble.consensus import AlignedMembers
from vaescope.ensemble.decoded import grid_points
from vaescope.ensemble.encode import decode
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.members import Member
from vaescope.ensemble.planes import decode_planes


def over_planes(
    view: AlignedMembers,
    ensemble: Sequence[Member],
    gauges: Sequence[Gauge | None],
    conditions: np.ndarray,
) -> dict[str, Any]:
    """Decode the spectra of the pictures in ``decoded_grid`` and ``plane_decoded``.

    Returns
    -------
    Variables of ``latents.zarr``: ``decoded_grid_spectrum`` (grid_row, grid_column, energy) and
    ``plane_spectrum`` (plane, plane_told, plane_step_y, plane_step_x, energy), by the reference
    member, conditions (site, condition) at their mean; nothing of a model that decodes one view.
    """
    member, gauge = ensemble[view.reference], gauges[view.reference]
    beside = member.model.beside
    if beside is None:
        return {}
    mean = conditions.mean(0, keepdims=True)

    def draw(points: np.ndarray, row: np.ndarray | None = None) -> np.ndarray:
        content = points @ view.to_native + view.centre
        given = mean if row is None else row[None]
        return _spectra(member, gauge, content, np.repeat(given, len(content), 0))

    first, second, points = grid_points(view)
    grid = draw(points)
    planes = decode_planes(view.consensus_content, draw, None, ("energy",))
    dims, values, _ = planes["plane_decoded"]
    about = {"long_name": "spectra decoded over planes of two latents"}
    return {
        "decoded_grid_spectrum": (
            ("grid_row", "grid_column", "energy"),
            grid.reshape(len(second), len(first), -1),
            {"long_name": "spectra decoded over the plane of the first two latents"},
        ),
        "plane_spectrum": (dims, values, about),
    }


@torch.no_grad()
def _spectra(
    member: Member, gauge: Gauge | None, content: np.ndarray, conditions: np.ndarray
) -> np.ndarray:
    """Spectra (point, energy) of native content (point, latent), at the angle at which the picture
    of the same content is drawn; what is of the spectrum alone is average."""
    beside = member.model.beside
    assert beside is not None
    angle = np.zeros(len(content))
    if gauge is not None:
        angle = -(gauge.of(decode(member, content, conditions)) + gauge.zero)
    own = np.zeros((len(content), member.settings.private_spectrum))
    drawn, turn, given = (
        torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
        for values in (np.concatenate([content, own], 1), angle, conditions)
    )
    found = beside.mean(drawn[None, :, None], turn[None, :, None], given[None])
    return found[0, :, 0].numpy()
