"""What a search came to (``explore.zarr``), and what is to be doubted in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vaescope.explore.outcome import RANDOM, SEARCH, Outcome
from vaescope.results.facts import Finding, Measure
from vaescope.text import grouped

if TYPE_CHECKING:
    import xarray as xr

ABOUT = "search"
MEASURES = (
    Measure("evaluations", "evaluations", place="quality"),
    Measure("failed_evaluations", "evaluations that failed", "count", "less"),
    Measure("best_value", "largest value found"),
    Measure(
        "regret",
        "what the best found falls short of the best there is, of the range",
        "share",
        "less",
    ),
    Measure("expected_gain", "gain still expected, of the range seen", "share", "less"),
    Measure("allowed_share", "candidates that could be proposed", "share"),
    Measure("real_share", "searched space that has support", "share"),
    Measure(
        "prediction_rmse", "error of the predictions over the spread of the target", "", "less"
    ),
    Measure("inside_two_sd", "unseen values within two standard deviations", "share"),
    Measure(
        "ahead_of_random", "evaluations that random ones need for the same, over ours", "", "more"
    ),
)
_STILL = 0.02  # of the range: gain still expected at the end
_USELESS = 0.95  # error of the predictions over the spread of the target
_NARROW = 0.2  # standard deviation over the spread of the target: too wide matters little below
_BAND = (0.90, 0.99)  # share of unseen values within two standard deviations
_HELD = 0.954  # that a normal distribution has there
_END = 0.03  # of the range of an axis: at its end
_NEAR = 1.5  # distances between candidates: on the rim of the space


def is_figure(name: str) -> bool:
    """Whether a figure of this name shows a search."""
    return name.startswith(f"{ABOUT}-")


def numbers(explored: xr.Dataset | None) -> dict[str, float]:
    """Measure what a search came to; nothing where there is none."""
    if explored is None:
        return {}
    found = Outcome(explored)
    reach = float(np.nanmax(found.values) - np.nanmin(found.values))
    measured = {
        "evaluations": len(found.points),
        "failed_evaluations": int((~np.isfinite(found.values)).sum()),
        "best_value": float(np.nanmax(found.values)),
        "regret": found.regret(),
        "prediction_rmse": found.error(),
        "inside_two_sd": found.inside(),
    }
    if "real_share" in found.explored.attrs:
        measured["real_share"] = float(found.explored.attrs["real_share"])
    if not found.allowed.all():
        measured["allowed_share"] = float(found.allowed.mean())
    if (gain := _gain(found)) is not None and reach:
        measured["expected_gain"] = gain / reach
    own = found.course(SEARCH)
    if own is not None and RANDOM in found.strategies and found.compares:
        ours = found.needed(SEARCH, float(own.median[-1]))
        measured["ahead_of_random"] = found.needed(RANDOM, float(own.median[-1])) / ours
    if found.active:
        del measured["best_value"], measured["regret"]
    return measured


def words(explored: xr.Dataset | None) -> list[str]:
    """What was sought and what came of it, in sentences; none where there is no search."""
    if explored is None:
        return []
    found = Outcome(explored)
    count, all_of = len(found.points), len(found.places)
    said = []
    if found.active:
        said.append(
            f"The {found.objective} of {count} of {grouped(all_of)} sites was measured, each chosen"
            " by what was known until then; that of the others is predicted."
            if count < all_of
            else f"The {found.objective} of all {grouped(all_of)} sites was measured."
        )
        if about := str(found.explored.attrs.get("parts") or ""):
            said.append(
                "Each part of the target is in units of its standard deviation among the first"
                f" spectra: {about}."
            )
        error, inside = found.error(), found.inside()
        if np.isfinite(error):
            said.append(
                f"The predictions are off by {error:.2f} times the spread of the target (root mean"
                f" square), and {100 * inside:.0f} % of what was not measured lies within two"
                " standard deviations."
            )
    else:
        place = found.places[found.points[found.best]]
        where = ", ".join(
            f"{name} = {value:.2f}".replace("-", "−")
            for name, value in zip(found.axes, place, strict=True)
        )
        largest = f"{np.nanmax(found.values):.4g}".replace("-", "−")
        said.append(
            f"The largest {found.objective} found is {largest}"
            f"{found.unit and ' ' + found.unit}, at {where}, in {count} evaluations of"
            f" {grouped(all_of)} candidates."
        )
        regret = found.regret()
        if np.isfinite(regret):
            said.append(
                "No candidate is better."
                if regret <= 0
                else f"The best candidate is better by {100 * regret:.2g} % of their range."
            )
    random, own = found.course(RANDOM), found.course(SEARCH)
    if random is not None and own is not None and found.compares:
        level = float(own.median[-1])
        needed = found.needed(RANDOM, level)
        ours = found.needed(SEARCH, level)
        who, what, each = (
            ("Sites", "this error", "spectra")
            if found.active
            else ("Candidates", "this value", "evaluations")
        )
        said.append(
            f"{who} taken at random reach {what} after {needed:.0f} {each}, the search"
            f" after {ours:.0f}."
            if np.isfinite(needed)
            else f"{who} taken at random do not reach {what} in {random.evaluations[-1]}"
            f" {each}; the search does after {ours:.0f}."
        )
    if found.stopped:
        said.append(f"Why it ended: {found.stopped}.")
    return said


def _gain(found: Outcome) -> float | None:
    """The gain still expected at the end, in the unit of the values."""
    if not found.has("expected_regret") or found.active:
        return None
    expected = found.array("expected_regret")
    known = expected[np.isfinite(expected)]
    return float(known[-1]) if known.size else None


def of_search(explored: xr.Dataset | None) -> list[Finding]:
    """Say what is to be doubted in a search; nothing where there is none."""
    if explored is None:
        return []
    found = Outcome(explored)
    said = [*_of_evaluations(found), *_of_beliefs(found), *_of_baselines(found)]
    return said + ([] if found.active else _of_optimum(found))


def _of_evaluations(found: Outcome) -> list[Finding]:
    failed = int((~np.isfinite(found.values)).sum())
    if not failed:
        return []
    many = failed > 0.2 * len(found.values)
    return [
        Finding(
            "evaluations failed",
            "care" if many else "note",
            ABOUT,
            f"{failed} of {len(found.values)} evaluations gave no finite value.",
            "They are left out of every model, and their candidates are not proposed again.",
            "See what is measured there, or change the objective so that it has a value there.",
        )
    ]


def _of_beliefs(found: Outcome) -> list[Finding]:
    said = []
    error, inside = found.error(), found.inside()
    if made := str(found.explored.attrs.get("image_from") or ""):
        said.append(
            Finding(
                "image is part of the spectra",
                "care",
                ABOUT,
                f"The image is made of the spectra themselves ({made}).",
                "Part of what is to be measured is known from the image: with an image recorded"
                " apart, predictions are worse.",
                "Give an image that was recorded beside the spectra, if there is one.",
            )
        )
    if fallen := str(found.explored.attrs.get("deep_kernel") or ""):
        said.append(
            Finding(
                "deep kernel over-fits",
                "note",
                ABOUT,
                fallen,
                "The predictions are those of a Gaussian process on the features as they were,"
                " which is the safer one with so few evaluations.",
                "Measure more, or leave the deep kernel out.",
            )
        )
    found_anyway = not found.active and found.regret() <= _STILL
    if error > _USELESS and not found_anyway:
        said.append(
            Finding(
                "nothing learned",
                "serious",
                ABOUT,
                f"The predictions of what was not evaluated are off by {error:.2f} times the spread"
                " of the target: the mean of all values is as good.",
                "Neither the maps of the prediction nor the choice of what was evaluated say more"
                " than chance.",
                "Evaluate more, or choose a model whose latents bear on this target.",
            )
        )
    luck = 2 * np.sqrt(_BAND[0] * (1 - _BAND[0]) / max(found.unseen.sum(), 1))
    narrow = inside < _BAND[0] and inside < _HELD - luck
    if narrow or (inside > _BAND[1] and found.spread_share() > _NARROW):
        said.append(
            Finding(
                "bands too narrow" if narrow else "bands too wide",
                "care" if narrow else "note",
                ABOUT,
                f"Within two standard deviations of their prediction lie {100 * inside:.0f} % of"
                " the values that were not evaluated, not 95 %.",
                "The search is surer of what it has not seen than it should be."
                if narrow
                else "The search is less sure of what it has not seen than it could be.",
                "Read the standard deviations as larger."
                if narrow
                else "Read the standard deviations as smaller.",
            )
        )
    return said


def _of_baselines(found: Outcome) -> list[Finding]:
    better = found.better_baselines()
    if not better:
        return []
    return [
        Finding(
            "a baseline is better",
            "care" if RANDOM in better else "note",
            ABOUT,
            f"After {len(found.points)} evaluations the search is behind: {', '.join(better)}.",
            "What the search goes by does not help here, or the runs are too few to tell.",
            "Compare the courses in the figure; raise `explore: repeats` to tell luck from skill.",
        )
    ]


def _of_optimum(found: Outcome) -> list[Finding]:
    said = []
    best = found.points[found.best]
    gain = _gain(found)
    reach = float(np.nanmax(found.values) - np.nanmin(found.values))
    if gain is not None and reach and gain > _STILL * reach:
        said.append(
            Finding(
                "ended early",
                "care",
                ABOUT,
                f"When the search ended ({found.stopped or 'no reason given'}), another"
                f" {100 * gain / reach:.0f} % of the range seen was still to be gained.",
                "The best that was found may be far from the best there is.",
                "Raise `explore: evaluations` and run the workflow again.",
            )
        )
    if not found.allowed[best] or found.unreal(int(best)):
        said.append(
            Finding(
                "optimum is not real",
                "serious",
                ABOUT,
                "The best candidate lies where the latent space has no support.",
                "What is decoded there resembles nothing that the model was trained on.",
                "Set `explore: space: support: refuse`, so that only what is real is proposed.",
            )
        )
    elif _on_rim(found, int(best)):
        said.append(
            Finding(
                "optimum at the rim",
                "care",
                ABOUT,
                "The best candidate lies at the rim of what could be proposed.",
                "There may be better ones beyond it, of which the model knows nothing.",
                "Train the model on samples that reach farther, or widen the searched space.",
            )
        )
    return said


def _on_rim(found: Outcome, candidate: int) -> bool:
    """Whether a place is within a step of a candidate that is not allowed or of the end of all."""
    low, span = found.places.min(axis=0), np.ptp(found.places, axis=0)
    places = (found.places - low) / np.where(span > 0, span, 1.0)
    step = _NEAR * len(places) ** (-1 / places.shape[1])
    own = places[candidate]
    # With many axes every place is within a step of some end.
    if (np.minimum(own, 1 - own)[span > 0] < min(step, _END)).any():
        return True
    outside = places[~found.allowed]
    return bool(len(outside)) and bool((np.linalg.norm(outside - own, axis=1) < step).any())
