"""Export results for other tools, in the formats of `export` in the configuration."""


rule export_table:
    """Write one table of all quantities of every site, and a table that explains its columns."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        latents=each_model(here(layout.LATENTS)),
        strain=strain_store,
    output:
        table=here(layout.EXPORTS["table"][0]),
        columns=here(layout.EXPORTS["table"][1]),
    log:
        "<results>/{dataset}/logs/export_table.log",
    benchmark:
        "<results>/{dataset}/benchmarks/export_table.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 1.0),
        runtime=minutes(10, 20),
    params:
        models=models,
    message:
        "{wildcards.dataset}: one table of all sites"
    script:
        "../../scripts/export_table.py"


rule export_napari:
    """Write image (OME-Zarr) and sites (points) in the same physical coordinates, for napari."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        latents=each_model(here(layout.LATENTS)),
        strain=strain_store,
    output:
        image=directory(here(layout.EXPORTS["napari"][0])),
        points=here(layout.EXPORTS["napari"][1]),
    log:
        "<results>/{dataset}/logs/export_napari.log",
    benchmark:
        "<results>/{dataset}/benchmarks/export_napari.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for(1000, 0.5),
        runtime=minutes(10, 20),
    params:
        models=models,
        dask_scheduler=lambda wildcards, output: config.get("dask_scheduler"),
    message:
        "{wildcards.dataset}: image and sites for napari"
    script:
        "../../scripts/export_napari.py"


rule export_hyperspy:
    """Write the image with calibrated axes and metadata, and sites as its markers, for HyperSpy."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
    output:
        signal=here(layout.EXPORTS["hyperspy"][0]),
    log:
        "<results>/{dataset}/logs/export_hyperspy.log",
    benchmark:
        "<results>/{dataset}/benchmarks/export_hyperspy.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(2)
    resources:
        mem_mb=memory_for(1000, 0.5),
        runtime=minutes(10, 40),
    params:
        row=lambda wildcards: ask(PLAN.row, wildcards.dataset).as_dict(),
    message:
        "{wildcards.dataset}: image and sites for HyperSpy"
    script:
        "../../scripts/export_hyperspy.py"


rule write_crate:
    """Describe all of a dataset's results as a Workflow Run RO-Crate."""
    input:
        completed=completed,
        exports=exports_of("table", "napari", "hyperspy"),
    output:
        crate=here(layout.CRATE),
        workflow=directory(here(layout.WORKFLOW)),
        recipe=here(layout.RECIPE),
    log:
        "<results>/{dataset}/logs/write_crate.log",
    benchmark:
        "<results>/{dataset}/benchmarks/write_crate.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 0.0),
        runtime=minutes(10, 10),
    params:
        recipe=recipe(),
        models=models,
        row=lambda wildcards: ask(PLAN.row, wildcards.dataset).as_dict(),
        root=lambda wildcards, output: str(ROOT),
        jobs=lambda wildcards, output: jobs_of(wildcards),
    message:
        "{wildcards.dataset}: describing the results as an RO-Crate"
    script:
        "../../scripts/write_crate.py"
