"""The jobs of a run in the queue of Slurm, and which of them can never start.

Reason codes are those of https://slurm.schedmd.com/job_reason_codes.html.
"""

from __future__ import annotations

import getpass
import math
import os
import re
from dataclasses import dataclass

from vaescope.workflow.slurm import NodeLimits, ask, megabytes, minutes

_NEVER = {
    "AccountNotAllowed": "the account may not use this partition",
    "BadConstraints": "no node has all that it asks for",
    "DependencyNeverSatisfied": "the job that it waits for has failed",
    "InvalidAccount": "there is no such account",
    "InvalidQOS": "there is no such quality of service",
    "JobHoldMaxRequeue": "Slurm has tried in vain to start it and holds it",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows",
    "PartitionTimeLimit": "it asks for more time than the partition allows",
    "QOSNotAllowed": "the quality of service may not be used here",
}
_TOO_MUCH = re.compile(r"(Assoc|QOS)\w*(PerJob|PerNode)\w*|QOSMin\w+")
"""NodeLimits of one job. Those of a group or user pass when other jobs end."""


@dataclass(frozen=True)
class Waiting:
    """A job in the queue, and what it asks for."""

    number: str
    reason: str
    comment: str
    cores: int
    memory_mb: float
    minutes: float
    partition: str

    @property
    def rule(self) -> str:
        """Name of its rule, as the executor notes it in the comment, or ``RULE`` for a group of
        jobs, of which each has its own: the comment names no wildcards then."""
        found = re.fullmatch("rule_(.+?)_wildcards_.*", self.comment)
        return found[1] if found else "RULE"


def waiting(folder: str | os.PathLike, states: str = "PENDING") -> list[Waiting]:
    """The jobs of this user that were submitted from a folder and have not started.

    With the state ``FAILED``: those that have failed within the last minutes. Jobs that are refused
    at once are among them, with the reason ``BadConstraints``.
    """
    form = "%i|%r|%C|%m|%l|%P|%k|%Z"
    found = []
    for line in ask("squeue", "-h", "-u", getpass.getuser(), "-t", states, "-o", form).splitlines():
        number, reason, cores, memory, limit, partition, more = line.split("|", 6)
        comment, _, submitted = more.rpartition("|")
        if submitted == os.fspath(folder):
            job = Waiting(
                number, reason, comment, int(cores), megabytes(memory), minutes(limit), partition
            )
            found.append(job)
    return found


def at_work(folder: str | os.PathLike) -> int:
    """How many jobs of this user from a folder have not ended."""
    output = ask("squeue", "-h", "-u", getpass.getuser(), "-o", "%Z")
    return output.splitlines().count(os.fspath(folder))


def never(job: Waiting, every: dict[str, NodeLimits]) -> str | None:
    """Why a job can never start, and what to do; None if it may.

    What it asks for is compared with what the nodes of its partitions have, whether these are up or
    not; of Slurm's reasons only those count that no end of other jobs changes.
    """
    names = [name for name in job.partition.split(",") if name in every]
    asked = (
        ("cores", job.cores, "cores", f"--set-threads {job.rule}={{}}"),
        ("memory_mb", job.memory_mb, "MB of memory", f"--set-resources {job.rule}:mem_mb={{}}"),
        ("minutes", job.minutes, "minutes", f"--set-resources {job.rule}:runtime={{}}"),
    )
    for limit, value, unit, option in asked:
        most = max((getattr(every[name], limit) for name in names), default=math.inf)
        if value > most:
            where = "allows" if limit == "minutes" else "has on a node"
            return (
                f"it asks for {value:.0f} {unit}, and the partition `{job.partition}` {where}"
                f" {most:.0f} at most. Ask for less (`{option.format(f'{most:.0f}')}`), or name"
                f" another partition (`--set-resources {job.rule}:slurm_partition=NAME`)."
            )
    code = job.reason.partition(",")[0].strip()
    if code in _NEVER or _TOO_MUCH.fullmatch(code):
        why = _NEVER.get(code, "a limit of the account or the quality of service forbids it")
        return (
            f"{why} (Slurm: {code}). Ask for what is allowed (`--set-resources {job.rule}:…`), as"
            " `sinfo` and `sacctmgr show qos` list it."
        )
    return None
