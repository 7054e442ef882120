"""What the members of an ensemble agree on, and how far."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from vaescope import circular
from vaescope.ensemble import align, lattice_offsets
from vaescope.ensemble.blocks import by_blocks
from vaescope.ensemble.encode import Encoding
from vaescope.ensemble.gauge import Gauge
from vaescope.ensemble.spool import Stacked
from vaescope.ensemble.stability import dissolve
from vaescope.models.parts import Part
from vaescope.models.pose_parts import ANGLE
from vaescope.train.separate import Separated, class_shares, separated

OfMembers = np.ndarray | Stacked
"""An array over the member and the site, perhaps one on disk."""


@dataclass
class Aligned:
    """A part of the pose and its standard deviation by every member (member, site, …), in the
    reference's frame and in ``units``; ``part`` None: it is content; ``cell`` (vector, 2) modulo
    which it is known, or None."""

    value: OfMembers
    sd: OfMembers
    units: str = "1"
    part: Part | None = None
    cell: np.ndarray | None = None

    @property
    def cyclic(self) -> bool:
        """Whether its values repeat."""
        return self.part is not None and self.part.scale == "cyclic"

    def mean(self, period: float) -> Callable[[np.ndarray], np.ndarray]:
        """The consensus (site, …) of values (member, site, …)."""
        if self.cell is not None:
            return partial(lattice_offsets.mean, cell=self.cell)
        return partial(circular.mean, period=period, axis=0) if self.cyclic else _mean

    def spread(self, period: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """The standard error (site, …) of the consensus of values and standard deviations."""
        if self.cell is not None:
            return partial(lattice_offsets.spread, cell=self.cell)
        return partial(_circular_spread, period=period) if self.cyclic else _spread


@dataclass
class AlignedMembers:
    """All members in the reference's frame; arrays as in ``latents.zarr``.

    ``retained`` (member,): whether a member has a vote in the consensus.
    """

    retained: np.ndarray
    reference: int
    n: int
    agreement: np.ndarray  # (member,) share of the reference's content explained
    elbo: OfMembers
    content: OfMembers
    content_sd: OfMembers
    to_native: np.ndarray  # consensus axes -> the reference member's own content
    centre: np.ndarray
    parts: dict[str, Aligned] = field(default_factory=dict)  # of the pose, by name
    class_probability: np.ndarray | None = None
    asked_probability: np.ndarray | None = None  # mean over the members, before any class goes
    asked_stability: np.ndarray | None = None
    asked_left: np.ndarray | None = None  # which of the classes asked for are left
    separated: Separated | None = None  # how many classes the content supports, unless named

    @cached_property
    def consensus_content(self) -> np.ndarray:
        return self._voted(_mean, self.content)

    @cached_property
    def consensus_parts(self) -> dict[str, np.ndarray]:
        """What the members with a vote agree on for each part of the pose: name -> (site, …)."""
        return {
            name: self._voted(part.mean(self.period), part.value)
            for name, part in self.parts.items()
        }

    @cached_property
    def errors(self) -> dict[str, np.ndarray]:
        """Standard error (site, …) of the consensus on content and on each part of the pose: how
        far the members with a vote disagree, and how unsure each of them is."""
        out = {"content": self._voted(_spread, self.content, self.content_sd)}
        for name, part in self.parts.items():
            spread = part.spread(self.period)
            out[name] = self._voted(spread, part.value, part.sd)
        return out

    @cached_property
    def mean_elbo(self) -> np.ndarray:
        """Mean evidence lower bound (site,) of the members with a vote, nats."""
        return self._voted(_mean, self.elbo)

    @property
    def period(self) -> float:
        """After which angles repeat, rad."""
        return 2 * np.pi / self.n

    @property
    def consensus_angle(self) -> np.ndarray | None:
        return self.consensus_parts.get(ANGLE.name)

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
            return of(*(value[self.retained, rows] for value in values))

        return by_blocks(some, values[0].shape[1])


def _in_memory(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.stack(list(parts))


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(0)


def _spread(values: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Standard error (site, …) of a consensus, from values and standard deviations of the members
    (member, site, …): how far they disagree, and how unsure each of them is."""
    return np.sqrt(values.var(0) + (sd**2).mean(0))


def _circular_spread(values: np.ndarray, sd: np.ndarray, period: float) -> np.ndarray:
    """``_spread`` of angles that repeat after a period."""
    return np.sqrt(circular.spread(values, period, axis=0) ** 2 + (sd**2).mean(0))


