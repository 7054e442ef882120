"""Train ensembles."""


rule train:
    """Train the members of an ensemble, or one part of them; resumes from its checkpoints."""
    input:
        patches=here(layout.SAMPLES),
        start=starting_members,
    output:
        part=directory(here(layout.PARTS)),
    log:
        "<results>/{dataset}/logs/train-{model}-{part}.log",
    benchmark:
        "<results>/{dataset}/benchmarks/train-{model}-{part}.tsv"
    group:
        training_group
    conda:
        "../envs/vaescope.yaml"
    # One member per core of a CPU. Members do not depend on each other, nor on the cores. Two such
    # jobs go side by side: one that asked for all cores would wait until the last is free.
    # A GPU trains all members together; the CPU only feeds it.
    threads: threads_of(8, with_gpu=4)
    resources:
        # A wish: without a GPU the CPU is used. Without `--resources gpu=N` it limits nothing.
        gpu=one_gpu,
        # 0.5 GB for each of up to 8 processes, and for turned copies of patches.
        mem_mb=memory_for(1000, 6.0, 500),
        runtime=minutes(120, 240),
    params:
        settings=model_settings,
        members=members,
        physics=physics,
        seed=recipe("seed"),
    message:
        "{wildcards.dataset}: training {wildcards.model}, part {wildcards.part}"
    script:
        "../../scripts/train.py"


rule combine_members:
    """Gather the trained members of an ensemble from all its parts."""
    input:
        parts=parts,
    output:
        members=directory(here(layout.MEMBERS)),
        history=here(layout.HISTORY),
    log:
        "<results>/{dataset}/logs/combine_members-{model}.log",
    benchmark:
        "<results>/{dataset}/benchmarks/combine_members-{model}.tsv"
    group:
        training_group
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(200, 1.0),
        runtime=minutes(10, 5),
    message:
        "{wildcards.dataset}: gathering the members of {wildcards.model}"
    script:
        "../../scripts/combine_members.py"
