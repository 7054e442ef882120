"""The index of all datasets: what is finished, what failed and why, what is still to come."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vaescope import store
from vaescope.figures import versions
from vaescope.judge import facts as of_facts
from vaescope.report import prose, version_table
from vaescope.report.failures import read_failures
from vaescope.report.pages import embedded_thumbnail, write_page
from vaescope.results.layout import DETECTORS
from vaescope.store import json_attribute

STATES = {
    "failed": "failed",
    "incomplete": "incomplete",
    "waiting": "not yet run",
    "finished": "finished",
}
_ORDER = ("finished", "failed", "incomplete", "waiting")  # in words
_OF_SITES = ("sites_found", "patches", "spacing_px", "recall", "precision", "rmse_over_bound")
_OF_MODELS = (
    "classes_used",
    "explained_fraction",
    "class_accuracy",
    "defect_macro_f1",
    "angle_median_error_deg",
)
_SORTED = {  # name of a number, how to join those of several models, what people read
    "sites_found": (max, "sites"),
    "spacing_px": (max, "spacing (px)"),
    "explained_fraction": (min, "sites explained"),
    "classes_used": (max, "classes"),
    "angle_median_error_deg": (min, "angle error"),
    "recall": (min, "recall"),
    "coordinate_error_px": (max, "error of positions (px)"),
}
_MANY = 150  # datasets from which thumbnails are small, so that the page stays so
_SMALL = 240  # pixels across


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
    widest = _SMALL if len(rows) > _MANY else None
    cards = [card(results, row, widest) for row in rows]
    named = {str(row.get("dataset", "")) for row in rows}
    wrong = [
        {key: str(problem.get(key, "")) for key in ("row", "dataset", "message")}
        for problem in problems
    ]
    counts = {state: sum(c["state"] == state for c in cards) for state in _ORDER}
    others = _others(results, named)
    seen = [c["dataset"] for c in cards if _is_one_folder(c["dataset"])]
    packed, most = version_table.packed(results, [*seen, *(other["dataset"] for other in others)])
    facts = {
        "cards": cards,
        "problems": wrong,
        "others": others,
        "counts": counts,
        "summary": _summary(counts, len(wrong)),
        "states": STATES,
        "recipes": sorted({c["recipe"] for c in cards if c["recipe"]}),
        "sortable": [
            label for _, label in _SORTED.values() if any(label in c["sort"] for c in cards)
        ],
        "facts": packed,
        "most_versions": most,
    }
    write_page("index.html", results / "index.html", facts, ("index.js", "compare.js"))


def card(results: Path, row: dict[str, Any], widest: int | None = None) -> dict[str, Any]:
    """What the index says of one dataset; never raises for what it meets in the folder.

    widest : pixels across its thumbnail; None: as it was drawn.
    """
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
        "care": 0,
        "stages": "",
        "when": "",
        "sort": {},
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
        _look_into(folder, made, row.get("models"), widest)
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


def _look_into(
    folder: Path, made: dict[str, Any], models: list[str] | None, widest: int | None
) -> None:
    if not folder.is_dir():
        return
    made["failures"] += read_failures(folder)
    picture = folder / "figures" / versions.LATEST / "thumbnail.png"
    made["thumbnail"] = embedded_thumbnail(picture, widest)
    if models is None:
        models = sorted(path.parent.name for path in folder.glob("*/latents.zarr"))
    stores = [folder / "sites.zarr", *(folder / name / "latents.zarr" for name in models)]
    stores = [path for path in stores if path.is_dir()]
    broken = [] if _from_facts(folder, stores, made) else _from_stores(folder, stores, made)
    report = folder / "report.html"
    if report.is_file():
        made["link"] = f"{quote(folder.name)}/report.html"
        made["when"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(report.stat().st_mtime))
    done = [name for name in ("image", "sites", "patches") if (folder / f"{name}.zarr").is_dir()]
    if made["failures"]:
        made["state"] = "failed"
    elif report.is_file() and not broken:
        made["state"] = "finished"
    elif done or report.is_file():
        made["state"] = "incomplete"
        made["stages"] = ", ".join(done)


def _from_facts(folder: Path, stores: list[Path], made: dict[str, Any]) -> bool:
    """Take numbers and findings from the facts kept with the figures, which costs little.

    False where there are none, or where a store is newer or does not look whole: then the stores
    are to be asked themselves.
    """
    file = folder / "figures" / versions.LATEST / of_facts.FILE
    known = of_facts.read(file.parent)
    if not known or not all(_whole(path, file.stat().st_mtime) for path in stores):
        return False
    values = [(each["about"], each["name"], each["value"]) for each in known["numbers"]]
    _tell(values, known["data"], made)
    for finding in of_facts.findings_of(known):
        if finding.severity == "serious":
            made["doubts"].append(f"{finding.about}: {finding.says}")
        made["care"] += finding.severity == "care"
    return True


def _whole(path: Path, before: float) -> bool:
    """Whether a store is marked as complete and not newer than a time (epoch seconds)."""
    file = path / "zarr.json"
    try:
        attributes = json.loads(file.read_text(encoding="utf-8"))["attributes"]
        return bool(attributes[store.COMPLETE]) and file.stat().st_mtime <= before
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _from_stores(folder: Path, stores: list[Path], made: dict[str, Any]) -> list[str]:
    """Take numbers and warnings from the stores; what cannot be read is given back, and told."""
    values: list[tuple[str, str, Any]] = []
    data: dict[str, Any] = {}
    broken: list[str] = []
    for path in stores:
        try:
            opened = store.open(path)
            if path.name == "sites.zarr":
                data = opened.attrs
                values += [("sites", name, value) for name, value in _of_sites(opened).items()]
            else:
                model = path.parent.name
                values += [(model, name, value) for name, value in _of_model(opened).items()]
                texts = json_attribute(opened, "warnings", [])
                made["doubts"] += [f"{model}: {text}" for text in texts]
        except Exception as error:
            broken.append(f"{path.relative_to(folder)}: {error}"[:300])
    _tell(values, data, made)
    made["doubts"] += broken
    return broken


def _of_sites(sites) -> dict[str, Any]:
    spacing = float(sites.attrs.get("spacing") or math.nan)
    return {
        "sites_found": int(sites.sizes["site"]),
        **({"spacing_px": spacing} if math.isfinite(spacing) else {}),
        **json_attribute(sites, "truth_scores", {}),
    }


def _of_model(latents) -> dict[str, Any]:
    found: dict[str, Any] = json_attribute(latents, "scores", {})
    if "consensus_class" in latents and "class" in latents.sizes:
        found["classes_used"] = len(set(latents["consensus_class"].values.tolist()))
    return found


def _tell(values: list[tuple[str, str, Any]], data: dict[str, Any], made: dict[str, Any]) -> None:
    """Put the numbers that a card shows, and those it can be sorted by, on the card."""
    of_sites = {name: value for about, name, value in values if about == "sites"}
    if "sites_found" in of_sites:  # otherwise a stack of pictures, which are patches already
        of_sites.pop("patches", None)
    for name in (*_OF_SITES, "link_recall"):
        if name in of_sites:
            label, text = prose.measure(name, of_sites[name], data)
            made["numbers"].append(({"sites_found": "sites"}.get(name, label), text))
    for wanted_of in dict.fromkeys(about for about, _, _ in values):
        own = {name: value for about, name, value in values if about == wanted_of != "sites"}
        for name in _OF_MODELS:
            if name in own:
                label, text = prose.measure(name, own[name], data)
                made["numbers"].append((f"{wanted_of}: {label}", text))
    for name, (join, label) in _SORTED.items():
        found = [float(value) for _, other, value in values if other == name]
        if found:
            made["sort"][label] = join(found)


def _others(results: Path, named: set[str]) -> list[dict[str, str]]:
    """Reports in the folder whose dataset is no longer in the sample sheet."""
    return [
        {"dataset": report.parent.name, "link": f"{quote(report.parent.name)}/report.html"}
        for report in sorted(results.glob("*/report.html"))
        if report.parent.name not in named
    ]
