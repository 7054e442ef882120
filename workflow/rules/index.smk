"""Write the index of all datasets, and report refused rows of the sample sheet."""


rule write_index:
    """Write the page that lists all datasets, with their state."""
    input:
        # With the exports, so that the page shows what became of them.
        completed=all_completed,
    output:
        index="<results>/index.html",
    log:
        "<results>/logs/write_index.log",
    benchmark:
        "<results>/benchmarks/write_index.tsv"
    localrule: True
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        # A dataset or problem that comes or goes rewrites the page.
        rows=PLAN.all_rows(),
        problems=PLAN.all_problems(),
    message:
        "writing the index of all datasets"
    script:
        "../../scripts/write_index.py"


rule refuse_row:
    """Report the fault of a refused row of the sample sheet; fails without stopping other jobs."""
    output:
        "<results>/.problems/{line}",
    log:
        "<results>/logs/refuse_row-{line}.log",
    benchmark:
        "<results>/benchmarks/refuse_row-{line}.tsv"
    localrule: True
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    params:
        message=problem_of,
    message:
        "line {wildcards.line} of the sample sheet cannot be used"
    script:
        "../../scripts/refuse_row.py"
