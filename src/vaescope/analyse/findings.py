"""What a careful reader should know of a result: found, how bad it is, what it means, what to do.

Everything here is read from what the stages have left behind (tables of sites, latents, histories
of training, shares of the scan), so that old results are judged as new ones are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from vaescope.analyse import scan
from vaescope.store import json_attribute

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Severity = Literal["serious", "care", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "care", "note")
"""From "do not believe it yet" over "read with care" to "good to know"."""

_FEW_PATCHES = 100  # below which an ensemble of networks learns the noise
_POOR_FIT = 0.5  # share of the variance around a site that a Gaussian explains
_NOTABLE = 0.1  # share of the sites from which something concerns the whole
_COLLAPSED = 0.1  # nats per latent: content that says less is the prior
_UNSURE = 0.5  # of the entropy of not knowing anything
_APART = 0.5  # adjusted mutual information of two members' classes
_LATE = 0.25  # last share of the training in which nothing much should happen any more
_STILL = 0.2  # of the rise since the start; the rate falls to nothing, so a tenth always comes late
_BLURRED = 0.1  # of the spacing: positions that are less sure tell no strain and no class


@dataclass(frozen=True)
class Finding:
    """One thing that was found: ``says`` what, ``means`` what for the maps, ``remedy`` against it.

    ``about`` : `sites`, `strain: METHOD` or the name of a model; ``kind`` : a name for programs.
    """

    kind: str
    severity: Severity
    about: str
    says: str
    means: str
    remedy: str


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """The worst first, otherwise as they come."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def of_sites(image: xr.Dataset, sites: xr.Dataset, patches: xr.Dataset) -> list[Finding]:
    """Findings about detection and fits.

    image, sites, patches : the Datasets of ``image.zarr``, ``sites.zarr`` and ``patches.zarr``.
    """
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, "sites", says, means, remedy))

    count, total = int(patches.sizes["site"]), int(sites.sizes["site"])
    stack = sites.attrs.get("method") == "frames"
    if count < _FEW_PATCHES:
        say(
            "few patches",
            "care",
            f"Only {count} patches could be cut.",
            "Networks that see so few patches learn their noise by heart; rare structures are not"
            " found.",
            "Take a larger image or more frames, or smaller patches (`patches: size`).",
        )
    if not stack and not image.attrs.get("calibrated"):
        say(
            "not calibrated",
            "note",
            "The image tells no pixel size.",
            "Lengths are in pixels; strain, angles and classes do not need it.",
            "Give `pixel_size` in the sample sheet.",
        )
    if sites.attrs.get("spacing_estimated") and sites.attrs.get("periodic") is False:
        say(
            "no period",
            "care",
            "The image has no clear period from which a spacing could be taken.",
            "Patch sizes and the scale at which sites are looked for are guesses.",
            "Look at the figure of the sites; give `sites: spacing` if they are not the atoms.",
        )
    if "fit_quality" in sites and total:
        poor = float(np.mean(sites["fit_quality"].values < _POOR_FIT))
        if poor > _NOTABLE:
            say(
                "poor fits",
                "care",
                f"{100 * poor:.0f} % of the sites are fitted badly (quality below {_POOR_FIT:g}):"
                " a Gaussian tells less than half of what is seen there.",
                "There is much noise, or some are no atoms, or two for one; look at the standard"
                " error of their coordinates.",
                "Look at the figure of the sites; change `sites: threshold`, `spacing` or"
                " `polarity`, or let a detector look (`extends: atoms-learned`).",
            )
    if "y_error" in sites and total:
        spacing = float(sites.attrs.get("spacing", np.nan))
        error = np.hypot(sites["y_error"].values, sites["x_error"].values) / np.sqrt(2)
        error = error[np.isfinite(error)]
        blurred = float(np.median(error)) / spacing if error.size else 0.0
        if blurred > _BLURRED:
            say(
                "blurred positions",
                "serious",
                f"Positions are unsure by {100 * blurred:.0f} % of the spacing (median).",
                "Offsets, strain and neighbours say little.",
                "Average frames, or bin the image; noise alone makes positions so unsure.",
            )
    if "score_spread" in sites and sites.attrs.get("method") == "model" and total:
        doubt = float(np.mean(sites["score"].values - sites["score_spread"].values < 0.5))
        if doubt > _NOTABLE:
            say(
                "doubtful detections",
                "care",
                f"{100 * doubt:.0f} % of the sites are doubtful to the detector: within the spread"
                " of its members, the probability falls below one half.",
                "Some of them may be no atoms, and others be missing.",
                "Filter by `score` in sites.csv, or simulate images that look more like this one"
                " (`sites: detector`).",
            )
    lost = total - count
    if not stack and total and lost / total > 0.4:
        say(
            "cut off",
            "note",
            f"{lost} of {total} sites are too near the edge for a patch.",
            "They are in the table of sites, but no map shows them.",
            "Smaller patches (`patches: size`) reach further out.",
        )
    scores = json_attribute(sites, "truth_scores", {})
    for name, word in (("recall", "true sites were found"), ("precision", "found sites are true")):
        share = float(scores.get(name, 1.0))
        if share < 0.9:
            say(
                f"low {name}",
                "serious" if share < 0.7 else "care",
                f"Only {100 * share:.1f} % of the {word}.",
                "The truth is known here: this is how far the detection can be trusted on images"
                " like this one.",
                "Try another `sites: method`, `threshold` or `spacing`.",
            )
    return said


