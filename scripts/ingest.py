"""Read one source (rule ingest): vendor files or a simulation -> image.zarr."""

from contextlib import ExitStack

from vaescope import store
from vaescope.settings import merge
from vaescope.workflow import job

with job(snakemake) as task, ExitStack() as held:
    params = task.params
    settings = merge(params.settings, {"preprocess": dict(params.others)})
    name = params.source.removeprefix("simulate:")
    if name != params.source:
        from vaescope import simulate

        task.say(f"simulating {name}, seed {params.seed}")
        image = simulate.image_of(simulate.make(name, params.seed))
    else:
        from vaescope import read

        task.say(f"reading {params.source}")
        # A pattern that no file matches is named as it stands in the sample sheet.
        files = [str(file) for file in params.files] or [params.source]
        others = [str(file) for file in params.spectra_files]
        held.enter_context(read.unchanged([*files, *others]))
        image = read.load(
            files,
            settings,
            pixel_size=params.pixel_size or None,
            spectra=params.spectra,
            spectra_paths=others or None,
        )
    made_by = {"source": params.source, "settings": params.settings, "seed": params.seed}
    store.write(image, task.output.image, provenance=made_by)
    task.say(", ".join(f"{size} {dim}" for dim, size in image.sizes.items()))
