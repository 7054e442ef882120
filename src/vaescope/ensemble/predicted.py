"""What an ensemble predicts of a view that its encoders do not see, with a band of what would be
measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vaescope.ensemble.encode import Encoding
from vaescope.ensemble.members import Member
from vaescope.ensemble.source import PatchSource
from vaescope.quantities import CRITICISM, attributes

DRAWS = 8  # of the content of every site, by every member
ROWS = 256  # sites predicted at once
FEWEST = 24  # sites held out, without which sharing is judged on all

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


def nats(encodings: Sequence[Encoding], kept: np.ndarray, apart: np.ndarray) -> dict[str, Any]:
    """How much of the content the views share and each has alone, in nats, as variables of
    ``latents.zarr``: means over the members with a vote.

    What is shared is the mutual information of the shared content that each view alone says, as of
    normal distributions, at sites ``apart`` (site,) from training: there no encoder has seen which
    patch and which spectrum belong together. A site has the log ratio whose mean that is. The
    content of one view alone is the divergence of its private latents from their prior.
    """
    rows = np.flatnonzero(apart) if apart.sum() >= FEWEST else np.arange(len(apart))
    found = []
    for encoding, vote in zip(encodings, kept, strict=True):
        if vote:
            given = encoding.beside
            views = given["content"][:].astype(float), given["spectrum_content"][:].astype(float)
            said = given["nats"][:]
            found.append(np.stack([_shared(*views, rows), said[:, 1], said[:, 2]], 1))
    mean = np.mean(found, axis=0)
    words = ("shared by both views", "of the patch alone", "of the spectrum alone")
    names = ("nats_shared", "nats_patch", "nats_spectrum")
    return {
        name: ("site", mean[:, k], attributes(f"content {words[k]}", "nats", group=CRITICISM))
        for k, name in enumerate(names)
    }


def _shared(one: np.ndarray, other: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Log ratio (site,) of the joint density of two contents (site, latent) and the product of
    theirs, normal ones fitted to ``rows``; of each of these to the other half of them."""
    both = np.concatenate([one, other], 1)
    both = (both - both[rows].mean(0)) / np.maximum(both[rows].std(0), 1e-9)
    width = one.shape[1]
    parts = (slice(0, 2 * width), 1), (slice(0, width), -1), (slice(width, 2 * width), -1)

    def ratio(fitted: np.ndarray, asked: np.ndarray) -> np.ndarray:
        total = np.zeros(len(asked))
        for part, sign in parts:
            known = both[fitted][:, part]
            covariance = np.atleast_2d(np.cov(known.T)) + 1e-3 * np.eye(known.shape[1])
            off = both[asked][:, part] - known.mean(0)
            distance = (off @ np.linalg.inv(covariance) * off).sum(1)
            total -= sign * 0.5 * (distance + np.linalg.slogdet(covariance)[1])
        return total

    found = ratio(rows, np.arange(len(both)))
    for half in (0, 1):
        found[rows[half::2]] = ratio(rows[1 - half :: 2], rows[half::2])
    return found


def held_out(source: PatchSource) -> dict[str, Any]:
    """Which sites were held out of training, as a variable of ``latents.zarr``."""
    mask = np.concatenate([data.held_out for _, data in source.blocks()])
    about = attributes("held out of training", "1")
    return {"held_out": (("site",), mask, about)}
