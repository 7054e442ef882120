"""Settle the size of the patches of a group (rule scale_group): image, sites -> scale.json."""

from vaescope import store
from vaescope.cohort.scale import PatchScale
from vaescope.samples import Patches
from vaescope.workflow import job

with job(snakemake) as task:
    scale = PatchScale.of(
        store.open(task.input.image),
        store.open(task.input.sites),
        Patches.of(task.params.settings),
        task.params.first,
    )
    store.write_text(scale.as_json(), task.output.scale)
    task.say(f"patches of {scale.side:.4g} {scale.unit}, {scale.pixels} pixels a side")
