"""The latent maps of one model: every member's view of every site, and what they agree on."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.array import from_array

from vaescope import columns
from vaescope.columns import carried
from vaescope.ensemble import (
    align,
    contradicted,
    decoded,
    decoded_spectra,
    gauge,
    orientation,
    predicted,
    predicted_patches,
    predictive_checks,
    set_symmetry,
    turned_alike,
    window_modes,
)
from vaescope.ensemble.blocks import in_turn
from vaescope.ensemble.column_intensities import of_columns
from vaescope.ensemble.consensus import AlignedMembers, gather
from vaescope.ensemble.encode import Encoding, encode_all
from vaescope.ensemble.independent_pose import SITES, make_independent
from vaescope.ensemble.lengths import lengths_of, signals_of
from vaescope.ensemble.members import Member, load_members
from vaescope.ensemble.residual import Residuals, residuals
from vaescope.ensemble.settled import Settled
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch
from vaescope.ensemble.variables import of_members
from vaescope.models.parts import AXIS
from vaescope.models.views import PATCH, SPECTRUM, VIEWS
from vaescope.numerics import one_thread
from vaescope.progress import track
from vaescope.quantities import CRITICISM, Scale, attributes
from vaescope.samples import gaps
from vaescope.structure import class_numbers, modes
from vaescope.structure.further_sites import with_further
from vaescope.traits import traits_of

LOOKED_AT = 300  # canonical pictures from which the symmetry is read


def map_latents(
    members: Path,
    patches: xr.Dataset,
    *,
    name: str = "",
    threads: int = 1,
    settled: Settled | None = None,
) -> xr.Dataset:
    """Encode all sites with all members, align the members, and say how far they agree.

    Parameters
    ----------
    members : folder of ``member-K.safetensors``.
    patches : the Dataset of ``samples.zarr``.
    name : the model's name in the recipe.
    threads : batches of sites encoded at once.
    settled : which of the sites are those of a group, and what these have settled: the axes of the
        latent space, the zero of the angles, the classes and the modes; None: they follow from all
        sites.

    Returns
    -------
    The Dataset of ``latents.zarr``. Angles are modulo 360/``symmetry`` degrees and count from the
    x axis, counter-clockwise, to the strongest Fourier direction of the local lattice, or to the
    direction of a site that has one. Patches and
    reconstructions pass block by block and are never in memory as a whole, except for patches
    without a lattice that are turned. Reconstructions and what each member says are Dask arrays of
    files without a name, which are gone with the Dataset.

    Raises
    ------
    UserError : no members, or weights that cannot be read.
    """
    ensemble = load_members(Path(members))
    own = ensemble[0].settings
    source = PatchSource(patches, own, ensemble[0].codec)
    threads = max(threads, 1)
    if own.decoded == own.view == SPECTRUM:
        for member in ensemble:
            make_independent(member.model, source.data(source.some(SITES)))
    with ThreadPoolExecutor(threads, initializer=one_thread) as pool:
        encodings = _encoded(ensemble, source, pool, threads)
        agreed = agree(ensemble, encodings, source, pool, settled)
        return _dataset(agreed, describe(agreed, source, settled), source, name)


def _encoded(
    ensemble: Sequence[Member], source: PatchSource, pool: ThreadPoolExecutor, threads: int
) -> list[Encoding]:
    """What every member says of every site, on disk; patches pass block by block."""
    blocks = track("encoding sites", source.blocks(), -(-len(source) // source.block))
    data = (block for _, block in blocks)
    share = partial(in_turn, pool, 2 * threads)
    return encode_all(ensemble, data, len(source), share, Scratch().empty)


@dataclass(frozen=True)
class Agreement:
    """What the members agree on: who has a vote, in which frame all are, what is left over."""

    ensemble: Sequence[Member]
    encodings: Sequence[Encoding]
    gauges: Sequence[gauge.Gauge | None]
    kept: np.ndarray  # (member,) whether it has a vote
    order: int  # angles are modulo 360° divided by this
    aligned: AlignedMembers
    residual: Residuals
    frame: np.ndarray  # (site,) the sites from which all of this follows

    @property
    def reference(self) -> int:
        """The member in whose frame all are."""
        return self.aligned.reference

    @property
    def conditions(self) -> np.ndarray:
        """(site, condition) what a conditional model is given beside the patch."""
        assert self.encodings[0].conditions is not None
        return self.encodings[0].conditions[:]


def agree(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    source: PatchSource,
    pool: ThreadPoolExecutor,
    settled: Settled | None = None,
) -> Agreement:
    """Leave out members whose training failed, find the symmetry, and align all others; ``settled``
    as of ``map_latents``."""
    own, patches = source.settings, source.patches
    settles = np.ones(len(source), bool) if settled is None else settled.frame
    bounds = align.bounds(encodings, settles)
    kept = align.sound(bounds)
    if settled is not None:
        kept = settled.kept([member.number for member in ensemble])
    traits = traits_of(patches.attrs)
    # The middle of a window is no point of the crystal that it would have to be turned about.
    anywhere = traits.lattice and not traits.atoms and own.offsets
    if settled is not None:
        n = settled.symmetry
    else:
        n = math.lcm(common_order(encodings, kept, anywhere), own.fold)
    gauges: Sequence[gauge.Gauge | None] = [None] * len(encodings)
    turned = "rotation" in own.pose_parts
    if turned and traits.directed and "direction" in patches:
        direction = np.asarray(patches["direction"].values, float)
        gauges = [gauge.of_directions(e, direction, n) for e in encodings]
    elif turned and traits.lattice:
        gauges = [gauge.of_lattice(e, n, settles) for e in encodings]
    elif turned:
        gauges = gauge.of_pictures(encodings, align.leader(bounds, kept))
    voting = [e for e, vote in zip(encodings, kept, strict=True) if vote]
    left = residuals(source, voting, ensemble[0].model.mask.numpy(), pool.map)
    aligned = gather(
        encodings,
        gauges,
        kept,
        n,
        lengths_of(patches) | signals_of(ensemble[0], patches),
        left.noise.inflation,
        bool(own.labels),
        own.counts_classes,
        gaps.whole(patches),
        settles,
        None if settled is None else settled.separated,
        Scratch().stack,
    )
    return Agreement(ensemble, encodings, gauges, kept, n, aligned, left, settles)


def describe(
    agreed: Agreement, source: PatchSource, settled: Settled | None = None
) -> dict[str, Any]:
    """Draw what latents and classes look like, find modes, and say what no member explains;
    ``settled`` as of ``map_latents``.

    Returns
    -------
    Variables of ``latents.zarr``: name -> (dims, values, attributes).
    """
    own, view, conditions = source.settings, agreed.aligned, agreed.conditions
    ensemble, gauges, left = agreed.ensemble, agreed.gauges, agreed.residual
    variables = of_members(view)
    variables.update(decoded.draw(view, ensemble, gauges, source, conditions).variables(own))
    variables.update(decoded.planes(view, ensemble, gauges, source.codec, conditions))
    variables.update(decoded_spectra.over_planes(view, ensemble, gauges, conditions))

    def aligned(rows: np.ndarray) -> np.ndarray:
        return decoded.upright(view, source.shown(rows), rows)

    found = _modes(agreed, source, aligned, settled)
    variables.update(found.variables(decoded.axes(own), VIEWS[own.view].drawn))
    if "rotation" in own.pose_parts and own.decoded == own.view == PATCH:
        voting = [e.sigma for e, vote in zip(agreed.encodings, agreed.kept, strict=True) if vote]
        noise = np.sqrt(np.mean(np.square(voting), 0)) * left.noise.inflation
        variables.update(turned_alike.variables(found.decoded, noise))
        # The middle of a window is no point that its structure would have to be rotated about.
        if own.fold > 1 and ensemble[0].model.grid is None:
            whole = np.where(gaps.whole(source.patches), found.label, -1)
            variables.update(set_symmetry.variables(whole, aligned, noise, own.fold))
    drawn = from_array(left.reconstruction, chunks=(source.block, -1, -1, -1))
    variables["reconstruction"] = (("site", *decoded.axes(own)), drawn)
    p_value = predictive_checks.predictive_p_value(left.residual, left.noise, left.seen)
    checks: tuple[tuple[str, str, np.ndarray, Scale], ...] = (
        ("residual", "residual over noise", left.residual, "sequential"),
        ("explained", "explained by the model", left.explained, "categorical"),
        ("predictive_p", "posterior predictive p-value", p_value, "sequential"),
    )
    for part, said, values, scale in checks:
        about = attributes(said, "1", scale, group=CRITICISM)
        variables[part] = ("site", values, about)
    _add_priors(variables, ensemble[0], lengths_of(source.patches))
    variables.update(_predictions(agreed, source))
    if view.separated is not None:
        variables.update(class_numbers.variables(view.separated))
    return variables


def _modes(
    agreed: Agreement, source: PatchSource, aligned: modes.Pictures, settled: Settled | None
) -> modes.Modes:
    """The modes of all sites: those that a group has settled, or found here."""
    view = agreed.aligned
    content, columns = view.consensus_content, of_columns(source, view.mean_elbo)
    members = [view.content[k, slice(None)] for k in np.flatnonzero(view.retained)]
    if settled is not None:
        return with_further(settled.modes, settled.frame, content, columns, members)
    return modes.find(
        content,
        aligned,
        decoded.drawer(view, agreed.ensemble, agreed.gauges, agreed.conditions),
        window_modes.turnable(source.settings, source.patches),
        among=gaps.whole(source.patches),
        columns=columns,
        members=members,
        inside=window_modes.inside(content, source.patches),
    )


def _add_priors(
    variables: dict[str, Any], member: Member, lengths: dict[str, tuple[float, str]]
) -> None:
    """Say of a shift of spectra which prior it had: `prior_sd` in the units of the axis, and
    `prior_setting`, as the recipe gives it."""
    if "shift" in member.model.encoder.prior_sd:
        prior = member.model.prior_sd("shift")
        about = variables["consensus_shift"][2]
        about |= {"prior_sd": abs(prior * lengths[AXIS][0]), "prior_setting": prior}


def _predictions(agreed: Agreement, source: PatchSource) -> dict[str, Any]:
    """What the model predicts of a view that it does not see, and what it says of two; nothing,
    where it has one view."""
    own, model = source.settings, agreed.ensemble[0].model
    from_one = own.decoded != own.view and own.target in VIEWS
    if not from_one and own.spectrum == "none":
        return {}
    given = agreed.ensemble, agreed.encodings, agreed.kept
    found = predicted.held_out(source)
    if own.decoded == SPECTRUM:
        found |= predicted.spectra(*given, predicted.from_content, model.target[2]).variables()
    elif own.spectrum == "none":
        drawn = from_array(agreed.residual.reconstruction, chunks=(source.block, -1, -1, -1))
        about = attributes("predicted patch", "1")
        found["predicted_patch"] = (("site", *decoded.axes(own)), drawn, about)
    else:
        found |= _from_spectra(agreed, source, found["held_out"][1])
    if model.beside is not None:
        found |= predicted.spectra(*given, predicted.from_patch, model.channels).variables()
        found |= predicted.nats(*given[1:], found["held_out"][1])
    return found


def _from_spectra(agreed: Agreement, source: PatchSource, held_out: np.ndarray) -> dict[str, Any]:
    """The angle that each spectrum alone says, where patches have one, and the patch expected."""
    angle = None
    if agreed.aligned.consensus_angle is not None:
        angle = predicted_patches.angles(source, agreed.aligned, held_out, agreed.order)
    axes = decoded.axes(source.settings)
    found = predicted_patches.patches(agreed, agreed.order, angle, axes)
    return found if angle is None else found | predicted_patches.variables(angle)


def _dataset(
    agreed: Agreement, variables: dict[str, Any], source: PatchSource, name: str
) -> xr.Dataset:
    """Join maps, places and truth of the sites, with attributes of the model and its ensemble."""
    from vaescope.models import zoo

    own, patches, view = source.settings, source.patches, agreed.aligned
    given = agreed.ensemble, agreed.encodings, agreed.kept, source, agreed.residual
    more, of_physics = contradicted.measured(*given)
    variables = variables | more
    latents = xr.Dataset(variables, coords=_coordinates(view, patches, variables))
    for key in patches.variables:
        if str(key).startswith("truth_"):
            latents[key] = patches[key].load()
    latents.attrs = carried(patches.attrs)
    if own.labels:
        latents.attrs["class_labels"] = list(agreed.ensemble[0].codec.levels)
    voting = zip(agreed.ensemble, agreed.kept, strict=True)
    latents.attrs |= {
        "symmetry": agreed.order,
        "model": name,
        "variant": own.variant,
        "label": zoo.label(own.as_dict()),
        "angle_zero": _zero_of_angles(patches),
        "target": own.target or "",
        "reference_member": int(agreed.ensemble[view.reference].number),
        "members_kept": [m.number for m, k in voting if k],
        "noise_inflation": agreed.residual.noise.inflation,
        "mean_elbo": float(np.mean([e.elbo[:].mean() for e in agreed.encodings])),
        **of_physics,
    }
    if own.classes:
        latents.attrs |= {
            "classes_asked": own.classes,
            "classes_dissolved": view.dissolved,
            **_agreement(agreed, own.counts_classes),
        }
    return latents


def _zero_of_angles(patches: xr.Dataset) -> str:
    traits = traits_of(patches.attrs)
    if traits.directed and "direction" in patches:
        return "direction of the site along x"
    if traits.lattice:
        return "strongest Fourier direction of the local lattice along x"
    return "arbitrary, one for each kind of structure"


def _agreement(agreed: Agreement, counted: bool) -> dict[str, Any]:
    """Adjusted mutual information of the classes of every two members with a vote: of those that
    the content supports if they are ``counted``, or of all requested ones."""
    from sklearn.metrics import adjusted_mutual_info_score

    own = [encoding.class_probability for encoding in agreed.encodings]
    probability = agreed.aligned.class_probability if counted else own
    assert probability is not None
    voting = zip(probability, agreed.kept, strict=True)
    found = [of_member[:].argmax(1) for of_member, vote in voting if vote and of_member is not None]
    pairs = combinations(found, 2)
    return {"class_agreement": [float(adjusted_mutual_info_score(*pair)) for pair in pairs]}


def common_order(encodings: Sequence[Encoding], kept: np.ndarray, anywhere: bool) -> int:
    """The symmetry that the canonical pictures of the sound members have on average, about their
    middles or ``anywhere``."""
    seen = []
    for encoding, counts in zip(encodings, kept, strict=True):
        if counts and encoding.angle is not None:
            count = len(encoding.canonical)
            rows = np.unique(np.linspace(0, count - 1, min(count, LOOKED_AT)).astype(int))
            seen.append(orientation.self_similarity(encoding.canonical[rows], anywhere))
    return orientation.order(np.mean(seen, axis=0)) if seen else 1


def _coordinates(
    view: AlignedMembers, patches: xr.Dataset, taken: Container[str]
) -> dict[str, Any]:
    """The axes of what members say, and all columns of the sites whose names are not ``taken``."""
    coordinates: dict[str, Any] = {
        "site": patches["site"].values,
        "member": np.arange(view.content.shape[0]),
        "latent": np.arange(1, view.content.shape[2] + 1),
        "axis": ["y", "x"],
        "component": ["xx", "yy", "xy"],
    }
    coordinates |= {
        name: patches[name] for name in ("py", "px", "energy") if name in patches.coords
    }
    of_sites = columns.without_truth(patches)
    coordinates |= {
        name: column
        for name, column in of_sites.items()
        if name not in taken and name not in coordinates
    }
    return coordinates
