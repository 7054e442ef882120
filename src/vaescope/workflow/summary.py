"""What a run says at its end: where the index lies, what failed and why."""

from __future__ import annotations

import json
import os

from vaescope.config import DETECTORS
from vaescope.workflow.jobs import FAILURES
from vaescope.workflow.plan import Plan

_NOTES = f"{FAILURES}/*.json"


def failures(plan: Plan) -> dict[str, list[str]]:
    """Messages by dataset: refused rows under their printable message, failed jobs by name."""
    found: dict[str, list[str]] = {}
    for problem in plan.problems:
        found.setdefault(f"line {problem.line}", []).append(problem.message)
    for dataset in plan.rows:
        folders = [plan.results / dataset]
        if detector := plan.detector(dataset):
            folders.append(plan.results / DETECTORS / detector)
        for note in (note for folder in folders for note in sorted(folder.glob(_NOTES))):
            try:
                text = json.loads(note.read_text(encoding="utf-8"))["message"]
            except (OSError, ValueError, KeyError, TypeError):
                text = f"dataset `{dataset}`: a job failed; see `{note.parent.parent / 'logs'}`."
            if f"dataset `{dataset}`" not in text:
                text = f"dataset `{dataset}`: {text}"
            found.setdefault(dataset, []).append(text)
    return found


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


def closing_words(plan: Plan) -> str:
    """The last words of a run."""
    failed = failures(plan)
    lines = []
    if failed:
        lines.append(f"{len(failed)} of {len(plan.rows) + len(plan.problems)} datasets failed:")
        lines += [f"  - {text}" for texts in failed.values() for text in texts]
    lines.append(f"Results: {(plan.results / 'index.html').resolve()}")
    return "\n".join(lines)
