"""Classical methods beside the models."""


rule run_baselines:
    """Fit PCA, NMF, clusterings and embeddings to the patches that the models see."""
    input:
        patches="<results>/{dataset}/patches.zarr",
    output:
        baselines=directory("<results>/{dataset}/baselines.zarr"),
        seconds="<results>/{dataset}/baselines-seconds.csv",
    log:
        "<results>/{dataset}/logs/run_baselines.log",
    benchmark:
        "<results>/{dataset}/benchmarks/run_baselines.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("run_baselines"),
        runtime=minutes(20, 60),
    params:
        settings=of_dataset(PLAN.baselines),
        disc=of_dataset(PLAN.disc),
        seed=recipe("seed"),
    message:
        "{wildcards.dataset}: classical methods"
    script:
        "../../scripts/run_baselines.py"
