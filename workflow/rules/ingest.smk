"""Convert vendors' files, or simulations, to one form of image and one of spectra."""


rule ingest:
    """Read the source of a dataset, whatever its format, into an image store."""
    output:
        image=directory(here(layout.IMAGE)),
    log:
        "<results>/{dataset}/logs/ingest.log",
    benchmark:
        "<results>/{dataset}/benchmarks/ingest.tsv"
    group:
        "prepare"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for(500, 3.0),
        runtime=minutes(20, 20),
    params:
        source=lambda wildcards: ask(PLAN.row, wildcards.dataset).source,
        pixel_size=lambda wildcards: ask(PLAN.row, wildcards.dataset).pixel_size,
        # What is in the source decides, not its time stamp: therefore no input file.
        sha256=of_dataset(PLAN.fingerprint),
        settings=of_dataset(PLAN.ingest_settings),
        # Asking for `output` keeps these out of Snakemake's comparison of params: a source that
        # moved to another folder is still the same source.
        files=lambda wildcards, output: ask(PLAN.files, wildcards.dataset),
        others=lambda wildcards, output: ask(
            PLAN.preprocessing_files, wildcards.dataset
        ),
        spectra=of_dataset(PLAN.spectra_settings),
        spectra_files=lambda wildcards, output: ask(
            PLAN.spectra_files, wildcards.dataset
        ),
        seed=lambda wildcards, output: ask(PLAN.seed, wildcards.dataset),
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: reading the source"
    script:
        "../../scripts/ingest.py"


rule read_spectra:
    """Read the spectra of a dataset, and how they lie on its image, into a store."""
    output:
        spectra=directory(here(layout.SPECTRA)),
    log:
        "<results>/{dataset}/logs/read_spectra.log",
    benchmark:
        "<results>/{dataset}/benchmarks/read_spectra.tsv"
    group:
        "prepare"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for(500, 1.5),
        runtime=minutes(20, 20),
    params:
        source=lambda wildcards: ask(PLAN.row, wildcards.dataset).source,
        pixel_size=lambda wildcards: ask(PLAN.row, wildcards.dataset).pixel_size,
        # What is in the source decides, not its time stamp: therefore no input file.
        sha256=of_dataset(PLAN.fingerprint),
        settings=of_dataset(PLAN.ingest_settings),
        # Asking for `output` keeps these out of Snakemake's comparison of params: a source that
        # moved to another folder is still the same source.
        files=lambda wildcards, output: ask(PLAN.files, wildcards.dataset),
        others=lambda wildcards, output: ask(
            PLAN.spectra_preprocessing_files, wildcards.dataset
        ),
        spectra=of_dataset(PLAN.spectra_settings),
        spectra_files=lambda wildcards, output: ask(
            PLAN.spectra_files, wildcards.dataset
        ),
        seed=lambda wildcards, output: ask(PLAN.seed, wildcards.dataset),
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: reading the spectra"
    script:
        "../../scripts/read_spectra.py"
