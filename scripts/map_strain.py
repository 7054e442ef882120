"""Map strain and rotation (rule map_strain): image, sites, latents -> strain.zarr, strain.csv."""

from vaescope import store
from vaescope.strain.maps import map_strain
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    sites = store.open(task.input.sites).load()
    if task.has_sites(sites):
        models = zip(task.params.models, task.input.get("latents", []), strict=True)
        found = map_strain(
            store.open(task.input.image),
            sites,
            {name: store.open(path) for name, path in models},
        )
        store.write(found, task.output.strain, provenance={"models": list(task.params.models)})
        write_table(found, task.output.table)
        if not found.attrs["ordered"]:
            task.say(f"no strain: {found.attrs['why']}")
