"""What an ensemble predicts of a view that its encoders do not see, with a band of what would be
measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from dask.array import from_array

from vaescope import circular
from vaescope.ensemble.align import Frame, angle_offset, apply_angle, in_frame
from vaescope.ensemble.encode import Encoding, decode
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.members import Member
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch
from vaescope.models.beside import angle_of
from vaescope.quantities import CRITICISM, attributes

DRAWS = 8  # of the content of every site, by every member
ROWS = 256  # sites predicted at once

Draw = Callable[[Member, Encoding, np.ndarray, torch.Generator], np.ndarray]
"""One prediction (row, energy) of sites (row,) by a member, with content drawn at random."""


@dataclass(frozen=True)
class Predicted:
    """``mean``, ``low``, ``high`` (site, energy): the band holds 68 % of what would be measured if
    the model is right."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def variables(self) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
        dims = ("site", "energy")
        ends = "end of the 68 % band of what would be measured"
        return {
            "predicted_spectrum": (dims, self.mean, attributes("predicted spectrum", "1")),
            "predicted_spectrum_low": (dims, self.low, attributes(f"lower {ends}", "1")),
            "predicted_spectrum_high": (dims, self.high, attributes(f"upper {ends}", "1")),
        }


def spectra(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    kept: np.ndarray,
    draw: Draw,
    channels: int,
) -> Predicted:
    """Predict the spectra of all sites by the members with a vote.

    The variance of what would be measured is that of the noise, that of the members' predictions,
    and that which the content leaves open, of which some values are drawn (law of total variance).

    Parameters
    ----------
    ensemble, encodings : the members and what they say of the sites. kept : (member,) bool.
    draw : predicts once.
    channels : of a spectrum.
    """
    count = len(encodings[0].elbo)
    mean = np.empty((count, channels), np.float32)
    sd = np.empty_like(mean)
    voting = [k for k in range(len(ensemble)) if kept[k]]
    generators = {k: torch.Generator().manual_seed(ensemble[k].seed % 2**63) for k in voting}
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        total, squares, noise = (np.zeros((len(rows), channels)) for _ in range(3))
        for k in voting:
            for _ in range(DRAWS):
                one = draw(ensemble[k], encodings[k], rows, generators[k])
                total += one
                squares += one.astype(float) ** 2
                noise += _variance(ensemble[k], one)
        drawn = DRAWS * len(voting)
        middle = total / drawn
        mean[rows] = middle
        variance = np.maximum(squares / drawn - middle**2, 0) + noise / drawn
        sd[rows] = np.sqrt(variance)
    low = mean - sd
    counts = ensemble[0].model.spectrum_likelihood.highest is not None
    return Predicted(mean, np.maximum(low, 0) if counts else low, mean + sd)


def _variance(member: Member, mean: np.ndarray) -> np.ndarray:
    """Variance (row, energy) of the noise about means (row, energy)."""
    model = member.model
    sigma = model.spectrum_noise()[0].detach().exp()[0]
    return model.spectrum_likelihood.variance(torch.from_numpy(mean), sigma).numpy()


@torch.no_grad()
def from_content(
    member: Member, encoding: Encoding, rows: np.ndarray, generator: torch.Generator
) -> np.ndarray:
    """One spectrum (row, energy) for each of some sites, from content drawn from its posterior."""
    content = torch.from_numpy(encoding.content[rows])
    sd = torch.from_numpy(encoding.content_sd[rows])
    drawn = content + sd * torch.randn(content.shape, generator=generator)
    assert encoding.pose is not None and encoding.conditions is not None
    poses, conditions = (
        torch.from_numpy(a[rows]).unsqueeze(0) for a in (encoding.pose, encoding.conditions)
    )
    shown = member.model.decode_rows(drawn[None, :, None], poses.unsqueeze(2), conditions)
    return member.model.likelihood.mean(shown)[0, :, 0, 0, 0].numpy()


@torch.no_grad()
def from_patch(
    member: Member, encoding: Encoding, rows: np.ndarray, generator: torch.Generator
) -> np.ndarray:
    """One spectrum (row, energy) for each of some sites given their patches alone: shared content
    drawn from its posterior, that of the spectrum from its prior."""
    beside, given = member.model.beside, encoding.beside
    assert beside is not None and encoding.conditions is not None
    content, sd, angle = (
        torch.from_numpy(given[name][rows]) for name in ("content", "content_sd", "angle")
    )
    shared = content + sd * torch.randn(content.shape, generator=generator)
    own = torch.randn(len(rows), member.settings.private_spectrum, generator=generator)
    drawn = torch.cat([shared, own], -1)
    conditions = torch.from_numpy(encoding.conditions[rows]).unsqueeze(0)
    return beside.mean(drawn[None, :, None], angle[None, :, None], conditions)[0, :, 0].numpy()


