"""What is around the sites."""


rule extract_patches:
    """Cut a patch around every site that lies far enough from the edge."""
    input:
        image="<results>/{dataset}/image.zarr",
        sites="<results>/{dataset}/sites.zarr",
    output:
        patches=directory("<results>/{dataset}/patches.zarr"),
        table="<results>/{dataset}/sites.csv",
    log:
        "<results>/{dataset}/logs/extract_patches.log",
    benchmark:
        "<results>/{dataset}/benchmarks/extract_patches.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for("extract_patches"),
        runtime=minutes(20, 30),
    params:
        settings=recipe("patches"),
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: cutting patches"
    script:
        "../../scripts/extract_patches.py"
