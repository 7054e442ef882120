"""Bringing the members of an ensemble into one frame of reference.

Members agree on the data, not on names: latents may be rotated, mirrored and scaled against each
other, classes permuted, angles shifted by a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from vaescope import circular
from vaescope.ensemble import lattice_offsets
from vaescope.ensemble.blocks import by_blocks

if TYPE_CHECKING:
    from vaescope.ensemble.encode import Encoding, OfSites
    from vaescope.ensemble.gauge import Gauge
    from vaescope.models.parts import Alignment


def procrustes(content: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, float]:
    """Rotate, mirror, scale and shift content (site, latent) onto the reference's.

    Returns
    -------
    The matrix (latent, latent) that acts on centred content from the right, scale included, and
    the share of the reference's variance that it explains.

    Source: Schönemann, Psychometrika 31 (1966) 1; Gower, Psychometrika 40 (1975) 33.
    """
    one = content - content.mean(0)
    other = reference - reference.mean(0)
    left, values, right = np.linalg.svd(one.T @ other)
    rotation = left @ right
    power = float((one**2).sum())
    scale = float(values.sum()) / power if power > 0 else 1.0
    total = float((other**2).sum())
    explained = float(values.sum()) ** 2 / (power * total) if power > 0 and total > 0 else 0.0
    return rotation * scale, explained


def principal_axes(content: np.ndarray) -> np.ndarray:
    """Rotation (latent, latent) of content onto its principal axes, signs fixed by skewness.

    It makes "latent 1" the direction in which the sites vary most, whatever the reference member
    happened to call it.
    """
    centred = content - content.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    turned = centred @ axes.T
    signs = np.where((turned**3).sum(0) < 0, -1.0, 1.0)
    return axes.T * signs


def match_classes(probability: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """For every class of the reference, the class that plays its part (Kuhn–Munkres).

    probability, reference: (site, class) -> (class,) indices into the columns of ``probability``.
    """
    from scipy.optimize import linear_sum_assignment

    overlap = reference.T @ probability
    _, columns = linear_sum_assignment(-overlap)
    return columns


def angle_offset(angle: np.ndarray, reference: np.ndarray, n: int) -> tuple[float, int]:
    """The constant (rad) and sign that bring angles (site,) onto the reference's, modulo 2 pi/n.

    The sign is -1 only if the mirrored angles agree clearly better.
    """
    best = (0.0, 1)
    agreement = -1.0
    for sign in (1, -1):
        apart = reference - sign * angle
        length = float(np.abs(np.exp(1j * n * apart).mean()))
        if length > agreement + 0.05:
            best, agreement = (float(circular.mean(apart, 2 * np.pi / n)), sign), length
    return best


def same_sign(value: np.ndarray, reference: np.ndarray, among: np.ndarray) -> np.ndarray:
    """A member's values (site,) with the sign that agrees with the reference member's on the sites
    ``among`` them (site,).

    A canonical picture turned by a right angle shears the other way.
    """
    own, other = value[among], reference[among]
    agreement = ((own - own.mean()) * (other - other.mean())).sum()
    return value if agreement >= 0 else -value


@dataclass(frozen=True)
class Frame:
    """What members are brought into one frame by: their ``encodings`` and ``gauges``, the
    ``reference`` member, ``n``, the symmetry of the angle, and ``among`` (site,), the sites from
    which it follows how the members lie to each other."""

    encodings: Sequence[Encoding]
    gauges: Sequence[Gauge | None]
    reference: int
    n: int
    among: np.ndarray

    def values(self, name: str) -> Iterator[np.ndarray]:
        """A part of the pose by every member (site, …), in the frame of each."""
        return (encoding.parts[name].value[:] for encoding in self.encodings)

    def errors(self, name: str) -> Iterator[np.ndarray]:
        """The standard deviations (site, …) of a part of the pose by every member."""
        return (encoding.parts[name].sd[:] for encoding in self.encodings)


def in_frame(frame: Frame, k: int, name: str = "angle") -> np.ndarray:
    """Angles (site,) of the k-th member from its gauge's zero, modulo 2 pi/n."""
    own = frame.gauges[k]
    assert own is not None
    angle = frame.encodings[k].parts[name].value[:]
    return circular.wrap(angle + own.turn + own.zero, 2 * np.pi / frame.n)


