"""Write the report of one dataset (rule write_report): its figures and stores -> report.html."""

from vaescope import report
from vaescope.workflow import job
from vaescope.workflow.jobs import forget_failures

with job(snakemake) as task:
    params = task.params
    report.write_report(task.results, task.dataset, params.recipe, params.models, params.row)
    forget_failures(task.folder)
