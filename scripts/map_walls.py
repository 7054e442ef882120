"""Map what domain walls do (rule map_walls): image, sites -> walls.zarr, walls.csv."""

from vaescope import store
from vaescope.sites.wall_maps import map_walls
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    seed = task.params.seed
    found = map_walls(
        store.open(task.input.image).load(), store.open(task.input.sites).load(), seed
    )
    store.write(found, task.output.walls, provenance={"seed": seed})
    write_table(found, task.output.table, over="row")
