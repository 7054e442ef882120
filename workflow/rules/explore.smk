"""Search the latent space of a model, or measure where most is learned."""


rule explore:
    """Propose, evaluate, learn and stop: the whole loop in one job that resumes where it stopped."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        patches=here(layout.SAMPLES),
        latents=of_explored_model(here(layout.LATENTS)),
        members=of_explored_model(here(layout.MEMBERS)),
    output:
        explored=directory(here(layout.EXPLORED)),
    log:
        "<results>/{dataset}/logs/explore.log",
    benchmark:
        "<results>/{dataset}/benchmarks/explore.tsv"
    group:
        "map"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(4)
    resources:
        mem_mb=memory_for(3000, 6.0),
        runtime=minutes(60, 60),
    params:
        settings=recipe("explore"),
        objective=of_dataset(PLAN.objective),
        model=of_dataset(PLAN.explored_model),
        seed=recipe("seed"),
    message:
        "{wildcards.dataset}: exploring"
    script:
        "../../scripts/explore.py"
