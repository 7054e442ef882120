"""Support the workflow: the plan of a run, and the frame of one job.

Nothing here imports Snakemake, and nothing is imported here that takes long: the plan is read anew
by every job.
"""

from vaescope.workflow.jobs import Task, job
from vaescope.workflow.plan import Plan, Problem, Row, make_plan

__all__ = ["Plan", "Problem", "Row", "Task", "job", "make_plan"]
