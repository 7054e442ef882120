"""Compare all methods of one dataset (rule write_comparison): stores -> comparison.html, CSV."""

from vaescope import report
from vaescope.results import Results
from vaescope.workflow import job
from vaescope.workflow.tables import write_rows

with job(snakemake) as task:
    results = Results(task.folder, task.input)
    if task.has_sites(results.patches):
        rows = report.write_comparison(results, task.params.models)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        write_rows(rows, columns, task.output.table)
