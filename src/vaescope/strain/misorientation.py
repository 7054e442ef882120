"""Relate the grains of an image: the angles between them, and the distortion that they share.

A distorted image (a scan that is slower or skewed along one direction) distorts every grain alike,
and a distortion does not turn with the grain. Two grains of one crystal, which should differ by a
rotation alone, then also differ by a strain; the distortion D is what makes them congruent. With A
the deformation from one grain to the other, D^-1 A D = R, a rotation. So A leaves the quadratic
form of (D D^T)^-1 as it is, and this form follows from A up to a factor; every other pairing of
their vectors would need another D. Of all pairings, that with the least distortion is taken.

D has no part that only changes the scale. A strain that all grains have in common cannot be told
apart from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope import circular, deformation
from vaescope.strain.pairing import CHANGES, carrying, fold, relate, size

_USUAL = 0.05  # standard deviation of an image's distortion before anything is measured
_LEFT = 0.01  # and of the strain by which grains differ all the same
_CONGRUENT = 0.03  # largest strain between grains of one crystal in an image without distortion
_LEAST = 1e-3  # of the strain of a grain: no calibration is better
_SYMMETRIC = 0.04  # norm of the strain within which a lattice counts as symmetric
_AS_GOOD = 1.5  # times the distortion that the pairing taken needs: another may be the true one
_SLACK = 0.02  # and added to it: the distortion that any image may have
_OTHER = np.radians(5)  # by which angles differ that are not the same
_INDEPENDENT = 40  # sites that tell as much as one: strain that varies slowly does not average out


@dataclass
class Measured:
    """What is known of one grain: ``vectors`` (2, 2) px of its reference, the standard deviations
    of strain and ``turn`` (rad) within it, and the number of its ``sites``."""

    vectors: np.ndarray
    strain: float
    turn: float
    sites: int

    @property
    def error(self) -> float:
        """Standard error of a strain of its vectors."""
        return max(self.strain / np.sqrt(max(self.sites / _INDEPENDENT, 1.0)), _LEAST)


@dataclass
class Distortion:
    """The distortion of an image: the ``ratio`` of its axes, the ``direction`` in rad along which
    it is stretched, counter-clockwise from x and modulo pi; ``strain`` (3,) as a logarithm, the
    ``error`` of its components, and ``left``, the largest strain between grains that it leaves."""

    ratio: float
    direction: float
    strain: np.ndarray
    error: float
    left: float


@dataclass
class Misorientation:
    """By how much the grain ``second`` is turned against ``first``: ``angle`` and its ``error`` in
    rad, modulo ``period``; ``strain`` (3,) of its lattice from that of the first in the image as it
    is; ``rivals``, angles in rad that a similar distortion of the image explains as well."""

    first: int
    second: int
    angle: float
    error: float
    period: float
    strain: np.ndarray
    rivals: list[float]


def shared_distortion(grains: list[Measured]) -> Distortion | None:
    """Find the distortion that makes the lattices of all grains congruent.

    None where there are fewer than two grains, where they are turned by too little to tell, or
    where no distortion makes them alike, as grains of two phases.
    """
    found, weight = [], []
    for i, one in enumerate(grains):
        for other in grains[i + 1 :]:
            carry = _pairing(one.vectors, other.vectors)
            own = _distortion_of(carry)
            if own is not None:
                error = np.hypot(one.error, other.error) / (2 * own[1])
                found.append(own[0])
                weight.append(error**-2)
    if not found:
        return None
    total = float(np.sum(weight))
    mean = np.average(found, axis=0, weights=weight)
    # Pairs of three grains share grains: their number does not make the mean better.
    error = float(np.sqrt(len(found) / total)) if len(grains) < 3 else float(max(weight) ** -0.5)
    undo = np.linalg.inv(deformation.join(mean, 0.0))
    before = _differences([grain.vectors for grain in grains])
    after = _differences([grain.vectors @ undo.T for grain in grains])
    if error > _USUAL / 2 or after >= before or after > _CONGRUENT:
        return None
    large, axes = np.linalg.eigh(np.array([[mean[0], mean[2]], [mean[2], mean[1]]]))
    direction = float(circular.wrap(np.arctan2(-axes[1, 1], axes[0, 1]), np.pi))
    return Distortion(float(np.exp(large[1] - large[0])), direction, mean, error, after)


def misorientations(
    grains: list[Measured], distortion: Distortion | None = None
) -> list[Misorientation]:
    """Find by how much every two grains are turned against each other, without the distortion.

    The angle is the least rotation, modulo the symmetry of the first grain's lattice, by which its
    lattice becomes the second one with the least strain. The error is the standard deviation of the
    rotation within the two grains, combined.
    """
    undo = np.eye(2)
    if distortion is not None:
        undo = np.linalg.inv(deformation.join(distortion.strain, 0.0))
    straight = [grain.vectors @ undo.T for grain in grains]
    found = []
    for i, one in enumerate(grains):
        for j in range(i + 1, len(grains)):
            period = 2 * np.pi / fold(straight[i], _SYMMETRIC)
            change, _, turn = relate(straight[i], straight[j])
            strain, _ = deformation.split(carrying(one.vectors, change @ grains[j].vectors))
            angle = float(circular.wrap(turn, period))
            error = float(np.hypot(one.turn, grains[j].turn))
            rivals = []
            if distortion is not None and len(grains) == 2:  # of more, the others decide
                much = float(size(distortion.strain))
                rivals = _rivals(one.vectors, grains[j].vectors, angle, period, much)
            found.append(Misorientation(i, j, angle, error, period, strain, rivals))
    return found


def _rivals(
    one: np.ndarray, other: np.ndarray, angle: float, period: float, much: float
) -> list[float]:
    """Angles in rad between two lattices by other pairings of their vectors, where these need
    hardly more distortion of the image than the pairing taken, which needs ``much``; the least
    distortion first."""
    found: list[tuple[float, float]] = []
    for carry in carrying(one, CHANGES @ other):
        own = _distortion_of(carry)
        if own is None or size(own[0]) > _AS_GOOD * much + _SLACK:
            continue
        undo = np.linalg.inv(deformation.join(own[0], 0.0))
        turn = deformation.split((undo @ carry @ np.linalg.inv(undo))[None])[1][0]
        turn = float(circular.wrap(turn, min(period, 2 * np.pi / fold(one @ undo.T, _SYMMETRIC))))
        found.append((float(size(own[0])), turn))
    rivals: list[float] = []
    for _, turn in sorted(found):
        if all(abs(circular.wrap(turn - known, period)) > _OTHER for known in [angle, *rivals]):
            rivals.append(turn)
    return rivals


def _pairing(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The deformation (2, 2) from one lattice to another, of all pairings, that a small distortion
    of the image explains best."""
    every = carrying(one, CHANGES @ other)
    strain, turn = deformation.split(every)
    mean = (strain[:, 0] + strain[:, 1]) / 2
    bare = strain - mean[:, None] * np.array([1.0, 1.0, 0.0])
    explained = (2 * _USUAL * np.sin(turn)) ** 2 + _LEFT**2
    cost = size(bare) ** 2 / explained + 0.1 * np.abs(turn)
    return np.asarray(every[np.nanargmin(cost)])


def _distortion_of(carry: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Distortion (3,) of an image in which a rotation became ``carry`` (2, 2), and the sine of the
    rotation; None where no distortion does so."""
    plain = carry / np.sqrt(np.linalg.det(carry))
    cosine = np.trace(plain) / 2
    if abs(cosine) >= 1:
        return None
    sine = float(np.sqrt(1 - cosine**2))
    form = np.array([[0.0, 1.0], [-1.0, 0.0]]) @ (plain - cosine * np.eye(2)) / sine
    form = (form + form.T) / 2 * np.sign(np.trace(form))
    value, axes = np.linalg.eigh(form)
    if value[0] <= 0:
        return None
    log = (axes * (-0.5 * np.log(value))) @ axes.T
    return np.array([log[0, 0], log[1, 1], log[0, 1]]), sine


def _differences(bases: list[np.ndarray]) -> float:
    """Largest component of a strain by which any two lattices differ."""
    found = [0.0]
    for i, one in enumerate(bases):
        found += [float(np.abs(relate(one, other)[1]).max()) for other in bases[i + 1 :]]
    return max(found)
