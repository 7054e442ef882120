"""Strain of the lattice, beside the models' own."""


rule map_strain:
    """Strain and rotation of every site: neighbours' vectors, geometric phases, models' poses."""
    input:
        image="<results>/{dataset}/image.zarr",
        sites="<results>/{dataset}/sites.zarr",
        latents=strained_models("<results>/{dataset}/{model}/latents.zarr"),
    output:
        strain=directory("<results>/{dataset}/strain.zarr"),
        table="<results>/{dataset}/strain.csv",
    log:
        "<results>/{dataset}/logs/map_strain.log",
    benchmark:
        "<results>/{dataset}/benchmarks/map_strain.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("map_strain"),
        runtime=minutes(20, 60),
    params:
        models=of_dataset(PLAN.strained),
    message:
        "{wildcards.dataset}: mapping strain"
    script:
        "../../scripts/map_strain.py"
