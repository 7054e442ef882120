"""Write the report of one dataset (rule write_report): its figures and stores -> report.html."""

from vaescope import report
from vaescope.results import Results
from vaescope.workflow import job
from vaescope.workflow.jobs import forget_failures

with job(snakemake) as task:
    params = task.params
    results = Results(task.folder, task.input)
    report.write_report(results, params.recipe, results.mapped(params.models), params.row)
    forget_failures(task.folder)