def of_strain(strain: xr.Dataset) -> list[Finding]:
    """Findings about strain and rotation of the lattice (``strain.zarr``)."""
    if not strain.attrs.get("ordered"):
        return []
    said = []
    widened = float(np.max(np.atleast_1d(strain.attrs.get("position_errors_widened", 1.0))))
    if widened > 1.5:
        said.append(
            Finding(
                "position errors too small",
                "care",
                "strain: neighbours",
                f"Standard errors of positions had to grow {widened:.1f} times to agree with the"
                " lattice.",
                "Neighbouring sites lie off their lattice by more than their fits say: noise of the"
                " scan, or atoms that are no Gaussians.",
                "Trust the errors of the strain, which have grown, not those of positions.",
            )
        )
    stored = json_attribute(strain, "scan_shares", {})
    by_method = {name: scan.from_attribute(shares) for name, shares in stored.items()}
    return said + of_scan("strain", scan.together(by_method))


def of_scan(about: str, changes: list[scan.Change]) -> list[Finding]:
    """Findings about maps that follow rows or columns of the image."""
    return [
        Finding(
            "scan artefact" if change.abrupt else "slow change along the scan",
            "care" if change.abrupt else "note",
            about,
            change.says,
            "The scan may have made these maps, not the specimen. " + scan.ALIKE
            if change.abrupt
            else "Drift of the scan, or the specimen itself. " + scan.ALIKE,
            "Compare with an image whose scan was turned by 90°; `ingest: preprocess:"
            " detrend_lines` takes out shifts of brightness, not of places.",
        )
        for change in changes
    ]


