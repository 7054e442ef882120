"""Find the sites of one dataset (rule find_sites): image.zarr -> sites.zarr, sites.csv."""

from vaescope import sites, store
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    image = store.open(task.input.image)
    # Which sites are too near the edge depends on the patches to be cut around them.
    settings = task.params.settings | {"patch_size": task.params.patch_size}
    detector = None
    if task.input.detector:
        from vaescope.sites import learned

        detector = learned.load(task.input.detector[0])
    found = sites.find(image, settings, threads=task.threads, detector=detector)
    store.write(found, task.output.sites, provenance={"settings": task.params.settings})
    write_table(found, task.output.table)
    task.say(f"{found.sizes['site']} sites, {float(found.attrs['spacing']):.1f} px apart")
