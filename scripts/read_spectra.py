"""Read the spectra of one source (rule read_spectra): files or a simulation -> spectra.zarr."""

from contextlib import ExitStack

from vaescope import store
from vaescope.settings import merge
from vaescope.workflow import job

with job(snakemake) as task, ExitStack() as held:
    params = task.params
    settings = merge(params.spectra, {"preprocess": dict(params.others)})
    name = params.source.removeprefix("simulate:")
    if name != params.source:
        from vaescope import simulate

        task.say(f"simulating {name}, seed {params.seed}")
        spectra = simulate.spectra_of(simulate.make(name, params.seed))
    else:
        from vaescope import read

        task.say(f"reading the spectra of {params.source}")
        files = [str(file) for file in params.files] or [params.source]
        others = [str(file) for file in params.spectra_files]
        held.enter_context(read.unchanged([*files, *others]))
        spectra = read.load_spectra(
            files,
            settings,
            pixel_size=params.pixel_size or None,
            ingest=params.settings,
            spectra_paths=others or None,
        )
    made_by = {"source": params.source, "settings": params.spectra, "seed": params.seed}
    store.write(spectra, task.output.spectra, provenance=made_by)
    task.say(", ".join(f"{size} {dim}" for dim, size in spectra.sizes.items()))
