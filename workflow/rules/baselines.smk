"""Fit classical methods, for comparison with the models."""


rule run_baselines:
    """Fit PCA, NMF, clusterings and embeddings to the patches that the models are trained on."""
    input:
        patches=here(layout.SAMPLES),
    output:
        baselines=directory(here(layout.BASELINES)),
        seconds=here(layout.BASELINES_SECONDS),
    log:
        "<results>/{dataset}/logs/run_baselines.log",
    benchmark:
        "<results>/{dataset}/benchmarks/run_baselines.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        # The libraries themselves, and distances of all fitted sites.
        mem_mb=memory_for(900, 8.0),
        runtime=minutes(20, 60),
    params:
        settings=of_dataset(PLAN.baselines),
        disc=of_dataset(PLAN.disc),
        seed=recipe("seed"),
    message:
        "{wildcards.dataset}: classical methods"
    script:
        "../../scripts/run_baselines.py"
