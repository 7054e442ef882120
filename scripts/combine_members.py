"""Gather the members of one ensemble (rule combine_members): its parts -> members, history.csv.

A dataset of a group has those of its group.
"""

from pathlib import Path

from vaescope import train
from vaescope.workflow import job, placeholders

with job(snakemake) as task:
    parts = [Path(part) for part in task.input.parts or task.input.shared]
    to = Path(task.output.members), Path(task.output.history)
    if any(map(placeholders.is_placeholder, parts)):
        task.leave_empty()
    elif task.input.shared:
        train.adopt(parts[0], Path(task.input.history[0]), *to)
    else:
        train.combine(parts, *to)
