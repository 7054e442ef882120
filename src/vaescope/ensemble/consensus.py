"""What the members of an ensemble agree on, and how far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from dask.array import from_array

from vaescope import circular
from vaescope.ensemble import align
from vaescope.ensemble.blocks import by_blocks
from vaescope.ensemble.encode import Encoding
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.spool import Stacked
from vaescope.ensemble.stability import dissolve
from vaescope.quantities import Scale, attributes

OfMembers = np.ndarray | Stacked
"""An array over the member and the site, perhaps one on disk."""

CHUNK = 16384  # sites of what is read from disk at once, when it is stored


@dataclass
class AlignedMembers:
    """All members in the reference's frame; arrays as in ``latents.zarr``."""

    kept: np.ndarray
    reference: int
    n: int
    agreement: np.ndarray  # (member,) share of the reference's content explained
    elbo: OfMembers
    content: OfMembers
    content_sd: OfMembers
    to_native: np.ndarray  # consensus axes -> the reference member's own content
    centre: np.ndarray
    angle: OfMembers | None = None
    angle_sd: OfMembers | None = None
    offset: OfMembers | None = None
    offset_sd: OfMembers | None = None
    strain: OfMembers | None = None
    strain_sd: OfMembers | None = None
    scale: OfMembers | None = None
    scale_sd: OfMembers | None = None
    shear: OfMembers | None = None
    shear_sd: OfMembers | None = None
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
        return self._voted(
            lambda angle: circular.mean(angle, 2 * np.pi / self.n, axis=0), self.angle
        )

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

    def _voted(self, of: Callable[..., np.ndarray], *values: OfMembers) -> np.ndarray:
        """What ``of`` says of values (member, site, …) of the members with a vote: (site, …)."""

        def some(rows: slice) -> np.ndarray:
            return of(*(value[self.kept, rows] for value in values))

        return by_blocks(some, values[0].shape[1])

    def variables(self) -> dict[str, Any]:
        """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
        kept = self.kept
        member, site = "member", "site"
        out: dict[str, Any] = {
            "elbo": ((member, site), _lazy(self.elbo), _about("evidence lower bound", "nats")),
            "member_kept": ((member,), kept, _about("member has a vote in the consensus", "1")),
            "content_agreement": (
                (member,),
                self.agreement,
                _about("share of the reference member's content explained", "1"),
            ),
        }
        parts: tuple[tuple[str, tuple[str, ...], str, Scale], ...] = (
            ("content", ("latent",), "1", "sequential"),
            ("offset", ("axis",), "px", "diverging"),
            ("strain", ("component",), "1", "diverging"),
            ("scale", (), "1", "sequential"),
            ("shear", (), "rad", "diverging"),
        )
        for name, dims, units, scale in parts:
            value, sd = getattr(self, name), getattr(self, f"{name}_sd")
            if value is None:
                continue
            out[name] = ((member, site, *dims), _lazy(value), _about(name, units))
            out[f"{name}_sd"] = ((member, site, *dims), _lazy(sd), _about(f"sd of {name}", units))
            out[f"consensus_{name}"] = (
                (site, *dims),
                self._voted(_mean, value),
                attributes(name, units, scale, error=f"{name}_spread"),
            )
            total = self._voted(_spread, value, sd)
            out[f"{name}_spread"] = ((site, *dims), total, _about(f"uncertainty of {name}", units))
        if self.angle is not None and self.angle_sd is not None:
            note = {"modulo_degrees": 360 / self.n}
            out["angle"] = ((member, site), _lazy(self.angle), _about("angle", "rad") | note)
            out["angle_sd"] = ((member, site), _lazy(self.angle_sd), _about("sd of angle", "rad"))
            out["consensus_angle"] = (
                (site,),
                self.consensus_angle,
                attributes(
                    "angle", "rad", "cyclic", error="angle_spread", period=2 * np.pi / self.n
                )
                | note,
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
                attributes("class probability", "1", "sequential", valid=(0, 1)),
            )
            names = [f"class {k}" for k in range(mean.shape[1])]
            about = attributes("class", "1", "categorical", error="class_entropy", meanings=names)
            out["consensus_class"] = ((site,), self.consensus_class, about)
            most = float(np.log(max(mean.shape[1], 2)))
            about = attributes("entropy of the class", "nats", valid=(0, most))
            out["class_entropy"] = ((site,), entropy, about)
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
        between = circular.spread(angle, 2 * np.pi / self.n, axis=0)
        return np.sqrt(between**2 + (sd**2).mean(0))


def _lazy(values: OfMembers) -> Any:
    """The same for a Dataset, which reads what lies on disk when it is asked for."""
    if isinstance(values, np.ndarray):
        return values
    return from_array(values, chunks=(-1, CHUNK, *(-1,) * (values.ndim - 2)))


def _in_memory(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack(list(parts))


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
    stack: Callable[[Iterable[np.ndarray]], Any] = _in_memory,
) -> AlignedMembers:
    """Bring all members into the frame of the one with the best bound.

    Parameters
    ----------
    encodings, gauges : one per member.
    kept : (member,) bool, those with a vote.
    n : the symmetry of the angle.
    half : half the patch side in image pixels: the unit of length inside the models.
    inflation : factor on every member's own standard deviations (see ``criticise.Noise``).
    named : classes have names, from labels: they are neither matched nor dissolved.
    stack : lays what the members say side by side, but for classes: as an array, or on disk.
    """
    members = range(len(encodings))
    reference = align.leader(encodings, kept)
    view = _content(encodings, kept, reference, n, inflation, stack)
    first = encodings[reference]

    def each(name: str) -> Iterator[np.ndarray]:
        return (getattr(encoding, name)[:] for encoding in encodings)

    if first.angle is not None:

        def upright(k: int) -> np.ndarray:
            angle, own = encodings[k].angle, gauges[k]
            assert angle is not None and own is not None
            return circular.wrap(angle[:] + own.turn + own.zero, 2 * np.pi / n)

        target = upright(reference)

        def aligned(k: int) -> np.ndarray:
            angle = upright(k)
            return align.apply_angle(angle, *align.angle_offset(angle, target, n), n)

        view.angle = stack(map(aligned, members))
        view.angle_sd = stack(_angle_sd(e, n) * inflation for e in encodings)
    if first.offset is not None:
        view.offset = stack(_about_median(offset) * half for offset in each("offset"))
        view.offset_sd = stack(sd * half * inflation for sd in each("offset_sd"))
    if first.strain is not None:
        view.strain = stack(map(_about_median, each("strain")))
        view.strain_sd = stack(sd * inflation for sd in each("strain_sd"))
    if first.scale is not None:
        view.scale = stack(each("scale"))
        view.scale_sd = stack(sd * inflation for sd in each("scale_sd"))
    if first.shear is not None:

        def sheared(k: int) -> np.ndarray:
            shear, own = encodings[k].shear, gauges[k]
            assert shear is not None
            return shear[:] if own is None else shear[:] * own.sense.astype(float)

        like = sheared(reference)
        view.shear = stack(align.same_sign(sheared(k), like) for k in members)
        view.shear_sd = stack(sd * inflation for sd in each("shear_sd"))
    if first.class_probability is not None and named:
        view.class_probability = _in_memory(each("class_probability"))
    elif first.class_probability is not None:
        seen = first.class_probability[:]
        order = seen[:, np.argsort(-seen.sum(0), kind="stable")]
        matched = _in_memory(p[:, align.match_classes(p, order)] for p in each("class_probability"))
        what = dissolve(matched, kept)
        view.class_probability = what.probability
        view.asked_probability = by_blocks(
            lambda rows: matched[kept, rows].mean(0), matched.shape[1]
        )
        view.asked_stability, view.asked_left = what.stability, what.left
    return view


def _content(
    encodings: Sequence[Encoding],
    kept: np.ndarray,
    reference: int,
    n: int,
    inflation: float,
    stack: Callable[[Iterable[np.ndarray]], Any],
) -> AlignedMembers:
    own = encodings[reference].content[:]
    axes = align.principal_axes(own)
    centre = own.mean(0)
    target = (own - centre) @ axes
    matrices, shares = [], []
    for encoding in encodings:
        matrix, share = align.procrustes(encoding.content[:], target)
        matrices.append(matrix)
        shares.append(share)

    def moved(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        content = encoding.content[:]
        return (content - content.mean(0)) @ matrix

    def sd(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(encoding.content_sd[:] ** 2 @ matrix**2) * inflation

    return AlignedMembers(
        kept,
        reference,
        n,
        np.array(shares),
        stack(encoding.elbo[:] for encoding in encodings),
        stack(map(moved, encodings, matrices)),
        stack(map(sd, encodings, matrices)),
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


def _about_median(values: np.ndarray) -> np.ndarray:
    """Values (site, …) less their median."""
    return values - np.median(values, axis=0)


def _about(long_name: str, units: str) -> dict[str, Any]:
    return {"long_name": long_name, "units": units}
