"""Train models that the datasets of a group share, on patches of one scale from all of them."""


rule scale_group:
    """Settle the size of the patches of a group: that of its first reference."""
    input:
        image=of_first(here(layout.IMAGE)),
        sites=of_first(here(layout.SITES)),
    output:
        scale=of_group(layout.SCALE),
    log:
        "<results>/.groups/{group}/logs/scale_group.log",
    benchmark:
        "<results>/.groups/{group}/benchmarks/scale_group.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(300, 0),
        runtime=10,
    params:
        settings=as_first(recipe("patches")),
        first=lambda wildcards: ask(PLAN.first, wildcards.group),
    message:
        "group {wildcards.group}: settling the size of patches"
    script:
        "../../scripts/scale_group.py"


rule pool_samples:
    """Draw the sites on which the models of a group are trained, evenly over its references."""
    input:
        samples=references(here(layout.SAMPLES)),
    output:
        samples=directory(of_group(layout.SAMPLES)),
    log:
        "<results>/.groups/{group}/logs/pool_samples.log",
    benchmark:
        "<results>/.groups/{group}/benchmarks/pool_samples.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(500, 2.0),
        runtime=minutes(10, 20),
    params:
        images=lambda wildcards: PLAN.groups[wildcards.group].references,
        sites=lambda wildcards: ask(PLAN.pooled_sites, wildcards.group),
        seed=as_first(recipe("seed")),
    message:
        "group {wildcards.group}: drawing sites from all references"
    script:
        "../../scripts/pool_samples.py"


use rule train as train_group with:
    input:
        patches=of_group(layout.SAMPLES),
        start=as_first(starting_members_of_group),
    output:
        part=directory(of_group(layout.PARTS)),
    log:
        "<results>/.groups/{group}/logs/train_group-{model}-{part}.log",
    benchmark:
        "<results>/.groups/{group}/benchmarks/train_group-{model}-{part}.tsv"
    group:
        as_first(training_group)
    params:
        settings=as_first(model_settings),
        members=as_first(members),
        physics=as_first(physics),
        seed=as_first(recipe("seed")),
    message:
        "group {wildcards.group}: training {wildcards.model}, part {wildcards.part}"


use rule combine_members as combine_group with:
    input:
        parts=parts_of_group,
        shared=[],
        history=[],
    output:
        members=directory(of_group(layout.MEMBERS)),
        history=of_group(layout.HISTORY),
    log:
        "<results>/.groups/{group}/logs/combine_group-{model}.log",
    benchmark:
        "<results>/.groups/{group}/benchmarks/combine_group-{model}.tsv"
    group:
        as_first(training_group)
    message:
        "group {wildcards.group}: gathering the members of {wildcards.model}"


rule map_group:
    """Map the sites of a group that settle axes, zero of angles, classes and modes for all images."""
    input:
        members=of_group(layout.MEMBERS),
        samples=of_group(layout.SAMPLES),
    output:
        latents=directory(of_group(layout.LATENTS)),
    log:
        "<results>/.groups/{group}/logs/map_group-{model}.log",
    benchmark:
        "<results>/.groups/{group}/benchmarks/map_group-{model}.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: threads_of(4)
    resources:
        mem_mb=memory_for(1100, 6.0, 100),
        runtime=minutes(30, 60),
    params:
        settings=as_first(model_settings),
    message:
        "group {wildcards.group}: mapping the latents of {wildcards.model}"
    script:
        "../../scripts/map_group.py"


rule write_group:
    """Compare the images of a group: a page, and tables."""
    input:
        latents=of_all(here(layout.LATENTS)),
        facts=of_all_datasets(here(layout.FACTS)),
    output:
        report="<results>/groups/{group}/report.html",
        populations="<results>/groups/{group}/populations.csv",
        conditions="<results>/groups/{group}/conditions.csv",
        differences="<results>/groups/{group}/differences.csv",
    log:
        "<results>/groups/{group}/logs/write_group.log",
    benchmark:
        "<results>/groups/{group}/benchmarks/write_group.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 1.0),
        runtime=minutes(20, 20),
    params:
        models=as_first(models),
        rows=lambda wildcards: [
            ask(PLAN.row, dataset).as_dict()
            for dataset in PLAN.groups[wildcards.group].datasets
        ],
    message:
        "group {wildcards.group}: comparing images"
    script:
        "../../scripts/write_group.py"
