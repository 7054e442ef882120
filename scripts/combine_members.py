"""Gather the members of one ensemble (rule combine_members): its parts -> members, history.csv."""

from pathlib import Path

from vaescope import train
from vaescope.workflow import job, placeholders

with job(snakemake) as task:
    parts = [Path(part) for part in task.input.parts]
    if not any(map(placeholders.is_placeholder, parts)):
        train.combine(parts, Path(task.output.members), Path(task.output.history))
    else:
        task.leave_empty()
