"""Map what one ensemble found (rule map_latents): members, patches -> latents.zarr, CSV, scores."""

import json

from vaescope import analyse, store
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    latents = analyse.map_latents(
        task.input.members,
        store.open(task.input.patches),
        store.open(task.input.sites),
        task.params.settings,
        name=task.wildcards.model,
        threads=task.threads,
    )
    store.write(latents, task.output.latents, provenance={"settings": task.params.settings})
    write_table(latents, task.output.table)
    scores = json.loads(latents.attrs["scores"])
    store.write_text(json.dumps(scores, indent=1) + "\n", task.output.scores)
    for warning in json.loads(latents.attrs["warnings"]):
        task.say(warning)
