"""Fit the classical methods to one dataset (rule run_baselines): patches -> baselines.zarr."""

from vaescope import baselines, store
from vaescope.workflow import job
from vaescope.workflow.tables import write_rows

with job(snakemake) as task:
    settings, seed = task.params.settings, task.params.seed
    patches = store.open(task.input.patches)
    if task.has_sites(patches):
        found, seconds = baselines.run(
            patches,
            settings,
            disc=task.params.disc,
            seed=seed,
            say=task.say,
        )
        store.write(found, task.output.baselines, provenance={"settings": settings, "seed": seed})
        write_rows(
            [{"method": name, "seconds": value} for name, value in seconds.items()],
            ["method", "seconds"],
            task.output.seconds,
        )
