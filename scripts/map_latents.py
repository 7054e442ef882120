"""Encode all sites with one ensemble (rule map_latents): members, patches -> latents, movie."""

import json

from vaescope import ensemble, store, structure
from vaescope.cohort import joined
from vaescope.cohort.familiarity import familiarity
from vaescope.ensemble.settled import Settled
from vaescope.scores import of_model, of_movie, of_pairs, of_prediction
from vaescope.workflow import job
from vaescope.workflow.tables import write_movie, write_table

with job(snakemake) as task:
    sites, patches = store.open(task.input.sites), store.open(task.input.patches)
    pool = store.open(task.input.group[0]) if task.input.group else patches
    if task.has_sites(patches) and task.has_sites(pool):
        mapped, settled = patches, None
        if task.input.group:
            of_group = store.open(task.input.group[1])
            mapped, frame = joined.behind(joined.settling(pool), patches)
            settled = Settled(frame, of_group)
        latents = ensemble.map_latents(
            task.input.members,
            mapped,
            name=task.wildcards.model,
            threads=task.threads,
            settled=settled,
        )
        if task.input.group:
            known = familiarity(latents, mapped, frame).attributes()
            latents = joined.only(latents, patches).assign_attrs(known)
        if task.input.image:
            from vaescope import predict

            latents = predict.beside(
                latents,
                store.open(task.input.image[0]),
                patches,
                task.params.prediction,
                seed=task.params.seed,
            )
        scores = of_model.score(latents, patches, task.input.members)
        store.write(latents, task.output.latents, provenance={"settings": task.params.settings})
        write_table(latents, task.output.table)
        movie = structure.follow(latents, sites, task.params.followed)
        write_movie(
            movie, task.output.movie, task.params.settings | {"movie": task.params.followed}
        )
        scores |= of_movie.score(movie, latents) | of_prediction.score(latents)
        scores |= of_pairs.score(latents, patches)
        store.write_text(json.dumps(scores, indent=1) + "\n", task.output.scores)
