"""Provide detectors of sites; datasets with the same settings share one."""


rule train_detector:
    """Train a detector on simulated images, or copy the bundled one of the same settings."""
    output:
        detector=directory("<results>/.detectors/{detector}/members"),
    log:
        "<results>/.detectors/{detector}/logs/train_detector.log",
    benchmark:
        "<results>/.detectors/{detector}/benchmarks/train_detector.tsv"
    conda:
        "../envs/vaescope.yaml"
    # One member per thread on a CPU, as in the rule `train`.
    threads: lambda wildcards: 4 if trains(wildcards) else 1
    resources:
        gpu=lambda wildcards: int(trains(wildcards)),
        mem_mb=lambda wildcards, attempt: resources.memory_mb(3000, 0, 0, attempt),
        runtime=lambda wildcards, attempt: resources.detector_minutes(
            ask(PLAN.detector_settings, wildcards.detector), attempt
        ),
    params:
        settings=lambda wildcards: plain(
            ask(PLAN.detector_settings, wildcards.detector)
        ),
    message:
        "providing the detector {wildcards.detector}"
    script:
        "../../scripts/train_detector.py"
