"""Write image and sites for HyperSpy (rule export_hyperspy): image, sites -> image.hspy."""

from vaescope import store
from vaescope.exchange import signals
from vaescope.results.coverage import with_gaps
from vaescope.workflow import job

with job(snakemake) as task:
    image = store.open(task.input.image)
    signals.write(
        with_gaps(image),
        task.output.signal,
        title=task.dataset,
        sites=store.open(task.input.sites).load(),
        metadata={"row": task.params.row, "image": signals.facts(image)},
        original=signals.vendor(image),
    )
