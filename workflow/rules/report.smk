"""What a person reads."""


rule write_report:
    """Write the self-contained report of a dataset."""
    input:
        figures="<results>/{dataset}/figures/latest",
        sites="<results>/{dataset}/sites.zarr",
        strain=strain_store,
        scores=each_model("<results>/{dataset}/{model}/scores.json"),
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
