"""Patches predicted from spectra: what is drawn at the angle that each spectrum says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from dask.array import from_array

from vaescope.ensemble.align import Frame, angle_offset, in_frame
from vaescope.ensemble.angle_of_spectra import SpectrumAngle, angle_of_spectra
from vaescope.ensemble.encode import Encoding, decode
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.members import Member
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch
from vaescope.models.views import SPECTRUM, VIEWS
from vaescope.quantities import attributes
from vaescope.samples import loading

ROWS = 256  # sites predicted at once
ANY = 12  # turns over which patches are averaged whose angle is not known


def angles(
    source: PatchSource, angle: np.ndarray, held_out: np.ndarray, symmetry: int
) -> SpectrumAngle:
    """The angle that each spectrum alone says, learned from those of patches not held out.

    Parameters
    ----------
    angle : (site,) rad, the consensus of the members given the patches.
    held_out : (site,) bool.
    symmetry : of the patches.
    """

    def spectra(rows: np.ndarray) -> np.ndarray:
        return loading.load(source.patches.isel(site=rows), VIEWS[SPECTRUM])[0][:, 0, 0]

    counts = bool(source.patches.attrs.get("spectra_counts", 0))
    scaled = "spectrum_scale" in source.patches
    return angle_of_spectra(spectra, angle, ~held_out, symmetry, counts and not scaled)


def variables(found: SpectrumAngle) -> dict[str, Any]:
    """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
    words = "angle from the spectrum"
    about = attributes(
        words, "rad", "cyclic", error="spectrum_angle_spread", period=2 * np.pi / found.order
    )
    of_error = attributes(f"uncertainty of the {words}", "rad")
    known = {"symmetry": found.order, "nats": found.nats}
    return {
        "spectrum_angle": ("site", found.angle, {**about, **known}),
        "spectrum_angle_spread": ("site", found.error, of_error),
    }


@dataclass(frozen=True)
class Turned:
    """How a member turns what it draws of spectra: ``angle`` (site,) in the consensus frame, and
    the ``offset`` and ``sign`` that bring its own angles there, by its ``gauge``."""

    angle: np.ndarray
    gauge: Gauge
    offset: float
    sign: int

    def of(self, member: Member, content: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Angles (row,) at which the member draws some sites of content (row, latent)."""
        turn = self.gauge.of(decode(member, content)) + self.gauge.zero
        return self.sign * (self.angle[rows] - self.offset) - turn


def patches(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    gauges: Sequence[Gauge | None],
    kept: np.ndarray,
    reference: int,
    symmetry: int,
    found: SpectrumAngle | None,
    dims: tuple[str, str, str],
) -> dict[str, Any]:
    """Patches expected of spectra, a mean over the members with a vote and over the angles that a
    spectrum does not tell apart: a variable of ``latents.zarr``, on disk and not in memory."""
    model = ensemble[0].model
    count = len(encodings[0].elbo)
    drawn = Scratch().empty((count, *model.target))
    voting = [k for k in range(len(ensemble)) if kept[k]]
    frame = Frame(encodings, gauges, reference, symmetry)
    turned: dict[int, Turned] = {}
    for k in voting if found is not None else []:
        own = gauges[k]
        assert own is not None and found is not None
        offset = angle_offset(in_frame(frame, k), in_frame(frame, reference), symmetry)
        turned[k] = Turned(found.angle, own, *offset)
    steps: np.ndarray = np.zeros(1)
    if found is not None:
        number = found.order // symmetry if found.nats else ANY
        steps = np.arange(number) * (2 * np.pi / symmetry / number)
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        total = np.zeros((len(rows), *model.target), np.float32)
        for k in voting:
            given = encodings[k].beside.get("spectrum_content", encodings[k].content)[rows]
            angle = turned[k].of(ensemble[k], given, rows) if turned else np.zeros(len(rows))
            for step in steps:
                total += _drawn(ensemble[k], encodings[k], given, angle + step, rows)
        drawn[start : start + len(rows)] = total / (len(voting) * len(steps))
    lazy = from_array(drawn, chunks=(4096, -1, -1, -1))
    return {"predicted_patch": (("site", *dims), lazy, attributes("predicted patch", "1"))}


@torch.no_grad()
def _drawn(
    member: Member, encoding: Encoding, content: np.ndarray, angle: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Patches (row, channel, height, width) of shared content (row, latent) at angles (row,)."""
    model = member.model
    assert encoding.conditions is not None
    average = np.zeros((len(content), model.content_drawn - content.shape[1]), np.float32)
    whole = torch.from_numpy(np.concatenate([content, average], 1)).float()
    poses = model.poses(torch.from_numpy(angle).float()[None, :, None], {})
    conditions = torch.from_numpy(encoding.conditions[rows]).unsqueeze(0)
    shown = model.decode_rows(whole[None, :, None], poses, conditions)
    return model.likelihood.mean(shown)[0, :, 0].numpy()
