"""Findings about models: their maps, their members and classes, their training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.results.facts import Finding, Severity
from vaescope.structure.class_numbers import ClassNumber
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_COLLAPSED = 0.1  # nats per latent: content that says less is the prior
_UNSURE = 0.5  # of the entropy of not knowing anything
_APART = 0.5  # adjusted mutual information of two members' classes
_LATE = 0.25  # last share of the training in which nothing much should happen any more
_STILL = 0.2  # of the rise since the start; the rate falls to zero, so a tenth always comes late


def of_latents(name: str, latents: xr.Dataset, scores: Mapping[str, Any]) -> list[Finding]:
    """Judge the maps of one model (``latents.zarr``), with its scores (``scores.json``)."""
    members = int(latents.sizes.get("member", 1))
    numbers = [int(k) for k in np.atleast_1d(latents.attrs.get("members_kept", range(members)))]
    count = latents["class_count"].values if "class_count" in latents else None
    said = of_model(
        name,
        retained=np.isin(np.arange(members), numbers),
        content=latents["consensus_content"].values,
        content_spread=latents["content_spread"].values / latents.attrs.get("noise_inflation", 1.0),
        agreement=float(scores.get("content_agreement", 1.0)),
        class_count=count,
        number=ClassNumber.of(latents),
        explained_fraction=float(scores.get("explained_fraction", 1.0)),
    )

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, name, says, means, remedy))

    if "angle_spread" in latents:
        period = 360 / max(int(latents.attrs.get("symmetry", 1)), 1)
        spread = float(np.degrees(np.nanmedian(latents["angle_spread"].values)))
        spread = min(spread, period / np.sqrt(12))  # that of an angle of which nothing is known
        traits = traits_of(latents.attrs)
        if spread > period / 12 and traits.windows and not traits.lattice:
            say(
                "unsure angles",
                "note",
                f"Windows have no direction of their own: angles are unsure by {spread:.0f}°"
                " (median).",
                "A window within one domain looks the same when rotated; the latents do not depend"
                " on the angle.",
                "Nothing. For the direction of walls, the recipe `walls`.",
            )
        elif spread > period / 12:
            say(
                "unsure angles",
                "serious" if spread > period / 6 else "care",
                f"Angles are unsure by {spread:.1f}° (median), modulo {period:g}°.",
                "The local structure looks much the same when rotated, or is too noisy for its"
                " orientation to be determined.",
                "Larger patches, or a higher dose; where only one orientation exists, `rotation:"
                " false`.",
            )
    if "class_entropy" in latents and latents.sizes.get("class", 0) > 1:
        unsure = float(latents["class_entropy"].mean()) / np.log(latents.sizes["class"])
        if unsure > _UNSURE:
            say(
                "unsure classes",
                "care",
                f"Classes are unsure: their mean entropy is {100 * unsure:.0f} % of its maximum.",
                "The members put the same site into different classes; borders between classes are"
                " arbitrary.",
                f"Take `models: {name}: classes: auto`, or read the latents, which need no"
                " borders.",
            )
    agreement = np.atleast_1d(latents.attrs.get("class_agreement", [])).astype(float)
    if agreement.size and float(np.median(agreement)) < _APART:
        say(
            "members disagree on classes",
            "care",
            "Two members agree little on the classes (median adjusted mutual information"
            f" {np.median(agreement):.2f} of 1).",
            "Which sites belong together depends on the random start.",
            f"See which classes are stable in the figure; `models: {name}: classes: auto`, or more"
            " `steps`.",
        )
    coverage = float(scores.get("angle_coverage_68", 0.68))
    if not 0.5 <= coverage <= 0.9:
        say(
            "dishonest angle errors",
            "care",
            f"{100 * coverage:.0f} % of the true angles lie within one stated spread; 68 % should.",
            "Stated uncertainties of angles are too " + ("small." if coverage < 0.68 else "large."),
            "Read spreads as relative: where it is large, angles are less sure.",
        )
    return said


def of_model(
    name: str,
    *,
    retained: np.ndarray,
    content: np.ndarray,
    content_spread: np.ndarray,
    agreement: float,
    class_count: np.ndarray | None,
    number: ClassNumber | None,
    explained_fraction: float,
) -> list[Finding]:
    """Findings about members, latents and classes of an ensemble.

    retained (member,) bool; content, content_spread (site, latent) consensus, the spread not
    enlarged for correlated noise; agreement the median share of the reference's content that
    members explain; class_count (class,) sites per class or None; number of classes that the data
    support, None where labels name them.
    """
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, name, says, means, remedy))

    if not retained.all():
        out = ", ".join(str(k) for k in np.flatnonzero(~retained))
        say(
            "members left out",
            "serious" if retained.mean() <= 0.5 else "care",
            f"Member(s) {out} ended with a clearly worse bound than the others and were left out.",
            "Their training got stuck; the maps rest on the other members alone.",
            "A few are no harm. If it is many: more `steps`, or `prototypes`.",
        )
    doubt = np.median(content_spread, axis=0)
    silent = [k + 1 for k, spread in enumerate(content.std(0)) if spread < doubt[k]]
    if silent:
        one = len(silent) == 1
        say(
            "collapsed latent",
            "care",
            f"{_listed('Latent', silent)} {'carries' if one else 'carry'} hardly any"
            f" information: {'it varies' if one else 'they vary'} less between sites than"
            f" {'it is' if one else 'they are'} uncertain.",
            "The structures need fewer latents than the model has; "
            + ("its map is noise." if one else "their maps are noise."),
            f"Ask for fewer latents (`models: {name}: latent:"
            f" {max(content.shape[1] - len(silent), 1)}`), or leave"
            f" {'it' if one else 'them'}: the other latents are not harmed.",
        )
    if agreement < 0.7:
        say(
            "members disagree",
            "serious" if agreement < 0.4 else "care",
            f"The members disagree about the latents (median agreement {agreement:.2f} of 1):"
            " read the latent maps with their spread.",
            "What a latent means depends on the random start.",
            "Look at the figure of the uncertainty; fewer latents or more `steps` bring members"
            " together.",
        )
    if number is not None:
        said += _of_class_number(name, number)
    elif class_count is not None:
        empty = np.flatnonzero(class_count < max(0.005 * class_count.sum(), 1))
        if len(empty):
            names = ", ".join(str(k) for k in empty)
            say(
                "dead class",
                "care",
                f"Class {names} is (nearly) empty.",
                "A class with hardly a site is no structure that occurs again, or a rare one.",
                f"See which sites are in it; more labels, or fewer `models: {name}: classes`.",
            )
    if explained_fraction < 0.95:
        share = 100 * (1 - explained_fraction)
        say(
            "not explained",
            "serious" if explained_fraction < 0.7 else "care",
            f"{share:.1f} % of the sites are not explained by the model; they are marked.",
            "They contain something that the model does not reproduce; angle, latents and class"
            " mean little there.",
            "Look at those that are explained worst; more latents, classes or `steps` if they are"
            " structure, nothing if they are dirt.",
        )
    return said


def _of_class_number(name: str, number: ClassNumber) -> list[Finding]:
    """What to know of the number of classes: nothing where it is that of the data."""
    auto = f"`models: {name}: classes: auto` shows as many as the data support."
    if number.at_least:
        return [
            Finding(
                "number of classes",
                "care",
                name,
                f"{number.says} No more are told apart.",
                f"{number.reason} What else differs is one class with what it is least apart from.",
                f"A number beyond it in `models: {name}: classes`, or the modes of the latents.",
            )
        ]
    if number.requested is None or number.requested == number.supported == number.shown:
        return []
    alike = number.shown == number.supported
    return [
        Finding(
            "number of classes",
            "note" if alike else "care",
            name,
            number.says,
            number.reason,
            "Nothing." if alike else auto,
        )
    ]


def of_history(name: str, history: pd.DataFrame) -> list[Finding]:
    """Findings about the training of one model.

    history : ``history.csv``, one row per record and member: ``member``, ``step`` or ``epoch``,
        ``elbo``, ``kl_content`` …
    """
    if history.empty or not {"member", "elbo"} <= set(history):
        return []
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, name, says, means, remedy))

    ends, gains, lost = [], [], []
    for member, rows in history.groupby("member"):
        bound = rows["elbo"].to_numpy(float)
        if not np.isfinite(bound[-1]):
            lost.append(member)
            continue
        late, gain = _late_gain(bound)
        gains.append(gain)
        ends.append(late)
    if lost:
        numbers = ", ".join(f"{k:g}" for k in lost)
        say(
            "diverged",
            "serious",
            f"The training of member(s) {numbers} diverged: the bound is no number.",
            "These members learned nothing.",
            f"Halve `models: {name}: learning_rate`, and check the image for outliers.",
        )
    if gains and float(np.median(gains)) > _STILL:
        say(
            "not converged",
            "care",
            f"Training was not over: the last quarter still brought {100 * np.median(gains):.0f} %"
            " of all that it gained.",
            "Maps may still change, members agree less than they could, and classes may not have"
            " come apart yet.",
            f"More `models: {name}: steps`.",
        )
    if "kl_content" in history:
        last = history.groupby("member").tail(1)["kl_content"].to_numpy(float)
        nats = float(np.median(last[np.isfinite(last)])) if np.isfinite(last).any() else np.inf
        if 0 <= nats < _COLLAPSED and bool((history["kl_content"] > 0).any()):
            say(
                "collapsed latents",
                "serious",
                f"The latents have collapsed: all of them together carry {nats:.2g} nats.",
                "Every site has the same content for this model; the latent maps are noise.",
                f"A smaller `models: {name}: beta`, or more latents; or there is nothing that"
                " varies but the pose.",
            )
    return said


def _listed(word: str, numbers: list[int]) -> str:
    """``Latent 2``; ``Latents 2 and 4``; ``Latents 2 to 8`` of a row of numbers."""
    if len(numbers) == 1:
        return f"{word} {numbers[0]}"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{word}s {numbers[0]} to {numbers[-1]}"
    return f"{word}s {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _late_gain(bound: np.ndarray) -> tuple[float, float]:
    """Compute the final bound, and the share of its rise since the first tenth that came late.

    The end and the start of the last quarter are medians over a tenth of the records each.
    """
    count = len(bound)
    width = max(count // 10, 1)
    end = float(np.median(bound[-width:]))
    if count < 12:  # too few records to tell a rise from noise
        return end, 0.0
    from_there = int((1 - _LATE) * count)
    before = float(np.median(bound[from_there - width : from_there]))
    start = float(np.median(bound[width : 2 * width]))
    rise = end - start
    noise = float(np.std(np.diff(bound[from_there:])))
    gain = end - before
    return end, gain / rise if rise > 0 and gain > 2 * noise else 0.0
