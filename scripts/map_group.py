"""Map the sites of a group that settle its frame (rule map_group): members, samples -> latents."""

from vaescope import ensemble, store
from vaescope.cohort import joined
from vaescope.workflow import job

with job(snakemake) as task:
    pool = store.open(task.input.samples)
    if task.has_sites(pool):
        latents = ensemble.map_latents(
            task.input.members,
            joined.settling(pool),
            name=task.wildcards.model,
            threads=task.threads,
        )
        store.write(latents, task.output.latents, provenance={"settings": task.params.settings})
