"""Train detectors of sites that do not come with the package; datasets with the same settings share
one."""


rule train_detector:
    """Train a detector on simulated images; datasets with the same settings share it."""
    output:
        detector=directory("<results>/.detectors/{detector}/members"),
    log:
        "<results>/.detectors/{detector}/logs/train_detector.log",
    benchmark:
        "<results>/.detectors/{detector}/benchmarks/train_detector.tsv"
    conda:
        "../envs/vaescope.yaml"
    # One member per thread on a CPU, as in the rule `train`.
    threads: threads_of(4)
    resources:
        gpu=one_gpu,
        mem_mb=lambda wildcards, attempt: memory_mb(3000, 0, 0, attempt),
        runtime=lambda wildcards, attempt: resources.detector_minutes(
            ask(PLAN.detector_settings, wildcards.detector), attempt
        ),
    params:
        settings=lambda wildcards: plain(
            ask(PLAN.detector_settings, wildcards.detector)
        ),
    message:
        "training the detector {wildcards.detector}"
    script:
        "../../scripts/train_detector.py"
