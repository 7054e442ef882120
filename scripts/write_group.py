"""Write the page of a group and its tables (rule write_group): latents, facts -> report.html."""

from pathlib import Path

from vaescope import store
from vaescope.report.group import GroupImage, write_group
from vaescope.results import facts
from vaescope.workflow import job, placeholders


def latents(path):
    """The latents of a model, None of an image without sites."""
    return None if placeholders.is_placeholder(path) else store.open(path)


with job(snakemake) as task:
    count = len(task.params.models)
    images = []
    for place, row in enumerate(task.params.rows):
        own = task.input.latents[place * count : (place + 1) * count]
        images.append(
            GroupImage(
                row["dataset"],
                row["role"],
                row["covariates"],
                {model: latents(path) for model, path in zip(task.params.models, own, strict=True)},
                facts.read(Path(task.input.facts[place])),
            )
        )
    write_group(Path(task.output.report).parent, task.wildcards.get("group", ""), images)
    task.say(f"{len(images)} images")
