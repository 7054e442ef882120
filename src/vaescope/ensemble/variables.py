"""Variables of ``latents.zarr``: what members say and agree on, with its attributes."""

from __future__ import annotations

from typing import Any

import numpy as np
from dask.array import from_array

from vaescope.ensemble import lattice_offsets
from vaescope.ensemble.consensus import Aligned, AlignedMembers, OfMembers
from vaescope.models.pose_parts import ON_CELL
from vaescope.quantities import attributes

CHUNK = 16384  # sites that are read from disk at once, when they are stored


def of_members(view: AlignedMembers) -> dict[str, Any]:
    """Variables of what members say and agree on: name -> (dims, values, attributes)."""
    member, site = "member", "site"
    out: dict[str, Any] = {
        "elbo": ((member, site), _lazy(view.elbo), attributes("evidence lower bound", "nats")),
        "member_kept": (
            (member,),
            view.retained,
            attributes("member has a vote in the consensus", "1"),
        ),
        "content_agreement": (
            (member,),
            view.agreement,
            attributes("share of the reference member's content explained", "1"),
        ),
    }
    content = Aligned(view.content, view.content_sd)
    about = attributes("content", "1", "sequential", error="content_spread")
    out |= _quantity("content", ("latent",), content, view.consensus_content, about)
    for name, own in view.parts.items():
        part = own.part
        assert part is not None
        period = view.period if own.cyclic else None
        words = part.words or name
        about = attributes(words, own.units, part.scale, error=f"{name}_spread", period=period)
        consensus = view.consensus_parts[name]
        dims = part.dims if consensus.ndim == 1 + len(part.dims) else ("channel", *part.dims)
        out |= _quantity(name, dims, own, consensus, about)
    for name, errors in view.errors.items():
        dims, _, about = out[f"consensus_{name}"]
        about = attributes(f"uncertainty of {about['long_name']}", about["units"])
        out[f"{name}_spread"] = (dims, errors, about)
    on_cell = view.parts.get(ON_CELL.name)
    if on_cell is not None and on_cell.cell is not None:
        agreed = view.consensus_parts[ON_CELL.name], view.errors[ON_CELL.name]
        out |= lattice_offsets.phases(*agreed, on_cell.cell)
    return out | _of_classes(view)


def _of_classes(view: AlignedMembers) -> dict[str, Any]:
    """Variables of the classes; none of a model without any."""
    member, site = "member", "site"
    out: dict[str, Any] = {}
    mean = view.mean_probability
    if mean is not None:
        entropy = -(mean * np.log(np.maximum(mean, 1e-12))).sum(1)
        out["class_probability"] = (
            (member, site, "class"),
            view.class_probability,
            attributes("class probability", "1"),
        )
        out["consensus_class_probability"] = (
            (site, "class"),
            mean,
            attributes("class probability", "1", "sequential", valid=(0, 1)),
        )
        names = [f"class {k}" for k in range(mean.shape[1])]
        about = attributes("class", "1", "categorical", error="class_entropy", meanings=names)
        out["consensus_class"] = ((site,), view.consensus_class, about)
        most = float(np.log(max(mean.shape[1], 2)))
        about = attributes("entropy of the class", "nats", valid=(0, most))
        out["class_entropy"] = ((site,), entropy, about)
        out["class_count"] = (
            ("class",),
            view.class_count,
            attributes("sites of the class", "1"),
        )
    if view.asked_probability is not None:
        asked = "asked_class"
        out["asked_class_probability"] = (
            (site, asked),
            view.asked_probability,
            attributes("probability of the class before unstable ones were dissolved", "1"),
        )
        out["asked_class_stability"] = (
            (asked,),
            view.asked_stability,
            attributes("Jaccard similarity of the class between two members", "1"),
        )
        out["class_asked"] = (
            ("class",),
            view.asked_left,
            attributes("number of the class among those asked for", "1"),
        )
    return out


def _quantity(
    name: str,
    dims: tuple[str, ...],
    members: Aligned,
    consensus: np.ndarray,
    about: dict[str, Any],
) -> dict[str, Any]:
    """A quantity ``about`` which its attributes say what it is: by every member, with its standard
    deviation, and the consensus."""
    units = about["units"]
    period = {"period": about["period"]} if "period" in about else {}
    words = about["long_name"]
    own = attributes(words, units) | period
    error = attributes(f"standard deviation of {words}", units)
    return {
        name: (("member", "site", *dims), _lazy(members.value), own),
        f"{name}_sd": (("member", "site", *dims), _lazy(members.sd), error),
        f"consensus_{name}": (("site", *dims), consensus, about),
    }


def _lazy(values: OfMembers) -> Any:
    """Values as a variable of a Dataset, read from disk when they are asked for."""
    if isinstance(values, np.ndarray):
        return values
    return from_array(values, chunks=(-1, CHUNK, *(-1,) * (values.ndim - 2)))
