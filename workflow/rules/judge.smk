"""Judge the results: scores and findings."""


rule judge:
    """Collect scores with their meaning, and findings; figures and pages read them."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        patches=here(layout.SAMPLES),
        latents=each_model(here(layout.LATENTS)),
        scores=each_model(here(layout.SCORES)),
        history=each_model(here(layout.HISTORY)),
        strain=strain_store,
        walls=walls_store,
        explored=explored_store,
    output:
        facts=here(layout.FACTS),
    log:
        "<results>/{dataset}/logs/judge.log",
    benchmark:
        "<results>/{dataset}/benchmarks/judge.tsv"
    group:
        "map"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 3.0),
        runtime=minutes(10, 10),
    params:
        models=models,
        members=recipe("ensemble", "members"),
        # Without a report, nothing comes after it; that is no reason to judge anew.
        completes=lambda wildcards, output: ask(PLAN.page, wildcards.dataset)
        == layout.FACTS,
    message:
        "{wildcards.dataset}: judging the results"
    script:
        "../../scripts/judge.py"
