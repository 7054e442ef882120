"""The latent maps of one model: every member's view of every site, and what they agree on."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from dask.array import from_array

from vaescope import columns
from vaescope.columns import carried
from vaescope.ensemble import align, decoded, gauge, orientation, predictive_checks
from vaescope.ensemble.blocks import in_turn
from vaescope.ensemble.consensus import AlignedMembers, gather
from vaescope.ensemble.encode import Encoding, Member, encode_all, load_members
from vaescope.ensemble.residual import residuals
from vaescope.ensemble.source import PatchSource
from vaescope.ensemble.spool import Scratch, Spool
from vaescope.judge import findings, scan
from vaescope.numerics import one_thread
from vaescope.progress import track
from vaescope.quantities import CRITICISM, Scale, attributes
from vaescope.scores import labelled, restoration, truth
from vaescope.structure import class_numbers, modes
from vaescope.traits import traits_of

LOOKED_AT = 300  # canonical pictures from which the symmetry is read
RESTORED = 20_000  # patches among which restoration is scored


def map_latents(
    members: Path,
    patches: xr.Dataset,
    *,
    name: str = "",
    threads: int = 1,
) -> xr.Dataset:
    """Encode all sites with all members, align the members, and say how far they agree.

    Parameters
    ----------
    members : folder of ``member-K.safetensors``.
    patches : the Dataset of ``patches.zarr``.
    name : the model's name in the recipe.
    threads : batches of sites encoded at once.

    Returns
    -------
    The Dataset of ``latents.zarr``. Angles are modulo 360/``symmetry`` degrees and count from the
    x axis, counter-clockwise, to the strongest Fourier direction of the local lattice. Patches and
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
    with ThreadPoolExecutor(threads, initializer=one_thread) as pool:
        encodings = _encoded(ensemble, source, pool, threads)
        return _mapped(ensemble, encodings, source, name, pool)


