"""Map latents, classes and poses with error bars, from trained members."""


rule map_latents:
    """Encode all sites with every member, align members, form the consensus, check predictions."""
    input:
        members=here(layout.MEMBERS),
        patches=here(layout.SAMPLES),
        sites=here(layout.SITES),
        # Only where spectra are predicted from what the image shows.
        image=predicting(here(layout.IMAGE)),
    output:
        latents=directory(here(layout.LATENTS)),
        table=here(layout.LATENTS_TABLE),
        scores=here(layout.SCORES),
        # Of a movie, what became of its atoms; of an image, a store that says it is none.
        movie=directory(here(layout.MOVIE)),
    log:
        "<results>/{dataset}/logs/map_latents-{model}.log",
    benchmark:
        "<results>/{dataset}/benchmarks/map_latents-{model}.tsv"
    group:
        "map"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(4)
    resources:
        mem_mb=memory_for(1100, 6.0, 100),
        runtime=minutes(30, 60),
    params:
        settings=model_settings,
        followed=recipe("movie"),
        prediction=recipe("prediction"),
        seed=recipe("seed"),
    message:
        "{wildcards.dataset}: mapping the latents of {wildcards.model}"
    script:
        "../../scripts/map_latents.py"
