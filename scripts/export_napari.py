"""Write image and sites for napari (rule export_napari): stores -> image.ome.zarr, points.csv."""

from vaescope import store
from vaescope.exchange import ome, points, table
from vaescope.results import Results
from vaescope.results.coverage import with_gaps
from vaescope.workflow import job

with job(snakemake) as task:
    image = with_gaps(store.open(task.input.image))
    ome.write(image, task.output.image, name=task.dataset)
    results = Results(task.folder, task.input)
    columns = table.columns_of(results, results.mapped(task.params.models))
    points.write(store.open(task.input.sites).load(), image, columns, task.output.points)
