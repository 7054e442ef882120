"""Write one table of all sites (rule export_table): stores -> sites.csv, columns.csv."""

from vaescope.exchange import table
from vaescope.results import Results
from vaescope.workflow import job

with job(snakemake) as task:
    results = Results(task.folder, task.input)
    columns = table.columns_of(results, results.mapped(task.params.models))
    table.write(columns, task.output.table, task.output.columns)
    task.say(f"{len(columns)} columns")