def _encoded(
    ensemble: Sequence[Member], source: PatchSource, pool: ThreadPoolExecutor, threads: int
) -> list[Encoding]:
    """What every member says of every site, on disk; patches pass block by block."""
    blocks = track("encoding sites", source.blocks(), -(-len(source) // source.block))
    data = (block for _, block in blocks)
    share = partial(in_turn, pool, 2 * threads)
    return encode_all(ensemble, data, len(source), share, Scratch().empty)


def _mapped(
    ensemble: Sequence[Member],
    encodings: Sequence[Encoding],
    source: PatchSource,
    name: str,
    pool: ThreadPoolExecutor,
) -> xr.Dataset:
    from vaescope.models import zoo

    own, patches = source.settings, source.patches
    kept = align.sound(np.array([e.elbo[:].mean() for e in encodings]))
    traits = traits_of(patches.attrs)
    # The middle of a window is no point of the crystal that it would have to be turned about.
    anywhere = traits.lattice and not traits.atoms and own.offsets
    n = math.lcm(common_order(encodings, kept, anywhere), own.symmetry)
    gauges: Sequence[gauge.Gauge | None] = [None] * len(encodings)
    if own.rotation and traits.lattice:
        gauges = [gauge.of_lattice(e, n) for e in encodings]
    elif own.rotation:
        gauges = gauge.of_pictures(encodings, align.leader(encodings, kept))
    half = patches.sizes["px"] / 2 * float(patches.attrs.get("pitch", 1.0))
    voting = [e for e, vote in zip(encodings, kept, strict=True) if vote]
    left = residuals(source, voting, ensemble[0].model.mask.numpy(), pool.map)
    explained, noise = left.explained, left.noise
    p_value = predictive_checks.predictive_p_value(left.residual, noise)
    named = bool(own.labels)
    stack = Scratch().stack
    view = gather(encodings, gauges, kept, n, half, noise.inflation, named, stack)
    variables = view.variables()
    assert encodings[0].conditions is not None
    told = encodings[0].conditions[:]
    variables.update(decoded.draw(view, ensemble, gauges, source, told).variables(own))
    variables.update(decoded.planes(view, ensemble, gauges, source.codec, told))
    found = modes.find(
        view.consensus_content,
        variables["content_spread"][1],
        lambda rows: decoded.upright(view, source.shown(rows), rows),
        decoded.drawer(view, ensemble, gauges, told),
        own.rotation and own.target is None,
    )
    variables.update(found.variables(decoded.axes(own)))
    drawn = from_array(left.reconstruction, chunks=(source.block, -1, -1, -1))
    variables["reconstruction"] = (("site", *decoded.axes(own)), drawn)
    checks: tuple[tuple[str, str, np.ndarray, Scale], ...] = (
        ("residual", "residual over noise", left.residual, "sequential"),
        ("explained", "explained by the model", explained, "categorical"),
        ("predictive_p", "posterior predictive p-value", p_value, "sequential"),
    )
    for part, said, values, scale in checks:
        about = attributes(said, "1", scale, group=CRITICISM)
        variables[part] = ("site", values, about)
    latents = xr.Dataset(variables, coords=_coordinates(view, patches, variables))
    for key in patches.variables:
        if str(key).startswith("truth_"):
            latents[key] = patches[key].load()
    latents.attrs = carried(patches.attrs)
    if named:
        latents.attrs["class_labels"] = list(ensemble[0].codec.levels)
    of_labels = labelled.score(latents, source.shown)
    agreement = view.agreement
    numbers: dict[str, Any] = {
        "n_sites": len(source),
        "explained_fraction": float(explained.mean()),
        "predictive_p_below_0.05": float((p_value < 0.05).mean()),
        "content_agreement": float(np.median(agreement[kept])),
        "members_kept": int(kept.sum()),
        "noise_inflation": noise.inflation,
        "mean_elbo": float(np.mean([e.elbo[:].mean() for e in encodings])),
        **truth.scores(latents, n),
        **of_labels,
        **(_restored(source, left.reconstruction, ensemble[0]) if own.target else {}),
    }
    if "angle_spread" in latents:
        numbers["angle_spread_median_deg"] = float(np.degrees(latents["angle_spread"].median()))
    if "class_entropy" in latents:
        numbers["classes_dissolved"] = view.dissolved
        if not named:
            compared = class_numbers.compare(view.consensus_content, own.classes)
            latents = latents.assign(compared.variables())
            numbers |= compared.scores()
        numbers["class_entropy_mean"] = float(latents["class_entropy"].mean())
    told_of = findings.of_model(
        name,
        kept=kept,
        content=latents["consensus_content"].values,
        content_spread=latents["content_spread"].values,
        agreement=float(np.median(agreement[kept])) if kept.any() else 0.0,
        class_count=view.class_count,
        dissolved=view.dissolved,
        explained_fraction=numbers["explained_fraction"],
    )
    words = [finding.says for finding in told_of]
    variant = own.variant
    latents.attrs["symmetry"] = n
    shares = scan.of_latents(latents) if traits.placed else {}
    words += scan.in_words(shares)
    latents.attrs |= {
        "scan_shares": json.dumps(scan.as_attribute(shares)),
        "model": name,
        "variant": variant,
        "label": zoo.label(own.as_dict()),
        "angle_zero": "strongest Fourier direction of the local lattice along x"
        if traits.lattice
        else "arbitrary, one for each kind of structure",
        "target": own.target or "",
        **({"classes_asked": own.classes, **_agreement(encodings, kept)} if own.classes else {}),
        "reference_member": int(ensemble[view.reference].number),
        "members_kept": [m.number for m, k in zip(ensemble, kept, strict=True) if k],
        "scores": json.dumps(numbers),
        "warnings": json.dumps(words),
    }
    return latents


def _restored(source: PatchSource, reconstruction: Spool, member: Member) -> dict[str, Any]:
    """Scores of restoration, of so many patches as fit into memory."""
    rows = np.unique(np.linspace(0, len(source) - 1, min(len(source), RESTORED)).astype(int))
    mask = member.model.mask.numpy()
    return restoration.score(source.data(rows), reconstruction[rows], mask)


def _agreement(encodings: Sequence[Encoding], kept: np.ndarray) -> dict[str, Any]:
    """Adjusted mutual information of the classes of every two members with a vote."""
    from sklearn.metrics import adjusted_mutual_info_score

    found = [
        e.class_probability[:].argmax(1)
        for e, vote in zip(encodings, kept, strict=True)
        if vote and e.class_probability is not None
    ]
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
        "py": patches["py"].values,
        "px": patches["px"].values,
    }
    of_sites = columns.without_truth(patches)
    coordinates |= {
        name: column
        for name, column in of_sites.items()
        if name not in taken and name not in coordinates
    }
    return coordinates
