"""Write the report of one dataset (rule write_report): its stores, and its figures -> report.html.

A light report draws its few figures in the same job.
"""

from vaescope import figures, report
from vaescope.results import Results
from vaescope.workflow import job
from vaescope.workflow.jobs import forget_failures

with job(snakemake) as task:
    params = task.params
    results = Results(task.folder, task.input)
    models = results.mapped(params.models)
    if params.reports == "light":
        figures.draw(results, params.recipe, models, light=True)
        report.write_light_report(
            results, params.recipe, models, params.row, by_recipe=params.by_recipe
        )
    else:
        report.write_report(results, params.recipe, models, params.row)
    forget_failures(task.folder)
