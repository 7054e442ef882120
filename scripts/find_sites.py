"""Find the sites of one dataset (rule find_sites): image.zarr -> sites.zarr."""

from vaescope import sites, store
from vaescope.workflow import job

with job(snakemake) as task:
    image = store.open(task.input.image)
    detector = None
    if task.input.detector:
        from vaescope.sites import learned

        detector = learned.load(task.input.detector[0])
    spectra = store.open(task.input.spectra[0]) if task.input.spectra else None
    found = sites.find(
        image, task.params.settings, threads=task.threads, detector=detector, spectra=spectra
    )
    store.write(found, task.output.sites, provenance={"settings": task.params.settings})
    where = f" in the channel {found.attrs['channel']}" if "channel" in found.attrs else ""
    task.say(f"{found.sizes['site']} sites{where}, {float(found.attrs['spacing']):.1f} px apart")
