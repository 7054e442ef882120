"""Draw all figures of one dataset (rule draw_figures): its stores -> figures/VERSION, latest."""

from vaescope import figures
from vaescope.results import Results
from vaescope.workflow import job

with job(snakemake) as task:
    results = Results(task.folder, task.input)
    manifest = figures.draw(results, task.params.recipe, results.mapped(task.params.models))
    task.say(f"version {manifest['version']}: {len(manifest['figures'])} figures")
