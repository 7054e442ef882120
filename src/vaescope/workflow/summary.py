"""Summarise a run at its end: where the index lies, what failed and why."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vaescope.results import layout
from vaescope.text import duration
from vaescope.workflow.jobs import EXPORTING, FAILURES
from vaescope.workflow.plan import Plan
from vaescope.workflow.settings import LEFT_OUT

_NOTES = f"{FAILURES}/*.json"
_LISTED = 12
"""Reports named at the end of a run; the index has them all."""


@dataclass(frozen=True)
class Failure:
    """Why something failed, in one line, and the log with the details, if there is one."""

    message: str
    log: Path | None = None


def failures(plan: Plan) -> dict[str, list[Failure]]:
    """Failures by dataset: refused rows under their line of the sheet, failed jobs by name."""
    found: dict[str, list[Failure]] = {}
    for problem in plan.problems:
        found.setdefault(f"line {problem.line}", []).append(Failure(problem.message))
    for dataset in plan.rows:
        folders = [plan.results / dataset]
        if detector := plan.detector(dataset):
            folders.append(plan.results / layout.DETECTORS / detector)
        group = plan.group_of(dataset)
        if group is not None and dataset == group.references[0]:  # said once for all of them
            folders += [plan.results / layout.GROUPS / group.name]
            folders += [plan.results / "groups" / group.name]
        for note in (note for folder in folders for note in sorted(folder.glob(_NOTES))):
            found.setdefault(dataset, []).append(_read(note, dataset))
    return found


def _read(note: Path, dataset: str) -> Failure:
    """A note of a failed job; one that cannot be read is a failure too."""
    folder = note.parent.parent
    try:
        fields = json.loads(note.read_text(encoding="utf-8"))
        text, log = " ".join(str(fields["message"]).split()), folder / str(fields.get("log") or "")
    except (OSError, ValueError, KeyError, TypeError):
        text, log = f"dataset `{dataset}`: a job failed; see its log.", folder / "logs"
    if f"dataset `{dataset}`" not in text:
        text = f"dataset `{dataset}`: {text}"
    return Failure(text, log if log != folder and log.exists() else None)


def forget_unwanted(plan: Plan) -> None:
    """Remove the notes of failed exports, figures and reports that are no longer requested."""
    wanted = {"write_crate" if name == "crate" else f"export_{name}" for name in plan.exports}
    for dataset in plan.rows:
        left_out = LEFT_OUT[plan.reports(dataset)]
        for note in (plan.results / dataset).glob(_NOTES):
            exports = note.name.startswith(EXPORTING) and note.stem not in wanted
            if exports or note.stem in left_out:
                note.unlink(missing_ok=True)


def tidy(plan: Plan) -> None:
    """Remove the empty folders of notes; when no job is left that could write one."""
    for dataset in plan.rows:
        with suppress(OSError):
            (plan.results / dataset / FAILURES).rmdir()


def refresh_index(plan: Plan, since: float) -> None:
    """Write ``results/index.html`` unless this run, begun at ``since`` (epoch seconds), has.

    The rule ``write_index`` waits for all reports; where some are missing, its page is written
    here. That one gets the oldest of dates, so that the rule writes its own as soon as it can.
    """
    from vaescope.report import write_index

    index = plan.results / "index.html"
    if index.is_file() and index.stat().st_mtime >= since:
        return
    write_index(plan.results, plan.all_rows(), plan.all_problems())
    os.utime(index, (0, 0))


def closing_words(plan: Plan, since: float = 0.0) -> str:
    """The last words of a run: what failed and why, what is new, and where to look.

    Parameters
    ----------
    plan : of the run.
    since : when it began, in epoch seconds; reports (or facts, of datasets without a report) that
        were written later are new.
    """
    failed = failures(plan)
    every = len(plan.rows) + len(plan.problems)
    pages = {name: plan.results / name / plan.page(name) for name in plan.rows}
    there = {name: file for name, file in pages.items() if file.is_file()}
    finished = [name for name in there if name not in failed]
    new = [name for name in finished if there[name].stat().st_mtime >= since]
    missing = [name for name in plan.rows if name not in there and name not in failed]
    now = f", {len(new)} of them in this run" if since and new else ""
    took = f" after {duration(time.time() - since)}" if since else ""
    lines = [f"vaescope{took}: {len(finished)} of {every} datasets finished{now}."]
    if failed:
        lines.append(f"{len(failed)} of {every} datasets failed:")
        for failure in (one for several in failed.values() for one in several):
            lines.append(f"  - {failure.message}")
            lines += [f"    log: {failure.log.resolve()}"] if failure.log else []
    if missing:
        lines.append(f"Not finished yet: {_listed(missing)}. Run the workflow again to go on.")
    if new:
        written = all(plan.page(name) == layout.REPORT for name in new)
        lines.append("New reports:" if written else "New results:")
        lines += [f"  {there[name].resolve()}" for name in new[:_LISTED]]
        lines += [f"  and {len(new) - _LISTED} more"] if len(new) > _LISTED else []
    lines.append(f"Results: {(plan.results / 'index.html').resolve()}")
    return "\n".join(lines)


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
