"""Map what one ensemble found (rule map_latents): members, patches -> latents, scores, movie."""

import json

from vaescope import ensemble, store, structure
from vaescope.workflow import job
from vaescope.workflow.tables import write_movie, write_table

with job(snakemake) as task:
    sites = store.open(task.input.sites)
    latents = ensemble.map_latents(
        task.input.members,
        store.open(task.input.patches),
        name=task.wildcards.model,
        threads=task.threads,
    )
    store.write(latents, task.output.latents, provenance={"settings": task.params.settings})
    write_table(latents, task.output.table)
    movie = structure.follow(latents, sites, task.params.followed)
    write_movie(movie, task.output.movie, task.params.settings | {"movie": task.params.followed})
    scores = json.loads(latents.attrs["scores"]) | json.loads(movie.attrs.get("scores", "{}"))
    store.write_text(json.dumps(scores, indent=1) + "\n", task.output.scores)
    for warning in json.loads(latents.attrs["warnings"]):
        task.say(warning)
