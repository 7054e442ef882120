"""Describe a dataset's results (rule write_crate): all of them -> ro-crate-metadata.json."""

from pathlib import Path

from vaescope.exchange import crate
from vaescope.workflow import job, placeholders, record

with job(snakemake) as task:
    params = task.params
    record.copy_workflow(Path(params.root), task.folder)
    record.write_recipe(params.recipe, task.folder)
    models = placeholders.filled(task.folder, params.models)
    run, outputs = record.of_dataset(task.folder, params.recipe, params.row, models, params.jobs)
    crate.write(task.folder, run, outputs)
    task.say(f"{len(outputs)} results of {len(run.steps)} jobs")
