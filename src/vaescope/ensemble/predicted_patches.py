"""Patches predicted from spectra: what is drawn at the angle that each spectrum says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from dask.array import from_array

from vaescope.ensemble.align import Frame, angle_offset, in_frame
from vaescope.ensemble.angle_of_spectra import SpectrumAngle, angle_of_spectra
from vaescope.ensemble.consensus import AlignedMembers
from vaescope.ensemble.encode import Encoding, decode
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.members import Member
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch
from vaescope.models.views import PATCH, SPECTRUM, VIEWS
from vaescope.quantities import attributes
from vaescope.samples import loading

ROWS = 256  # sites predicted at once
DRAWS = 16  # of what a spectrum leaves open, by every member


def angles(
    source: PatchSource, view: AlignedMembers, held_out: np.ndarray, symmetry: int
) -> SpectrumAngle:
    """The angle that each spectrum alone says, learned from those of patches not held out.

    Parameters
    ----------
    view : the members' consensus, which has an angle.
    held_out : (site,) bool.
    symmetry : of the patches.
    """
    samples, angle = source.patches, view.consensus_angle
    assert angle is not None
    offset = view.consensus_parts.get("offset", np.zeros((len(angle), 2)))
    pitch = float(samples.attrs.get("pitch", 1.0))  # offsets are in px of the image

    def spectra(rows: np.ndarray) -> np.ndarray:
        return loading.load(samples.isel(site=rows), VIEWS[SPECTRUM])[0][:, 0, 0]

    def pictures(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return loading.load(samples.isel(site=rows), VIEWS[PATCH])[0], offset[rows] / pitch

    counts = bool(samples.attrs.get("spectra_counts", 0)) and "spectrum_scale" not in samples
    return angle_of_spectra(spectra, angle, ~held_out, symmetry, counts, pictures)


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


class Members(Protocol):
    """What the members say, and what brings them into one frame (``mapping.Agreement``)."""

    @property
    def ensemble(self) -> Sequence[Member]: ...
    @property
    def encodings(self) -> Sequence[Encoding]: ...
    @property
    def gauges(self) -> Sequence[Gauge | None]: ...
    @property
    def kept(self) -> np.ndarray: ...
    @property
    def reference(self) -> int: ...
    @property
    def frame(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Turned:
    """How a member turns what it draws of spectra: the ``offset`` and ``sign`` that bring its own
    angles into the consensus frame, by its ``gauge``."""

    gauge: Gauge
    offset: float
    sign: int

    def of(self, member: Member, content: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Angles (row,) at which the member draws sites of content (row, latent) and of an angle
        (row,) in the consensus frame."""
        turn = self.gauge.of(decode(member, content)) + self.gauge.zero
        return self.sign * (angle - self.offset) - turn


def patches(
    agreed: Members, symmetry: int, found: SpectrumAngle | None, dims: tuple[str, str, str]
) -> dict[str, Any]:
    """Patches expected of spectra: a variable of ``latents.zarr``, on disk and not in memory.

    A mean over the members with a vote and over all that a spectrum leaves open: the content of the
    patch alone and where its structure lies, each as of any other site, and what is not known of
    the angle.

    Parameters
    ----------
    symmetry : of the patches. found : the angles that spectra say; None: patches have none.
    """
    voting = [k for k in range(len(agreed.ensemble)) if agreed.kept[k]]
    count, model = len(agreed.encodings[0].elbo), agreed.ensemble[0].model
    turned = {k: _turned(agreed, k, symmetry) for k in voting} if found is not None else {}
    random = np.random.default_rng(0)
    drawn = Scratch().empty((count, *model.target))
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        total = np.zeros((len(rows), *model.target), np.float32)
        for k in voting:
            member, encoding = agreed.ensemble[k], agreed.encodings[k]
            content = encoding.beside.get("spectrum_content", encoding.content)[rows]
            zero = np.zeros(len(rows))
            turn = turned[k].of(member, content, zero) if found is not None else zero
            for _ in range(DRAWS):
                angle = turn
                if found is not None:
                    angle = turn + turned[k].sign * _any_of(found, symmetry, rows, random)
                total += _drawn(member, encoding, content, angle, rows, random)
        drawn[start : start + len(rows)] = total / (len(voting) * DRAWS)
    lazy = from_array(drawn, chunks=(4096, -1, -1, -1))
    return {"predicted_patch": (("site", *dims), lazy, attributes("predicted patch", "1"))}


def _turned(agreed: Members, k: int, symmetry: int) -> Turned:
    own = agreed.gauges[k]
    assert own is not None
    frame = Frame(agreed.encodings, agreed.gauges, agreed.reference, symmetry, agreed.frame)
    return Turned(
        own, *angle_offset(in_frame(frame, k), in_frame(frame, agreed.reference), symmetry)
    )


def _any_of(
    found: SpectrumAngle, symmetry: int, rows: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Angles (row,) as likely as the spectra say, in the consensus frame."""
    ways = random.integers(found.order // symmetry, size=len(rows)) * (2 * np.pi / found.order)
    return found.angle[rows] + found.error[rows] * random.normal(size=len(rows)) + ways


@torch.no_grad()
def _drawn(
    member: Member,
    encoding: Encoding,
    content: np.ndarray,
    angle: np.ndarray,
    rows: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Patches (row, channel, height, width) of shared content (row, latent) at angles (row,), with
    all else as of sites at random."""
    model = member.model
    assert encoding.conditions is not None
    others = np.sort(random.integers(len(encoding.elbo), size=len(rows)))
    rest = np.zeros((len(rows), model.content_drawn - content.shape[1]), np.float32)
    if "private" in encoding.beside:
        rest = encoding.beside["private"][others][:, : rest.shape[1]]
    latents = {}
    if "offset" in encoding.parts:
        away = random.normal(size=(1, len(rows), 1, 2)) * np.std(encoding.parts["offset"].value[:])
        latents["offset"] = torch.from_numpy(away).float()
    whole = torch.from_numpy(np.concatenate([content, rest], 1)).float()
    poses = model.poses(torch.from_numpy(angle).float()[None, :, None], latents)
    conditions = torch.from_numpy(encoding.conditions[rows]).unsqueeze(0)
    shown = model.decode_rows(whole[None, :, None], poses, conditions)
    return model.likelihood.mean(shown)[0, :, 0].numpy()
