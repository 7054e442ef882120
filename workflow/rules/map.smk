"""From trained members to maps with error bars."""


rule map_latents:
    """Encode all sites with every member, align the members, agree, criticise, and follow."""
    input:
        members="<results>/{dataset}/{model}/members",
        patches="<results>/{dataset}/patches.zarr",
        sites="<results>/{dataset}/sites.zarr",
    output:
        latents=directory("<results>/{dataset}/{model}/latents.zarr"),
        table="<results>/{dataset}/{model}/latents.csv",
        scores="<results>/{dataset}/{model}/scores.json",
        # Of a movie, what became of its atoms; of an image, a store that says it is none.
        movie=directory("<results>/{dataset}/{model}/movie"),
    log:
        "<results>/{dataset}/logs/map_latents-{model}.log",
    benchmark:
        "<results>/{dataset}/benchmarks/map_latents-{model}.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(4)
    resources:
        mem_mb=memory_for("map_latents"),
        runtime=minutes(30, 60),
    params:
        settings=model_settings,
        followed=recipe("movie"),
    message:
        "{wildcards.dataset}: mapping the latents of {wildcards.model}"
    script:
        "../../scripts/map_latents.py"
