"""Find sites."""


rule find_sites:
    """Find the sites of a dataset, as its recipe says, and refine their positions."""
    input:
        image=here(layout.IMAGE),
        spectra=spectra_store,
        detector=detector,
    output:
        sites=directory(here(layout.SITES)),
    log:
        "<results>/{dataset}/logs/find_sites.log",
    benchmark:
        "<results>/{dataset}/benchmarks/find_sites.tsv"
    group:
        "prepare"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(4)
    resources:
        mem_mb=lambda wildcards, input, attempt: memory_mb(
            1000 if ask(PLAN.uses_detector, wildcards.dataset) else 600,
            2.0,
            input_mb(wildcards, input),
            attempt,
        ),
        runtime=minutes(30, 120),
    params:
        settings=recipe("sites"),
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: finding sites"
    script:
        "../../scripts/find_sites.py"
