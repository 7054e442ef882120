"""Provide a detector of sites (rule train_detector): the bundled one of the same settings, or one
trained on simulated images -> a folder of safetensors."""

from vaescope.sites import learned
from vaescope.workflow import job

with job(snakemake) as task:
    detector = learned.bundled(task.params.settings)
    if detector is None:
        detector = learned.train(task.params.settings, threads=task.threads, log=task.say)
    else:
        task.say(
            f"bundled with vaescope, trained {detector.facts['trained']}; on simulated images:"
            f" F1 {detector.facts['f1']:.3f}"
        )
    learned.save(detector, task.output.detector)