def gather(
    encodings: Sequence[Encoding],
    gauges: Sequence[Gauge | None],
    retained: np.ndarray,
    n: int,
    lengths: Mapping[str, tuple[float, str]],
    inflation: float = 1.0,
    named: bool = False,
    count: bool = False,
    whole: np.ndarray | None = None,
    among: np.ndarray | None = None,
    known: Separated | None = None,
    stack: Callable[[Iterable[np.ndarray]], Any] = _in_memory,
) -> AlignedMembers:
    """Bring all members into the frame of the one with the best bound.

    Parameters
    ----------
    encodings, gauges : one per member.
    retained : (member,) bool, those with a vote.
    n : the symmetry of the angle.
    lengths : unit of a part of the pose -> the unit of length inside the models in it, and its name
        in the results; half the patch side in image pixels, a channel of a spectrum.
    inflation : factor on every member's own standard deviations (see
        ``predictive_checks.ResidualNoise``).
    named : classes have names, from labels: they are neither matched nor dissolved.
    count : the number of classes follows from the content of the members.
    whole : the sites (site,) bool whose whole patch was seen, from which that number follows.
    among : the sites (site,) bool from which the frame follows, and which classes there are; None:
        all.
    known : the classes of these sites, where they are settled.
    stack : lays what the members say side by side, but for classes: as an array, or on disk.
    """
    settles = np.ones(len(encodings[0].elbo), bool) if among is None else among
    reference = align.leader(align.bounds(encodings, settles), retained)
    first = encodings[reference]
    frame = align.Frame(encodings, gauges, reference, n, settles)
    view = _content(frame, retained, inflation, stack)
    for name, own in first.parts.items():
        part = own.part
        unit, units = lengths.get(part.units, (1.0, part.units))
        values = align.ALIGNED[part.aligned](frame, name)
        errors = align.ERRORS.get(part.aligned, align.Frame.errors)(frame, name)
        view.parts[name] = Aligned(
            stack(value * unit for value in values),
            stack(error * unit * inflation for error in errors),
            units,
            part,
            lattice_offsets.cell_of(first) * unit if part.aligned == "cell" else None,
        )

    def each(name: str) -> Iterator[np.ndarray]:
        return (getattr(encoding, name)[:] for encoding in encodings)

    if first.class_probability is None:
        return view
    if named:
        view.class_probability = _in_memory(each("class_probability"))
        return view
    voting = [e.content[:] for e, vote in zip(encodings, retained, strict=True) if vote]
    found = view.separated = _separated(voting, settles, whole, known)
    if count:
        shares = _in_memory(class_shares(content, found.label) for content in each("content"))
        view.class_probability, view.asked_stability = shares, found.stability
        view.asked_probability = shares[retained].mean(0)
        view.asked_left = np.arange(found.count)
    else:
        seen = first.class_probability[:][settles]
        order = seen[:, np.argsort(-seen.sum(0), kind="stable")]
        matched = _in_memory(
            p[:, align.match_classes(p[settles], order)] for p in each("class_probability")
        )
        what = dissolve(matched, retained, settles)
        view.class_probability = what.probability
        view.asked_probability = by_blocks(
            lambda rows: matched[retained, rows].mean(0), matched.shape[1]
        )
        view.asked_stability, view.asked_left = what.stability, what.left
    return view


def _separated(
    contents: Sequence[np.ndarray],
    settles: np.ndarray,
    whole: np.ndarray | None,
    known: Separated | None,
) -> Separated:
    """The classes that the contents (site, latent) of all members support on the sites that settle
    them, unless they are known; each other site joins the one of these that is nearest to it."""
    if settles.all():
        return separated(contents, among=whole)
    own = [content[settles] for content in contents]
    found = known or separated(own, among=None if whole is None else whole[settles])
    # Side by side, each member at the same spread.
    sizes = [float(content.var(0).sum()) ** 0.5 + 1e-12 for content in own]
    space = np.concatenate([each / size for each, size in zip(contents, sizes, strict=True)], 1)
    label = np.empty(len(settles), int)
    label[settles] = found.label
    label[~settles] = found.label[cKDTree(space[settles]).query(space[~settles])[1]]
    return replace(found, label=label)


def _content(
    frame: align.Frame,
    retained: np.ndarray,
    inflation: float,
    stack: Callable[[Iterable[np.ndarray]], Any],
) -> AlignedMembers:
    encodings, reference, among = frame.encodings, frame.reference, frame.among
    own = encodings[reference].content[:][among]
    axes = align.principal_axes(own)
    centre = own.mean(0)
    target = (own - centre) @ axes
    matrices, shares = [], []
    for encoding in encodings:
        matrix, share = align.procrustes(encoding.content[:][among], target)
        matrices.append(matrix)
        shares.append(share)

    def moved(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        content = encoding.content[:]
        return (content - content[among].mean(0)) @ matrix

    def sd(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(encoding.content_sd[:] ** 2 @ matrix**2) * inflation

    return AlignedMembers(
        retained,
        reference,
        frame.n,
        np.array(shares),
        stack(encoding.elbo[:] for encoding in encodings),
        stack(map(moved, encodings, matrices)),
        stack(map(sd, encodings, matrices)),
        axes.T,
        centre,
    )
