"""Take the views of the sites of one dataset (rule extract_patches) -> samples.zarr, sites.csv."""

from pathlib import Path

from vaescope import columns, samples, store
from vaescope.cohort.scale import PatchScale
from vaescope.samples.held_out import HeldOut
from vaescope.workflow import job
from vaescope.workflow.tables import write_table

with job(snakemake) as task:
    image, found = store.open(task.input.image), store.open(task.input.sites)
    settings = task.params.settings
    if task.input.scale:
        scale = PatchScale.read(Path(task.input.scale[0]))
        settings = scale.patches(found, samples.Patches.of(settings)).as_dict()
    cut = samples.extract(
        image,
        found,
        settings,
        threads=task.threads,
        spectra=store.open(task.input.spectra[0]) if task.input.spectra else None,
        held_out=HeldOut(**task.params.held_out) if task.params.held_out else None,
    )
    store.write(cut, task.output.patches, provenance={"settings": settings})
    # Patches decide which sites are too near the edge, and the table of sites says so.
    write_table(columns.with_edge(found, cut), task.output.table)
    task.say(f"{cut.sizes['site']} samples from {found.sizes['site']} sites")
    if cut.attrs.get("without_delay"):
        task.say(f"{cut.attrs['without_delay']} sites lack a frame at one of the delays")
