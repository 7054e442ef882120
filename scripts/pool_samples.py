"""Draw sites from all references of a group (rule pool_samples): their samples -> samples.zarr."""

from vaescope import store
from vaescope.cohort.pool import pooled
from vaescope.workflow import job

with job(snakemake) as task:
    images = zip(task.params.images, task.input.samples, strict=True)
    samples = pooled(
        {image: store.open(path) for image, path in images}, task.params.sites, task.params.seed
    )
    store.write(samples, task.output.samples, provenance={"images": list(task.params.images)})
    task.say(f"{samples.sizes['site']} sites of {len(task.params.images)} images")
