"""Cut patches around the sites of one dataset (rule extract_patches) -> samples.zarr."""

from vaescope import samples, store
from vaescope.workflow import job

with job(snakemake) as task:
    image, found = store.open(task.input.image), store.open(task.input.sites)
    cut = samples.extract(image, found, task.params.settings)
    store.write(cut, task.output.patches, provenance={"settings": task.params.settings})
    task.say(f"{cut.sizes['site']} patches from {found.sizes['site']} sites")