def angles(frame: Frame, name: str) -> Iterator[np.ndarray]:
    """Angles (site,) of every member, turned and mirrored onto the reference's, modulo 2 pi/n."""
    target = in_frame(frame, frame.reference, name)
    for k in range(len(frame.encodings)):
        angle = in_frame(frame, k, name)
        apart = angle_offset(angle[frame.among], target[frame.among], frame.n)
        yield apply_angle(angle, *apart, frame.n)


def angle_errors(frame: Frame, name: str) -> Iterator[np.ndarray]:
    """Standard deviation (site,) of every member's angle modulo 2 pi/n: its own, and between
    turns."""
    for encoding in frame.encodings:
        weight, own, turns = encoding.turn_weight, encoding.parts[name].sd, encoding.turns
        assert weight is not None
        yield by_blocks(partial(_angle_error, weight, own, turns, frame.n), len(own))


def _angle_error(
    weight: OfSites, own: OfSites, turns: np.ndarray, n: int, rows: slice
) -> np.ndarray:
    step = float(turns[1] - turns[0]) if len(turns) > 1 else 2 * np.pi
    moment = np.abs((weight[rows] * np.exp(1j * n * turns)).sum(1))
    # Neighbouring turns that meet half-way are one answer: only what lies beyond the width of the
    # grid's step is doubt.
    between = -2 * np.log(np.clip(moment, 1e-12, 1.0)) / n**2
    between = np.where(between < (step / 2) ** 2, 0.0, between)
    return np.sqrt(own[rows] ** 2 + between)


def about_median(frame: Frame, name: str) -> Iterator[np.ndarray]:
    """Values (site, …) of every member less their median: a member's zero is its own."""
    for values in frame.values(name):
        yield values - np.median(values[frame.among], axis=0)


def along_axes(frame: Frame, name: str) -> Iterator[np.ndarray]:
    """Values (site,) of every member with the sign that pictures give them that lie across, and
    with that of the reference."""

    def signed(k: int) -> np.ndarray:
        values, own = frame.encodings[k].parts[name].value[:], frame.gauges[k]
        return values if own is None else values * own.sense.astype(float)

    like = signed(frame.reference)
    for k in range(len(frame.encodings)):
        values = signed(k)
        yield same_sign(values, like, frame.among)


def on_cell(frame: Frame, name: str) -> Iterator[np.ndarray]:
    """Offsets (site, 2) of every member modulo the unit cell, from the reference's zero."""
    return lattice_offsets.aligned(frame.encodings, frame.reference, name, frame.among)


ALIGNED: dict[Alignment, Callable[[Frame, str], Iterator[np.ndarray]]] = {
    "circular": angles,
    "median": about_median,
    "axes": along_axes,
    "same": Frame.values,
    "cell": on_cell,
}
"""Alignment of a part of the pose -> its values by every member in the reference's frame."""

ERRORS: dict[Alignment, Callable[[Frame, str], Iterator[np.ndarray]]] = {"circular": angle_errors}
"""Alignment -> the standard deviations, where they are not just those of the members."""


def bounds(encodings: Sequence[Encoding], among: np.ndarray) -> np.ndarray:
    """Mean evidence lower bound (member,) of the sites ``among`` all (site,), nats."""
    return np.array([encoding.elbo[:][among].mean() for encoding in encodings])


def leader(bound: np.ndarray, retained: np.ndarray) -> int:
    """The member with the best bound (member,) of those with a vote: the frame of reference of
    all."""
    return int(np.where(retained, bound, -np.inf).argmax())


def apply_angle(angle: np.ndarray, offset: float, sign: int, n: int) -> np.ndarray:
    """Angles in the reference's frame, wrapped modulo 2 pi / n."""
    return circular.wrap(sign * angle + offset, 2 * np.pi / n)


def sound(elbo: np.ndarray, limit: float = 4.0) -> np.ndarray:
    """Members whose bound does not fall far behind: (member,) mean ELBO -> (member,) bool.

    Behind means more than ``limit`` robust standard deviations below the median (and by more than
    2 % of the spread that training gained): a member stuck in a poor optimum has no vote.
    """
    median = np.median(elbo)
    deviation = 1.4826 * np.median(np.abs(elbo - median))
    tolerance = max(limit * deviation, 0.02 * abs(median), 1.0)
    return np.asarray(elbo >= median - tolerance)
