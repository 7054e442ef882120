"""Map what domain walls do (rule map_walls): image, sites -> walls.zarr, walls.csv."""

from vaescope import store
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    from vaescope.sites.wall_maps import map_walls, read_defects

    seed, given = task.params.seed, task.input.get("defects")
    image, sites = (store.open(path).load() for path in (task.input.image, task.input.sites))
    found = map_walls(image, sites, seed, read_defects(given) if given else None)
    store.write(found, task.output.walls, provenance={"seed": seed})
    write_table(found, task.output.table, over="row")
