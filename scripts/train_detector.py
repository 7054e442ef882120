"""Train a detector of sites (rule train_detector): simulated images -> a folder of safetensors."""

from vaescope.sites import learned
from vaescope.workflow import job

with job(snakemake) as task:
    detector = learned.train(task.params.settings, threads=task.threads, log=task.say)
    learned.save(detector, task.output.detector)
