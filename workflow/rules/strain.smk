"""Measure the strain of the lattice."""


rule map_strain:
    """Map strain and rotation of every site: neighbours' vectors, geometric phases, models' poses."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        latents=strained_models(here(layout.LATENTS)),
    output:
        strain=directory(here(layout.STRAIN)),
        table=here(layout.STRAIN_TABLE),
    log:
        "<results>/{dataset}/logs/map_strain.log",
    benchmark:
        "<results>/{dataset}/benchmarks/map_strain.tsv"
    group:
        "map"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 8.0),
        runtime=minutes(20, 60),
    params:
        models=of_dataset(PLAN.strained),
    message:
        "{wildcards.dataset}: mapping strain"
    script:
        "../../scripts/map_strain.py"
