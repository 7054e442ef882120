"""Watch the queue of Slurm for a run: jobs that can never start are cancelled and named, and a run
that waits for jobs that Slurm does not have is ended.

Snakemake itself waits for ever in both cases.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaescope.errors import UserError
from vaescope.text import plain
from vaescope.workflow import slurm, slurm_queue
from vaescope.workflow.jobs import FAILURES, explain_stop

_TAIL = 20_000  # bytes at the end of a log in which Slurm says why it ended a job
_EVIDENCE = {
    "OUT_OF_MEMORY": r"exceeded memory limit|oom[-_ ]kill|out of memory",
    "TIMEOUT": r"DUE TO TIME LIMIT",
    "NODE_FAIL": r"DUE TO NODE FAILURE",
    "PREEMPTED": r"DUE TO PREEMPTION",
}
"""What Slurm writes into the log of a job that it ends; its state alone does not always say."""
_AGAIN = "Run the workflow again; it goes on from there."
_WORDS = {
    "OUT_OF_MEMORY": "Slurm ended the job because it took more memory than it had asked for."
    " Ask for more: `--set-resources {rule}:mem_mb=MB`.",
    "TIMEOUT": "Slurm ended the job because it took longer than it had asked for. "
    f"{_AGAIN} Or ask for more: `--set-resources {{rule}}:runtime=MINUTES`.",
    "NODE_FAIL": f"The node on which the job ran failed. {_AGAIN}",
    "PREEMPTED": f"Slurm ended the job in favour of another. {_AGAIN}",
    "CANCELLED": f"The job was cancelled (`scancel`). {_AGAIN}",
    "BOOT_FAIL": f"The node for the job did not start. {_AGAIN}",
    "DEADLINE": f"Slurm ended the job at its deadline. {_AGAIN}",
}


def _has_children() -> bool:
    """Whether this process has others at work: local jobs of the run."""
    import psutil

    return bool(psutil.Process().children())


@dataclass
class QueueWatch:
    """Look at the queue from time to time, in a thread, while a run goes on.

    Parameters
    ----------
    folder : from which the run submits its jobs.
    say : shows one line to the person at the terminal.
    end : ends the run, in order.
    pause : seconds between two looks.
    patience : seconds without any job in the queue, or at work on this machine, after which the
        run must have lost its jobs: it looks at them every 180 s at the latest.
    at_work : whether this process has jobs of its own at work.
    """

    folder: Path
    say: Callable[[str], None]
    end: Callable[[], None]
    pause: float = 20.0
    patience: float = 900.0
    at_work: Callable[[], bool] = _has_children
    never: dict[str, str] = field(default_factory=dict)
    _busy: float = field(default_factory=time.monotonic)
    _partitions: dict[str, slurm.NodeLimits] = field(default_factory=dict)

    def start(self) -> None:
        """Watch until the process ends."""
        threading.Thread(target=self._watch, name="queue-watch", daemon=True).start()

    def look(self) -> bool:
        """Look once; False if the run was ended.

        Raises
        ------
        UserError : Slurm does not answer.
        """
        for job in slurm_queue.waiting(self.folder):
            self._partitions = self._partitions or slurm.partitions()
            why = slurm_queue.never(job, self._partitions)
            if why:
                self.never[job.number] = f"The job can never start: {why}"
                self.say(f"job {job.number} ({plain(job.comment)}) can never start: {why}")
                slurm.ask("scancel", job.number)
        if slurm_queue.at_work(self.folder) or self.at_work():
            self._busy = time.monotonic()
        elif time.monotonic() - self._busy > self.patience:
            self.say(
                f"Slurm has had no job of this run for {self.patience / 60:.0f} minutes, yet"
                " Snakemake waits for one: it was lost while Slurm did not answer. The run ends"
                " here. Run the workflow again; it goes on from there."
            )
            self.end()
            return False
        return True

    def _watch(self) -> None:
        going = True
        while going:
            time.sleep(self.pause)
            try:
                going = self.look()
            except UserError:  # a controller that restarts: Snakemake asks again as well
                self._busy = time.monotonic()

    def note_failures(self, logger: logging.Logger) -> None:
        """Write a note for each job whose end Snakemake reports by this logger and that could write
        none itself, so that the index names it too."""

        def seen(record: logging.LogRecord) -> bool:
            with suppress(OSError, AttributeError, KeyError, TypeError):
                self._note(record)
            return True

        logger.addFilter(seen)

    def _note(self, record: logging.LogRecord) -> None:
        """Note why a job failed, from what Snakemake reports of it; of a group, for every job."""
        said: dict[str, Any] = vars(record)
        kind = getattr(said.get("event"), "name", "")
        if kind == "GROUP_ERROR":
            number, logs = said.get("external_jobid"), said["aux_logs"]
            number = number or self._refused(f"rule_{said['groupid']}_")
            jobs = said["job_error_info"]
        elif kind == "JOB_ERROR" and not said["indent"]:  # others belong to a group
            number, logs, jobs = said["aux"].get("external_jobid"), said["log"], [said]
        else:
            return
        for job in jobs:
            rule = job["rule_name"].rpartition("vaescope_")[2]
            why = self._why(number, job.get("rule_msg") or "", logs, rule)
            for log in [Path(log) for log in job["log"] if Path(log).parent.name == "logs"]:
                note = log.parent.parent / FAILURES / f"{log.stem}.json"
                if why:
                    facts = {"dataset": note.parent.parent.name, "rule": rule}
                    explain_stop(note, facts | {"log": f"logs/{log.name}"}, why)

    def _refused(self, comment: str) -> str | None:
        """Number of a group of jobs that Slurm refused: Snakemake does not say why."""
        with suppress(UserError):
            for job in reversed(slurm_queue.waiting(self.folder, "FAILED")):
                if job.comment.startswith(comment) and job.reason == "BadConstraints":
                    why = slurm_queue.never(job, self._partitions or slurm.partitions())
                    self.never[job.number] = f"The job can never start: {why}"
                    return job.number
        return None

    def _why(self, number: str | None, text: str, logs: Sequence[str], rule: str) -> str | None:
        """Why a job failed: what this watch found, what sbatch said, or what Slurm did to it."""
        if number in self.never:
            return self.never[str(number)]
        refused = re.search(r"error message was '(.*?)'\.\s*\n\s*sbatch call", text, re.DOTALL)
        if refused:
            said = plain(refused[1].replace("sbatch: error: ", ""), 300)
            return (
                f"Slurm refused the job ({said}). Ask for what a node has, as `sinfo -Nl` lists it:"
                f" `--set-threads {rule}=CORES`, `--set-resources {rule}:mem_mb=MB`."
            )
        failed = re.search(r"submission failed with exception: (.*?)(For further error|$)", text)
        if failed:
            return f"The job could not be submitted to Slurm ({plain(failed[1], 300)})."
        state = next((state for state, words in _EVIDENCE.items() if _ends_with(logs, words)), None)
        if state is None and (found := re.search(r"SLURM status is: '(\w+)'", text)):
            state = found[1]
        return _WORDS[state].format(rule=rule) if state in _WORDS else None


def _ends_with(logs: Sequence[str], words: str) -> bool:
    """Whether a log of Slurm's own says this at its end."""
    for log in logs:
        path = Path(log)
        if path.parent.name == "logs" or not path.is_file():
            continue
        with path.open("rb") as file:
            file.seek(max(0, os.path.getsize(path) - _TAIL))
            if re.search(words, file.read().decode(errors="replace"), re.IGNORECASE):
                return True
    return False
