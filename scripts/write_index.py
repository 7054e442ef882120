"""Write the index of all datasets (rule write_index): their results -> index.html."""

from pathlib import Path

from vaescope import report

results = Path(snakemake.output.index).parent
report.write_index(results, list(snakemake.params.rows), list(snakemake.params.problems))
