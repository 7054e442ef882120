"""What a person reads."""


rule write_report:
    """Write the self-contained report of a dataset."""
    input:
        figures="<results>/{dataset}/figures/latest",
        image="<results>/{dataset}/image.zarr",
        sites="<results>/{dataset}/sites.zarr",
        patches="<results>/{dataset}/patches.zarr",
        latents=each_model("<results>/{dataset}/{model}/latents.zarr"),
        movies=each_model("<results>/{dataset}/{model}/movie"),
        history=each_model("<results>/{dataset}/{model}/history.csv"),
        strain=strain_store,
        comparison=if_baselines("<results>/{dataset}/comparison.html"),
    output:
        report="<results>/{dataset}/report.html",
    log:
        "<results>/{dataset}/logs/write_report.log",
    benchmark:
        "<results>/{dataset}/benchmarks/write_report.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("write_report"),
        runtime=minutes(10, 10),
    params:
        recipe=recipe(),
        models=models,
        row=lambda wildcards: ask(PLAN.row, wildcards.dataset).as_dict(),
    message:
        "{wildcards.dataset}: writing the report"
    script:
        "../../scripts/write_report.py"


rule write_comparison:
    """Compare the classical methods with the models, on a page beside the report."""
    input:
        figures="<results>/{dataset}/figures/latest",
        patches="<results>/{dataset}/patches.zarr",
        latents=each_model("<results>/{dataset}/{model}/latents.zarr"),
        history=each_model("<results>/{dataset}/{model}/history.csv"),
        baselines="<results>/{dataset}/baselines.zarr",
        seconds="<results>/{dataset}/baselines-seconds.csv",
    output:
        page="<results>/{dataset}/comparison.html",
        table="<results>/{dataset}/comparison.csv",
    log:
        "<results>/{dataset}/logs/write_comparison.log",
    benchmark:
        "<results>/{dataset}/benchmarks/write_comparison.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("write_comparison"),
        runtime=minutes(10, 30),
    params:
        models=models,
    message:
        "{wildcards.dataset}: comparing methods"
    script:
        "../../scripts/write_comparison.py"
