"""What a run says at its end: where the index lies, what failed and why."""

from __future__ import annotations

import json
from pathlib import Path

from vaescope.workflow.jobs import FAILURES
from vaescope.workflow.plan import Plan


def failures(plan: Plan) -> dict[str, list[str]]:
    """Messages by dataset: refused rows under their printable message, failed jobs by name."""
    found: dict[str, list[str]] = {}
    for problem in plan.problems:
        found.setdefault(f"line {problem.line}", []).append(problem.message)
    for dataset in plan.rows:
        for note in sorted((plan.results / dataset / FAILURES).glob("*.json")):
            try:
                text = json.loads(note.read_text(encoding="utf-8"))["message"]
            except (OSError, ValueError, KeyError, TypeError):
                text = f"dataset `{dataset}`: a job failed; see `{note.parent.parent / 'logs'}`."
            if f"dataset `{dataset}`" not in text:
                text = f"dataset `{dataset}`: {text}"
            found.setdefault(dataset, []).append(text)
    return found


def write_index(plan: Plan, path: Path | None = None) -> Path:
    """Write ``results/index.html``; its state of each dataset is read from the results."""
    from vaescope.report import write_index as write

    path = path or plan.results / "index.html"
    write(path.parent, plan.all_rows(), plan.all_problems())
    return path


def closing_words(plan: Plan) -> str:
    """The last words of a run."""
    failed = failures(plan)
    lines = []
    if failed:
        lines.append(f"{len(failed)} of {len(plan.rows) + len(plan.problems)} datasets failed:")
        lines += [f"  - {text}" for texts in failed.values() for text in texts]
    lines.append(f"Results: {(plan.results / 'index.html').resolve()}")
    return "\n".join(lines)
