"""Support the workflow: the plan of a run, and the frame of one job.

Nothing here imports Snakemake, and nothing is imported here that takes long: the plan is read anew
by every job of a cluster. A script has the frame alone, without the plan.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.workflow.jobs import Task, job
    from vaescope.workflow.plan import Plan, make_plan
    from vaescope.workflow.sheet import Problem, Row

__all__ = ["Plan", "Problem", "Row", "Task", "job", "make_plan"]

_FROM = {
    "Plan": "plan",
    "Problem": "sheet",
    "Row": "sheet",
    "Task": "jobs",
    "job": "jobs",
    "make_plan": "plan",
}


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what is asked for: settings of all rooms belong to a plan, not to a job."""
        if name in _FROM:
            return getattr(import_module(f"vaescope.workflow.{_FROM[name]}"), name)
        raise AttributeError(f"module `vaescope.workflow` has no `{name}`")
