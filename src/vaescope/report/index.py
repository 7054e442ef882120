"""Write the index of all datasets: finished, failed and why, still to come."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vaescope import store
from vaescope.errors import UserError
from vaescope.figures import versions
from vaescope.report import prose, version_table
from vaescope.report.failures import read_failures
from vaescope.report.pages import embedded_thumbnail, write_page
from vaescope.results import facts, layout

STATES = {
    "failed": "failed",
    "incomplete": "incomplete",
    "waiting": "not yet run",
    "finished": "finished",
}
_ORDER = ("finished", "failed", "incomplete", "waiting")  # in words
_UNJUDGED = (
    "Its scores and findings are missing, older than its stores, or of an earlier version. Run the"
    " workflow again; its rule `judge` writes them."
)
_MANY = 150  # datasets from which thumbnails are small, so that the page stays so
_SMALL = 240  # pixels across


def write_index(
    results_dir: str | Path, rows: list[dict[str, Any]], problems: list[dict[str, Any]]
) -> None:
    """Write ``results_dir/index.html``, whatever became of the datasets.

    Parameters
    ----------
    results_dir : folder of all results.
    rows : usable rows of the sample sheet, each with ``dataset`` and, if known, ``models``,
        ``reports`` (`full`, the default, `light` or `none`) and ``detector``, the name of the
        learned one that it needs.
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
        "sortable": list(dict.fromkeys(label for card in cards for label in card["sort"])),
        "facts": packed,
        "most_versions": most,
    }
    write_page("index.html", results / "index.html", facts, ("index.js", "compare.js"))


def card(results: Path, row: dict[str, Any], widest: int | None = None) -> dict[str, Any]:
    """Collect what the index shows of one dataset; never raises for the contents of its folder.

    widest : pixels across its thumbnail; None: as it was drawn.
    """
    dataset = str(row.get("dataset", ""))
    made: dict[str, Any] = {
        "dataset": dataset,
        "recipe": str(row.get("recipe") or ""),
        "reports": str(row.get("reports") or "full"),
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
    failures = read_failures(results / layout.DETECTORS / detector)
    return [
        failure | {"link": f"../{layout.DETECTORS}/{quote(detector)}/{failure['link']}"}
        if failure["link"]
        else failure
        for failure in failures
    ]


def _summary(counts: dict[str, int], wrong: int) -> str:
    """Count the datasets in each state, in words."""
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
    # Without a report, an earlier one is shown as long as nothing was judged since.
    unwritten = made["reports"] == "none"
    completes = folder / (layout.FACTS if unwritten else layout.REPORT)
    since = _time(completes) if unwritten else 0.0
    pictures = versions.newest(folder / layout.FIGURES)
    if _time(pictures / versions.MANIFEST) >= since:
        made["thumbnail"] = embedded_thumbnail(pictures / "thumbnail.png", widest)
    if models is None:
        models = sorted(path.parent.name for path in folder.glob("*/latents.zarr"))
    names = [layout.SITES, *(layout.LATENTS.format(model=model) for model in models)]
    stores = [folder / name for name in names]
    broken, newest = _state([path for path in stores if path.is_dir()])
    made["doubts"] += broken
    report = folder / layout.REPORT
    if report.is_file() and _time(report) >= since:
        made["link"] = f"{quote(folder.name)}/{layout.REPORT}"
    if finished := _time(completes):
        made["when"] = time.strftime("%Y-%m-%d %H:%M", time.localtime(finished))
    if (folder / layout.FACTS).is_file() or made["link"]:
        _tell(folder, newest, made)
    done = [name for name in ("image", "sites", "samples") if (folder / f"{name}.zarr").is_dir()]
    if made["failures"]:
        made["state"] = "failed"
    elif finished and not broken:
        made["state"] = "finished"
    elif done or finished:
        made["state"] = "incomplete"
        made["stages"] = ", ".join(done)


def _time(file: Path) -> float:
    """When a file was written, in epoch seconds; 0 where there is none."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _state(stores: list[Path]) -> tuple[list[str], float]:
    """Find stores that are broken, in words, and when the newest was written (epoch seconds)."""
    broken, newest = [], 0.0
    for path in stores:
        try:
            store.attributes(path)
            newest = max(newest, (path / "zarr.json").stat().st_mtime)
        except (UserError, OSError) as error:
            broken.append(str(error)[:300])
    return broken, newest


def _tell(folder: Path, newest: float, made: dict[str, Any]) -> None:
    """Put scores and findings on the card, unless a store is newer than they are."""
    file = folder / layout.FACTS
    known = facts.read(file)
    if known is None or file.stat().st_mtime < newest:
        made["doubts"].append(_UNJUDGED)
        return
    for about in dict.fromkeys(score.about for score in known.scores):
        own = sorted(known.of(about).values(), key=lambda score: score.card or len(known.scores))
        for score in own:
            if score.card:
                label, text = prose.measure(score, known.data)
                made["numbers"].append((label if about == "sites" else f"{about}: {label}", text))
            if score.sort:
                worst = min if score.better == "more" else max
                values = [score.value, made["sort"].get(score.sort, score.value)]
                made["sort"][score.sort] = worst(map(float, values))
    for finding in known.findings:
        if finding.severity == "serious":
            made["doubts"].append(f"{finding.about}: {finding.says}")
        made["care"] += finding.severity == "care"


def _others(results: Path, named: set[str]) -> list[dict[str, str]]:
    """Reports in the folder whose dataset is no longer in the sample sheet."""
    return [
        {"dataset": report.parent.name, "link": f"{quote(report.parent.name)}/report.html"}
        for report in sorted(results.glob("*/report.html"))
        if report.parent.name not in named
    ]