@torch.no_grad()
def patch_of_spectrum(
    member: Member, encoding: Encoding, order: int, rows: np.ndarray
) -> np.ndarray:
    """The patches (row, channel, height, width) expected at some sites given their spectra alone,
    at the angle that the spectrum says, modulo 2π/``order``."""
    model, given = member.model, encoding.beside
    assert encoding.conditions is not None
    content = torch.from_numpy(given["spectrum_content"][rows])
    average = content.new_zeros(len(rows), model.content_drawn - content.shape[1])
    angle = torch.zeros(len(rows))
    if "spectrum_mixture" in given:
        angle = angle_of(torch.from_numpy(given["spectrum_mixture"][rows]), order)[0].float()
    poses = model.poses(angle[None, :, None], {})
    conditions = torch.from_numpy(encoding.conditions[rows]).unsqueeze(0)
    shown = model.decode_rows(torch.cat([content, average], -1)[None, :, None], poses, conditions)
    return model.likelihood.mean(shown)[0, :, 0].numpy()


def patches(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    kept: np.ndarray,
    order: int,
    dims: tuple[str, str, str],
) -> dict[str, Any]:
    """Patches predicted from spectra, a mean over the members with a vote: a variable of
    ``latents.zarr``, on disk and not in memory."""
    model = ensemble[0].model
    count = len(encodings[0].elbo)
    found = Scratch().empty((count, *model.target))
    voting = [k for k in range(len(ensemble)) if kept[k]]
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        total = np.zeros((len(rows), *model.target), np.float32)
        for k in voting:
            total += patch_of_spectrum(ensemble[k], encodings[k], order, rows)
        found[start : start + len(rows)] = total / len(voting)
    lazy = from_array(found, chunks=(4096, -1, -1, -1))
    return {"predicted_patch": (("site", *dims), lazy, attributes("predicted patch", "1"))}


def angles(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    gauges: Sequence[Gauge | None],
    kept: np.ndarray,
    reference: int,
    order: int,
) -> dict[str, Any]:
    """The angle of the patch that each spectrum alone says, in the frame of ``consensus_angle``:
    its mean over the members and its standard error, as variables of ``latents.zarr``."""
    period = 2 * np.pi / order
    frame = Frame(encodings, gauges, reference, order)
    target, found, spreads = in_frame(frame, reference), [], []
    for k in range(len(ensemble)):
        own, given = gauges[k], encodings[k].beside
        if not kept[k] or own is None:
            continue
        mixture, content = torch.from_numpy(given["spectrum_mixture"][:]), given["spectrum_content"]
        value, sd = (part.numpy() for part in angle_of(mixture, order))
        turn = np.concatenate(
            [
                own.of(decode(ensemble[k], content[start : start + ROWS]))
                for start in range(0, len(value), ROWS)
            ]
        )
        offset, sign = angle_offset(in_frame(frame, k), target, order)
        found.append(apply_angle(value + turn + own.zero, offset, sign, order))
        spreads.append(sd)
    mean = circular.mean(np.stack(found), period, axis=0)
    between = circular.spread(np.stack(found), period, axis=0)
    error = np.sqrt(between**2 + np.square(spreads).mean(0))
    words = "angle from the spectrum"
    about = attributes(words, "rad", "cyclic", error="spectrum_angle_spread", period=period)
    of_error = attributes(f"uncertainty of the {words}", "rad")
    return {
        "spectrum_angle": (("site",), mean, about),
        "spectrum_angle_spread": (
            ("site",),
            error,
            of_error,
        ),
    }


def nats(encodings: Sequence[Encoding], kept: np.ndarray) -> dict[str, Any]:
    """How much of the content the views share and each has alone, in nats: the divergence from the
    prior, a mean over the members with a vote, as variables of ``latents.zarr``."""
    said = [e.beside["nats"][:] for e, vote in zip(encodings, kept, strict=True) if vote]
    mean = np.mean(said, axis=0)
    words = ("shared by both views", "of the patch alone", "of the spectrum alone")
    names = ("nats_shared", "nats_patch", "nats_spectrum")
    return {
        name: ("site", mean[:, k], attributes(f"content {words[k]}", "nats", group=CRITICISM))
        for k, name in enumerate(names)
    }


def held_out(source: PatchSource) -> dict[str, Any]:
    """Which sites were held out of training, as a variable of ``latents.zarr``."""
    mask = np.concatenate([data.held_out for _, data in source.blocks()])
    about = attributes("held out of training", "1")
    return {"held_out": (("site",), mask, about)}
