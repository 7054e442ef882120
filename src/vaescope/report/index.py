"""The index of all datasets: what is finished, what failed and why, what is still to come."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vaescope import store
from vaescope.config import DETECTORS
from vaescope.figures import versions
from vaescope.store import json_attribute
from vaescope.report import words
from vaescope.report.failures import read_failures
from vaescope.report.pages import embedded_thumbnail, write_page

STATES = {
    "finished": "finished",
    "failed": "failed",
    "incomplete": "incomplete",
    "waiting": "not yet run",
}


def write_index(
    results_dir: str | Path, rows: list[dict[str, Any]], problems: list[dict[str, Any]]
) -> None:
    """Write ``results_dir/index.html``, whatever became of the datasets.

    Parameters
    ----------
    results_dir : folder of all results.
    rows : usable rows of the sample sheet, each with ``dataset`` and, if known, ``models`` and
        ``detector``, the name of the learned one that it needs.
    problems : unusable rows, each with ``row`` (its number), ``dataset`` (its name as written) and
        ``message``.
    """
    results = Path(results_dir)
    cards = [card(results, row) for row in rows]
    named = {str(row.get("dataset", "")) for row in rows}
    wrong = [
        {key: str(problem.get(key, "")) for key in ("row", "dataset", "message")}
        for problem in problems
    ]
    counts = {state: sum(c["state"] == state for c in cards) for state in STATES}
    facts = {
        "cards": cards,
        "problems": wrong,
        "others": _others(results, named),
        "counts": counts,
        "summary": _summary(counts, len(wrong)),
        "states": STATES,
    }
    write_page("index.html", results / "index.html", facts)


def card(results: Path, row: dict[str, Any]) -> dict[str, Any]:
    """What the index says of one dataset; never raises for what it meets in the folder."""
    dataset = str(row.get("dataset", ""))
    made: dict[str, Any] = {
        "dataset": dataset,
        "recipe": str(row.get("recipe") or ""),
        "source": str(row.get("source") or ""),
        "notes": str(row.get("notes") or ""),
        "state": "waiting",
        "link": "",
        "thumbnail": None,
        "numbers": [],
        "failures": [],
        "doubts": [],
        "stages": "",
        "folder": quote(dataset),
    }
    if not _is_one_folder(dataset):
        made["state"] = "failed"
        made["doubts"] = ["The name of this dataset cannot be the name of a folder."]
        return made
    folder = results / dataset
    try:
        if row.get("detector"):
            made["failures"] = _of_detector(results, str(row["detector"]))
            made["state"] = "failed" if made["failures"] else "waiting"
        _look_into(folder, made, row.get("models"))
    except Exception as error:  # one odd folder must not cost the index of all others
        made["state"] = "incomplete"
        made["doubts"].append(f"Its folder cannot be read: {type(error).__name__}: {error}"[:300])
    return made


def _of_detector(results: Path, detector: str) -> list[dict[str, str]]:
    """Failures of the learned detector that a dataset needs; links start at the dataset."""
    failures = read_failures(results / DETECTORS / detector)
    return [
        failure | {"link": f"../{DETECTORS}/{quote(detector)}/{failure['link']}"}
        if failure["link"]
        else failure
        for failure in failures
    ]


def _summary(counts: dict[str, int], wrong: int) -> str:
    """How many datasets are in which state, in words."""
    parts = [f"{count} {STATES[state]}" for state, count in counts.items() if count]
    text = ", ".join(parts) or "nothing to show"
    if wrong:
        text += f"; {wrong} row{'' if wrong == 1 else 's'} cannot be used"
    return text


def _is_one_folder(name: str) -> bool:
    return bool(name) and name not in {".", ".."} and not set(name) & {"/", "\\", "\0"}


def _look_into(folder: Path, made: dict[str, Any], models: list[str] | None) -> None:
    if not folder.is_dir():
        return
    made["failures"] += read_failures(folder)
    made["thumbnail"] = embedded_thumbnail(folder / "figures" / versions.LATEST / "thumbnail.png")
    numbers, warnings, doubts = key_numbers(folder, models)
    made["numbers"], made["doubts"] = numbers, warnings + doubts
    report = folder / "report.html"
    if report.is_file():
        made["link"] = f"{quote(folder.name)}/report.html"
    done = [name for name in ("image", "sites", "patches") if (folder / f"{name}.zarr").is_dir()]
    if made["failures"]:
        made["state"] = "failed"
    elif report.is_file() and not doubts:
        made["state"] = "finished"
    elif done or report.is_file():
        made["state"] = "incomplete"
        made["stages"] = ", ".join(done)


def key_numbers(
    folder: Path, models: list[str] | None = None
) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Numbers for the card, warnings of the models, and stores that cannot be read."""
    numbers: list[tuple[str, str]] = []
    warnings: list[str] = []
    doubts: list[str] = []
    if models is None:
        models = sorted(path.parent.name for path in folder.glob("*/latents.zarr"))
    stores = [folder / "sites.zarr", *(folder / name / "latents.zarr" for name in models)]
    for path in stores:
        if not path.is_dir():
            continue
        try:
            opened = store.open(path)
            if path.name == "sites.zarr":
                numbers += _of_sites(opened)
            else:
                numbers += _of_model(opened, path.parent.name)
                texts = json_attribute(opened, "warnings", [])
                warnings += [f"{path.parent.name}: {text}" for text in texts]
        except Exception as error:
            doubts.append(f"{path.relative_to(folder)}: {error}"[:300])
    return numbers, warnings, doubts


def _of_sites(sites) -> list[tuple[str, str]]:
    found = [("sites", words.number(int(sites.sizes["site"])))]
    spacing = float(sites.attrs.get("spacing") or math.nan)
    if math.isfinite(spacing):
        found.append(("spacing", words.size_in_words(sites.attrs, spacing)))
    truth = json_attribute(sites, "truth_scores", {})
    for name in ("recall", "precision", "rmse_over_bound", "link_recall"):
        if name in truth:
            found.append(words.score(name, truth[name]))
    return found


def _of_model(latents, name: str) -> list[tuple[str, str]]:
    found = []
    if "consensus_class" in latents and "class" in latents.sizes:
        used = len(set(latents["consensus_class"].values.tolist()))
        found.append((f"{name}: classes", str(used)))
    scores = json_attribute(latents, "scores", {})
    for key in (
        "explained_fraction",
        "class_accuracy",
        "defect_macro_f1",
        "angle_median_error_deg",
    ):
        if key in scores:
            label, value = words.score(key, scores[key])
            found.append((f"{name}: {label}", value))
    return found


def _others(results: Path, named: set[str]) -> list[dict[str, str]]:
    """Reports in the folder whose dataset is no longer in the sample sheet."""
    return [
        {"dataset": report.parent.name, "link": f"{quote(report.parent.name)}/report.html"}
        for report in sorted(results.glob("*/report.html"))
        if report.parent.name not in named
    ]
