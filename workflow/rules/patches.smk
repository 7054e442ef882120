"""Extract the surroundings of sites."""


rule extract_patches:
    """Cut a patch around every site that lies far enough from the edge."""
    input:
        image=here(layout.IMAGE),
        spectra=spectra_store,
        sites=here(layout.SITES),
    output:
        patches=directory(here(layout.SAMPLES)),
        table=here(layout.SITES_TABLE),
    log:
        "<results>/{dataset}/logs/extract_patches.log",
    benchmark:
        "<results>/{dataset}/benchmarks/extract_patches.tsv"
    group:
        "prepare"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for(500, 2.0),
        runtime=minutes(20, 30),
    params:
        settings=recipe("patches"),
        held_out=of_dataset(PLAN.held_out),
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: cutting patches"
    script:
        "../../scripts/extract_patches.py"
