"""Search a latent space or measure actively (rule explore): latents, samples -> explore.zarr.

Checkpoints lie in a folder that is no output of the rule, so that they outlive a killed job.
"""

import shutil
from contextlib import suppress
from pathlib import Path

from vaescope import explore, store
from vaescope.explore.settings import ExploreSettings
from vaescope.results import Results
from vaescope.workflow import job

with job(snakemake) as task:
    results = Results(task.folder, task.input)
    if task.has_sites(results.patches):
        settings, seed = task.params.settings, task.params.seed
        chosen = ExploreSettings.of(settings)
        for file in chosen.own_files():
            task.say(f"`{file}` is your own program, and is run")
        checkpoints = task.folder / "explore" / "checkpoints"
        found = explore.run(
            explore.SearchJob(
                results,
                chosen,
                model=task.params.model,
                members=Path(task.input.members[0]),
                seed=seed,
                checkpoints=checkpoints,
                say=task.say,
            )
        )
        store.write(found, task.output.explored, provenance={"settings": settings, "seed": seed})
        shutil.rmtree(checkpoints, ignore_errors=True)
        with suppress(OSError):
            checkpoints.parent.rmdir()