def of_latents(latents: xr.Dataset) -> list[Finding]:
    """Findings about one model's maps (``latents.zarr``)."""
    name = str(latents.attrs.get("model") or "model")
    scores = json_attribute(latents, "scores", {})
    members = int(latents.sizes.get("member", 1))
    numbers = [int(k) for k in np.atleast_1d(latents.attrs.get("members_kept", range(members)))]
    count = latents["class_count"].values if "class_count" in latents else None
    said = of_model(
        name,
        kept=np.isin(np.arange(members), numbers),
        content=latents["consensus_content"].values,
        content_spread=latents["content_spread"].values,
        agreement=float(scores.get("content_agreement", 1.0)),
        class_count=count,
        dissolved=int(scores.get("classes_dissolved", 0)),
        explained_fraction=float(scores.get("explained_fraction", 1.0)),
    )

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, name, says, means, remedy))

    if "angle_spread" in latents:
        period = 360 / max(int(latents.attrs.get("symmetry", 1)), 1)
        spread = float(np.degrees(np.nanmedian(latents["angle_spread"].values)))
        if spread > period / 12:
            say(
                "unsure angles",
                "serious" if spread > period / 6 else "care",
                f"Angles are unsure by {spread:.1f}° (median), of {period:g}° in which they are"
                " known.",
                "The local structure looks much the same from other sides, or is too noisy to tell"
                " how it is turned.",
                "Larger patches, or a higher dose; where only one orientation exists, `rotation:"
                " false`.",
            )
    if "class_entropy" in latents and latents.sizes.get("class", 0) > 1:
        unsure = float(latents["class_entropy"].mean()) / np.log(latents.sizes["class"])
        if unsure > _UNSURE:
            say(
                "unsure classes",
                "care",
                f"Classes are unsure: their mean entropy is {100 * unsure:.0f} % of knowing"
                " nothing.",
                "The members put the same site into different classes; borders between classes are"
                " arbitrary.",
                "Ask for fewer `classes`, or read the latents, which need no borders.",
            )
    agreement = np.atleast_1d(latents.attrs.get("class_agreement", [])).astype(float)
    if agreement.size and float(np.median(agreement)) < _APART:
        say(
            "members disagree on classes",
            "care",
            "Two members agree little on the classes (median adjusted mutual information"
            f" {np.median(agreement):.2f} of 1).",
            "Which sites belong together depends on the random start.",
            "See which classes are stable in the figure; ask for fewer `classes` or more `steps`.",
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
    known = {finding.says for finding in said} | set(scan.in_words(_shares(latents)))
    for text in json_attribute(
        latents, "warnings", []
    ):  # said when the maps were made, by older code
        if text not in known:
            say("noted", "care", str(text), "It was noted when the maps were made.", "")
    return said


def of_maps(models: dict[str, xr.Dataset]) -> list[Finding]:
    """Findings about what the scan may have made of the maps of all models together.

    models : the Dataset of ``latents.zarr`` by name of the model.
    """
    about = next(iter(models)) if len(models) == 1 else "all models"
    changes = scan.together({name: _shares(latents) for name, latents in models.items()})
    return of_scan(about, changes)


def _shares(latents: xr.Dataset) -> dict[str, scan.Shares]:
    return scan.from_attribute(json_attribute(latents, "scan_shares", {}))


def of_model(
    name: str,
    *,
    kept: np.ndarray,
    content: np.ndarray,
    content_spread: np.ndarray,
    agreement: float,
    class_count: np.ndarray | None,
    dissolved: int,
    explained_fraction: float,
) -> list[Finding]:
    """Findings about members, latents and classes of an ensemble.

    kept (member,) bool; content, content_spread (site, latent) consensus; agreement the median
    share of the reference's content that members explain; class_count (class,) sites per class or
    None; dissolved classes, which the members did not find again.
    """
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, name, says, means, remedy))

    if not kept.all():
        out = ", ".join(str(k) for k in np.flatnonzero(~kept))
        say(
            "members left out",
            "serious" if kept.mean() <= 0.5 else "care",
            f"Member(s) {out} ended with a clearly worse bound than the others and were left out.",
            "Their training got stuck; the maps rest on the other members alone.",
            "A few are no harm. If it is many: more `steps`, or `prototypes`.",
        )
    doubt = np.median(content_spread, axis=0)
    for k, spread in enumerate(content.std(0)):
        if spread < doubt[k]:
            say(
                "collapsed latent",
                "care",
                f"Latent {k + 1} says nothing: the sites differ in it less than it is uncertain.",
                "The structures need fewer latents than the model has; its map is noise.",
                f"Ask for fewer latents (`models: {name}: latent: {max(content.shape[1] - 1, 1)}`),"
                " or leave it: the other latents are not harmed.",
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
    if dissolved and class_count is not None:
        asked = len(class_count) + dissolved
        say(
            "classes dissolved",
            "note",
            f"{dissolved} of {asked} classes were not found again by the members of the ensemble"
            f" and were dissolved; {len(class_count)} are left.",
            "More classes were asked for than the members agree on; their sites went where the"
            " other members see them.",
            f"Nothing, or `models: {name}: classes: {len(class_count)}`.",
        )
    if class_count is not None:
        empty = np.flatnonzero(class_count < max(0.005 * class_count.sum(), 1))
        if len(empty):
            names = ", ".join(str(k) for k in empty)
            say(
                "dead class",
                "care",
                f"Class {names} is (nearly) empty: fewer classes may be enough.",
                "A class with hardly a site is no structure that occurs again, or a rare one.",
                f"Ask for fewer (`models: {name}: classes: {len(class_count) - len(empty)}`),"
                " unless a rare defect is looked for.",
            )
    if explained_fraction < 0.95:
        share = 100 * (1 - explained_fraction)
        say(
            "not explained",
            "serious" if explained_fraction < 0.7 else "care",
            f"{share:.1f} % of the sites are not explained by the model; they are marked.",
            "Their patches hold something that the model does not draw; angle, latents and class"
            " mean little there.",
            "Look at the worst patches; more latents, classes or `steps` if they are structure,"
            " nothing if they are dirt.",
        )
    return said


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
            f"Halve `models: {name}: learning_rate`, and look for strange values in the image.",
        )
    if gains and float(np.median(gains)) > _STILL:
        say(
            "not converged",
            "care",
            f"Training was not over: the last quarter still brought {100 * np.median(gains):.0f} %"
            " of all that it gained.",
            "Maps may still change, and members agree less than they could.",
            f"More `models: {name}: steps`.",
        )
    if "kl_content" in history:
        last = history.groupby("member").tail(1)["kl_content"].to_numpy(float)
        told = float(np.median(last[np.isfinite(last)])) if np.isfinite(last).any() else np.inf
        if 0 <= told < _COLLAPSED and bool((history["kl_content"] > 0).any()):
            say(
                "collapsed latents",
                "serious",
                f"The latents have collapsed: all of them together hold {told:.2g} nats.",
                "Every site has the same content for this model; the latent maps are noise.",
                f"A smaller `models: {name}: beta`, or more latents; or there is nothing that"
                " varies but the pose.",
            )
    return said


def _late_gain(bound: np.ndarray) -> tuple[float, float]:
    """The bound at its end, and which share of the rise since the first tenth came late.

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
