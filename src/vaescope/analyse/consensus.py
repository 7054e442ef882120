"""What the members of an ensemble agree on, and how far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vaescope.analyse import align, symmetry
from vaescope.analyse.blocks import by_blocks, stack
from vaescope.analyse.encode import Encoding, OfSites
from vaescope.analyse.gauge import Gauge
from vaescope.analyse.stability import dissolve


@dataclass
class View:
    """All members in the reference's frame; arrays as in ``latents.zarr``."""

    kept: np.ndarray
    reference: int
    n: int
    agreement: np.ndarray  # (member,) share of the reference's content explained
    elbo: np.ndarray
    content: np.ndarray
    content_sd: np.ndarray
    to_native: np.ndarray  # consensus axes -> the reference member's own content
    centre: np.ndarray
    angle: np.ndarray | None = None
    angle_sd: np.ndarray | None = None
    offset: np.ndarray | None = None
    offset_sd: np.ndarray | None = None
    strain: np.ndarray | None = None
    strain_sd: np.ndarray | None = None
    scale: np.ndarray | None = None
    scale_sd: np.ndarray | None = None
    shear: np.ndarray | None = None
    shear_sd: np.ndarray | None = None
    class_probability: np.ndarray | None = None
    asked_probability: np.ndarray | None = None  # mean over the members, before any class goes
    asked_stability: np.ndarray | None = None
    asked_left: np.ndarray | None = None  # which of the classes asked for are left

    @cached_property
    def consensus_content(self) -> np.ndarray:
        return self._voted(_mean, self.content)

    @cached_property
    def consensus_angle(self) -> np.ndarray | None:
        if self.angle is None:
            return None
        return self._voted(lambda angle: symmetry.circular_mean(angle, self.n, axis=0), self.angle)

    @cached_property
    def mean_probability(self) -> np.ndarray | None:
        probability = self.class_probability
        return None if probability is None else self._voted(_mean, probability)

    @cached_property
    def consensus_class(self) -> np.ndarray | None:
        mean = self.mean_probability
        return None if mean is None else mean.argmax(1)

    @property
    def class_count(self) -> np.ndarray | None:
        if self.class_probability is None or self.consensus_class is None:
            return None
        return np.bincount(self.consensus_class, minlength=self.class_probability.shape[2])

    @property
    def dissolved(self) -> int:
        """How many classes the members did not find again."""
        if self.asked_stability is None or self.asked_left is None:
            return 0
        return len(self.asked_stability) - len(self.asked_left)

    def _voted(self, of: Callable[..., np.ndarray], *values: np.ndarray) -> np.ndarray:
        """What ``of`` says of values (member, site, …) of the members with a vote: (site, …)."""

        def some(rows: slice) -> np.ndarray:
            return of(*(value[self.kept, rows] for value in values))

        return by_blocks(some, values[0].shape[1])

    def variables(self) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
        kept = self.kept
        member, site = "member", "site"
        out: dict[str, Any] = {
            "elbo": ((member, site), self.elbo, _about("evidence lower bound", "nats")),
            "member_kept": ((member,), kept, _about("member has a vote in the consensus", "1")),
            "content_agreement": (
                (member,),
                self.agreement,
                _about("share of the reference member's content explained", "1"),
            ),
        }
        for name, dims, units in (
            ("content", ("latent",), "1"),
            ("offset", ("axis",), "px"),
            ("strain", ("component",), "1"),
            ("scale", (), "1"),
            ("shear", (), "rad"),
        ):
            value, sd = getattr(self, name), getattr(self, f"{name}_sd")
            if value is None:
                continue
            out[name] = ((member, site, *dims), value, _about(name, units))
            out[f"{name}_sd"] = ((member, site, *dims), sd, _about(f"sd of {name}", units))
            out[f"consensus_{name}"] = (
                (site, *dims),
                self._voted(_mean, value),
                _about(name, units),
            )
            total = self._voted(_spread, value, sd)
            out[f"{name}_spread"] = ((site, *dims), total, _about(f"uncertainty of {name}", units))
        if self.angle is not None and self.angle_sd is not None:
            note = {"modulo_degrees": 360 / self.n}
            out["angle"] = ((member, site), self.angle, _about("angle", "rad") | note)
            out["angle_sd"] = ((member, site), self.angle_sd, _about("sd of angle", "rad"))
            out["consensus_angle"] = (
                (site,),
                self.consensus_angle,
                _about("angle", "rad") | note,
            )
            total = self._voted(self._spread_of_angles, self.angle, self.angle_sd)
            out["angle_spread"] = ((site,), total, _about("uncertainty of angle", "rad"))
        mean = self.mean_probability
        if mean is not None:
            entropy = -(mean * np.log(np.maximum(mean, 1e-12))).sum(1)
            out["class_probability"] = (
                (member, site, "class"),
                self.class_probability,
                _about("class probability", "1"),
            )
            out["consensus_class_probability"] = (
                (site, "class"),
                mean,
                _about("class probability", "1"),
            )
            out["consensus_class"] = ((site,), self.consensus_class, _about("class", "1"))
            out["class_entropy"] = ((site,), entropy, _about("entropy of the class", "nats"))
            out["class_count"] = (("class",), self.class_count, _about("sites of the class", "1"))
        if self.asked_probability is not None:
            asked = "asked_class"
            out["asked_class_probability"] = (
                (site, asked),
                self.asked_probability,
                _about("probability of the class before unstable ones were dissolved", "1"),
            )
            out["asked_class_stability"] = (
                (asked,),
                self.asked_stability,
                _about("Jaccard similarity of the class between two members", "1"),
            )
            out["class_asked"] = (
                ("class",),
                self.asked_left,
                _about("number of the class among those asked for", "1"),
            )
        return out

    def _spread_of_angles(self, angle: np.ndarray, sd: np.ndarray) -> np.ndarray:
        between = symmetry.circular_spread(angle, self.n, axis=0)
        return np.sqrt(between**2 + (sd**2).mean(0))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0)


