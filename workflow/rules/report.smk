"""Write the pages of a dataset."""


rule write_report:
    """Write the self-contained report of a dataset."""
    input:
        # A light report draws its own.
        figures=if_full(here(layout.LATEST)),
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        patches=here(layout.SAMPLES),
        latents=each_model(here(layout.LATENTS)),
        movies=each_model(here(layout.MOVIE)),
        history=each_model(here(layout.HISTORY)),
        strain=strain_store,
        walls=walls_store,
        explored=explored_store,
        facts=here(layout.FACTS),
        comparison=if_compared(here(layout.COMPARISON)),
    output:
        report=here(layout.REPORT),
    log:
        "<results>/{dataset}/logs/write_report.log",
    benchmark:
        "<results>/{dataset}/benchmarks/write_report.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 1.0),
        runtime=minutes(10, 10),
    params:
        recipe=recipe(),
        models=models,
        row=lambda wildcards: ask(PLAN.row, wildcards.dataset).as_dict(),
        reports=of_dataset(PLAN.reports),
        by_recipe=lambda wildcards: bool(ask(PLAN.recipe, wildcards.dataset).reports),
    message:
        "{wildcards.dataset}: writing the report"
    script:
        "../../scripts/write_report.py"


rule write_comparison:
    """Compare the classical methods with the models, on a page beside the report."""
    input:
        figures=here(layout.LATEST),
        patches=here(layout.SAMPLES),
        latents=each_model(here(layout.LATENTS)),
        history=each_model(here(layout.HISTORY)),
        baselines=here(layout.BASELINES),
        seconds=here(layout.BASELINES_SECONDS),
    output:
        page=here(layout.COMPARISON),
        table=here(layout.COMPARISON_TABLE),
    log:
        "<results>/{dataset}/logs/write_comparison.log",
    benchmark:
        "<results>/{dataset}/benchmarks/write_comparison.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 6.0),
        runtime=minutes(10, 30),
    params:
        models=models,
    message:
        "{wildcards.dataset}: comparing methods"
    script:
        "../../scripts/write_comparison.py"
