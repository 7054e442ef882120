"""Train members of one ensemble (rule train): patches.zarr -> a folder of safetensors and CSV.

Checkpoints lie in a folder that is no output of the rule, so that they outlive a killed job.
"""

from pathlib import Path

from vaescope import store, train
from vaescope.workflow import job

with job(snakemake) as task:
    model, part = task.wildcards.model, task.wildcards.part
    with store.replace_atomically(task.output.part) as beside:
        train.fit(
            store.open(task.input.patches),
            task.params.settings,
            members=task.params.members,
            seed=task.params.seed,
            out=beside,
            checkpoints=Path(task.folder) / model / "checkpoints" / part,
            threads=task.threads,
            log=task.say,
        )