def _spread(values: np.ndarray, sd: np.ndarray) -> np.ndarray:
    return np.sqrt(values.var(0) + (sd**2).mean(0))


def gather(
    encodings: Sequence[Encoding],
    gauges: Sequence[Gauge | None],
    kept: np.ndarray,
    n: int,
    half: float,
    inflation: float = 1.0,
    named: bool = False,
) -> View:
    """Bring all members into the frame of the one with the best bound.

    Parameters
    ----------
    encodings, gauges : one per member.
    kept : (member,) bool, those with a vote.
    n : the symmetry of the angle.
    half : half the patch side in image pixels: the unit of length inside the models.
    inflation : factor on every member's own standard deviations (see ``criticise.Noise``).
    named : classes have names, from labels: they are neither matched nor dissolved.
    """
    count = len(encodings)

    def all_of(name: str) -> np.ndarray:
        return stack((getattr(e, name)[:] for e in encodings), count)

    reference = align.leader(encodings, kept)
    view = _content(encodings, kept, reference, n, all_of("elbo"))
    first = encodings[reference]
    if first.angle is not None:

        def upright(k: int) -> np.ndarray:
            angle, own = encodings[k].angle, gauges[k]
            assert angle is not None and own is not None
            return symmetry.wrap(angle[:] + own.turn + own.zero, n)

        target = upright(reference)

        def aligned(k: int) -> np.ndarray:
            angle = upright(k)
            return align.apply_angle(angle, *align.angle_offset(angle, target, n), n)

        view.angle = stack(map(aligned, range(count)), count)
        view.angle_sd = stack((_angle_sd(e, n) for e in encodings), count)
    if first.offset is not None:
        view.offset = stack((_about_median(e.offset) * half for e in encodings), count)
        view.offset_sd = all_of("offset_sd") * half
    if first.strain is not None:
        view.strain = stack((_about_median(e.strain) for e in encodings), count)
        view.strain_sd = all_of("strain_sd")
    for name in ("scale", "shear"):
        if getattr(first, name) is not None:
            value = all_of(name)
            if name == "shear":
                pairs = zip(value, gauges, strict=True)
                value = stack((v if g is None else v * g.sense for v, g in pairs), count)
                value = align.same_sign(value, reference)
            setattr(view, name, value)
            setattr(view, f"{name}_sd", all_of(f"{name}_sd"))
    if first.class_probability is not None and named:
        view.class_probability = all_of("class_probability")
    elif first.class_probability is not None:
        seen = first.class_probability[:]
        target = seen[:, np.argsort(-seen.sum(0), kind="stable")]

        def matched_classes(k: int) -> np.ndarray:
            probability = encodings[k].class_probability
            assert probability is not None
            return probability[:][:, align.match_classes(probability[:], target)]

        matched = stack(map(matched_classes, range(count)), count)
        what = dissolve(matched, kept)
        view.class_probability = what.probability
        view.asked_probability = matched[kept].mean(0)
        view.asked_stability, view.asked_left = what.stability, what.left
    for name in ("content_sd", "angle_sd", "offset_sd", "strain_sd", "scale_sd", "shear_sd"):
        value = getattr(view, name)
        if value is not None:
            value *= inflation
    return view


def _content(
    encodings: Sequence[Encoding], kept: np.ndarray, reference: int, n: int, elbo: np.ndarray
) -> View:
    own = encodings[reference].content[:]
    axes = align.principal_axes(own)
    centre = own.mean(0)
    target = (own - centre) @ axes
    found = [align.procrustes(encoding.content[:], target) for encoding in encodings]
    pairs = list(zip(encodings, (matrix for matrix, _ in found), strict=True))

    def moved(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        content = encoding.content[:]
        return (content - content.mean(0)) @ matrix

    def sd(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(encoding.content_sd[:] ** 2 @ matrix**2)

    return View(
        kept,
        reference,
        n,
        np.array([share for _, share in found]),
        elbo,
        stack((moved(*pair) for pair in pairs), len(pairs)),
        stack((sd(*pair) for pair in pairs), len(pairs)),
        axes.T,
        centre,
    )


def _angle_sd(encoding: Encoding, n: int) -> np.ndarray:
    """Standard deviation of a member's angle modulo 2 pi/n: its own, and between turns."""
    weight, own, turns = encoding.turn_weight, encoding.angle_sd, encoding.turns
    assert weight is not None and own is not None
    step = float(turns[1] - turns[0]) if len(turns) > 1 else 2 * np.pi

    def some(rows: slice) -> np.ndarray:
        moment = np.abs((weight[rows] * np.exp(1j * n * turns)).sum(1))
        # Neighbouring turns that meet half-way are one answer: only what lies beyond the width of
        # the grid's step is doubt.
        between = -2 * np.log(np.clip(moment, 1e-12, 1.0)) / n**2
        between = np.where(between < (step / 2) ** 2, 0.0, between)
        return np.sqrt(own[rows] ** 2 + between)

    return by_blocks(some, len(own))


def _about_median(values: OfSites | None) -> np.ndarray:
    """Values (site, …) less their median."""
    assert values is not None
    whole = values[:]
    return whole - np.median(whole, axis=0)


def _about(long_name: str, units: str) -> dict[str, Any]:
    return {"long_name": long_name, "units": units}
