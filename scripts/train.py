"""Train members of one ensemble (rule train): samples.zarr -> a folder of safetensors and CSV.

Checkpoints lie in a folder that is no output of the rule, so that they outlive a killed job.
"""

from contextlib import suppress
from pathlib import Path

from vaescope import store, train
from vaescope.workflow import job

with job(snakemake) as task:
    patches = store.open(task.input.patches)
    if task.has_sites(patches):
        checkpoints = task.folder / task.wildcards.model / "checkpoints" / task.wildcards.part
        with store.replace_atomically(task.output.part) as beside:
            train.fit(
                patches,
                task.params.settings,
                members=task.params.members,
                seed=task.params.seed,
                out=beside,
                checkpoints=checkpoints,
                start=Path(task.input.start[0]) if task.input.start else None,
                threads=task.threads,
                log=task.say,
            )
        with suppress(OSError):  # other parts may still need it
            checkpoints.parent.rmdir()
