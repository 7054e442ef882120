"""What the members of an ensemble agree on, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vaescope.analyse import align, symmetry
from vaescope.analyse.encode import Encoding
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

    @property
    def consensus_content(self) -> np.ndarray:
        return self.content[self.kept].mean(0)

    @property
    def consensus_angle(self) -> np.ndarray | None:
        if self.angle is None:
            return None
        return symmetry.circular_mean(self.angle[self.kept], self.n, axis=0)

    @property
    def mean_probability(self) -> np.ndarray | None:
        return None if self.class_probability is None else self.class_probability[self.kept].mean(0)

    @property
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
            out[f"consensus_{name}"] = ((site, *dims), value[kept].mean(0), _about(name, units))
            total = np.sqrt(value[kept].var(0) + (sd[kept] ** 2).mean(0))
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
            between = symmetry.circular_spread(self.angle[kept], self.n, axis=0)
            total = np.sqrt(between**2 + (self.angle_sd[kept] ** 2).mean(0))
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
    elbo = np.stack([e.elbo for e in encodings])
    reference = align.leader(encodings, kept)
    view = _content(encodings, kept, reference, n, elbo)
    first = encodings[reference]
    if first.angle is not None:
        angles = [
            symmetry.wrap(e.angle + g.turn + g.zero, n)
            for e, g in zip(encodings, gauges, strict=True)
            if e.angle is not None and g is not None
        ]
        moved = [align.angle_offset(a, angles[reference], n) for a in angles]
        aligned = np.stack(
            [align.apply_angle(a, *how, n) for a, how in zip(angles, moved, strict=True)]
        )
        view.angle = aligned
        view.angle_sd = np.stack([_angle_sd(e, n) for e in encodings])
    if first.offset is not None:
        offset = np.stack([e.offset for e in encodings if e.offset is not None])
        view.offset = (offset - np.median(offset, axis=1, keepdims=True)) * half
        view.offset_sd = np.stack([e.offset_sd for e in encodings if e.offset_sd is not None])
        view.offset_sd = view.offset_sd * half
    if first.strain is not None:
        strain = np.stack([e.strain for e in encodings if e.strain is not None])
        view.strain = strain - np.median(strain, axis=1, keepdims=True)
        view.strain_sd = np.stack([e.strain_sd for e in encodings if e.strain_sd is not None])
    for name in ("scale", "shear"):
        if getattr(first, name) is not None:
            value = np.stack([getattr(e, name) for e in encodings])
            if name == "shear":
                value = np.stack(
                    [v if g is None else v * g.sense for v, g in zip(value, gauges, strict=True)]
                )
                value = align.same_sign(value, reference)
            setattr(view, name, value)
            setattr(view, f"{name}_sd", np.stack([getattr(e, f"{name}_sd") for e in encodings]))
    if first.class_probability is not None and named:
        view.class_probability = np.stack(
            [e.class_probability for e in encodings if e.class_probability is not None]
        )
    elif first.class_probability is not None:
        order = np.argsort(-first.class_probability.sum(0), kind="stable")
        target = first.class_probability[:, order]
        matched = np.stack(
            [
                e.class_probability[:, align.match_classes(e.class_probability, target)]
                for e in encodings
                if e.class_probability is not None
            ]
        )
        what = dissolve(matched, kept)
        view.class_probability = what.probability
        view.asked_probability = matched[kept].mean(0)
        view.asked_stability, view.asked_left = what.stability, what.left
    for name in ("content_sd", "angle_sd", "offset_sd", "strain_sd", "scale_sd", "shear_sd"):
        value = getattr(view, name)
        if value is not None:
            setattr(view, name, value * inflation)
    return view


def _content(
    encodings: Sequence[Encoding], kept: np.ndarray, reference: int, n: int, elbo: np.ndarray
) -> View:
    own = encodings[reference].content
    axes = align.principal_axes(own)
    centre = own.mean(0)
    target = (own - centre) @ axes
    content, sd, agreement = [], [], []
    for encoding in encodings:
        matrix, share = align.procrustes(encoding.content, target)
        content.append((encoding.content - encoding.content.mean(0)) @ matrix)
        sd.append(np.sqrt(encoding.content_sd**2 @ matrix**2))
        agreement.append(share)
    return View(
        kept,
        reference,
        n,
        np.array(agreement),
        elbo,
        np.stack(content),
        np.stack(sd),
        axes.T,
        centre,
    )


def _angle_sd(encoding: Encoding, n: int) -> np.ndarray:
    """Standard deviation of a member's angle modulo 2 pi/n: its own, and between turns."""
    assert encoding.turn_weight is not None and encoding.angle_sd is not None
    moment = np.abs((encoding.turn_weight * np.exp(1j * n * encoding.turns)).sum(1))
    # Neighbouring turns that meet half-way are one answer: only what lies beyond the width of the
    # grid's step is doubt.
    turns = encoding.turns
    step = float(turns[1] - turns[0]) if len(turns) > 1 else 2 * np.pi
    between = -2 * np.log(np.clip(moment, 1e-12, 1.0)) / n**2
    between = np.where(between < (step / 2) ** 2, 0.0, between)
    return np.sqrt(encoding.angle_sd**2 + between)


def _about(long_name: str, units: str) -> dict[str, Any]:
    return {"long_name": long_name, "units": units}
