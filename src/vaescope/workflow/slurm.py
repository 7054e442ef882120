"""What the nodes of a Slurm cluster can give, and which of its jobs can never start.

Asks the programs of Slurm itself (``sinfo``, ``squeue``, ``scontrol``); reason codes are those of
https://slurm.schedmd.com/job_reason_codes.html.
"""

from __future__ import annotations

import getpass
import json
import math
import os
import re
import subprocess
from collections.abc import Collection
from dataclasses import asdict, dataclass

from vaescope.errors import UserError

LARGEST = "VAESCOPE_LARGEST_NODE"
"""Variable by which jobs learn what the run that submits them was given: all must ask for the same
threads."""
OLDEST = 200  # seconds for which Slurm must remember a job; Snakemake looks every 180 at the latest

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
_TOO_MUCH = re.compile(r"(Assoc|QOS)\w*(PerJob|PerNode|WallDurationPerJob)\w*Limit|QOSMin\w+")
"""Limits of one job. Those of a group or user pass when other jobs end."""


@dataclass(frozen=True)
class Limits:
    """The most that one job can have: cores, memory in MB and GPUs of one node, time in minutes."""

    cores: int
    memory_mb: float
    minutes: float = math.inf
    gpus: int = 0

    def __or__(self, other: Limits) -> Limits:
        mine, others = asdict(self), asdict(other)
        return Limits(**{name: max(mine[name], others[name]) for name in mine})


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
        """Name of its rule or group, as the executor notes it in the comment."""
        return re.sub(r"^(rule|group)_|_wildcards_.*", "", self.comment)


def ask(*command: str, seconds: float = 60) -> str:
    """Output of a program of Slurm.

    Raises
    ------
    UserError : it is missing, fails, or does not answer in time.
    """
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=True, errors="replace"
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        raise UserError(
            f"`{command[0]}` does not answer",
            found=" ".join(str(why).split()),
            remedy="Start the run on a machine from which jobs can be submitted to Slurm",
        ) from None
    return found.stdout


def partitions() -> dict[str, Limits]:
    """The largest node and longest time of each partition by name; the default one as ``""`` too.

    Nodes count in whatever state they are: what is down or drained may come back.
    """
    found: dict[str, Limits] = {}
    for line in ask("sinfo", "-h", "-e", "-o", "%P|%c|%m|%l|%G").splitlines():
        name, cores, memory, limit, devices = line.split("|")
        gpus = sum(int(count) for count in re.findall(r"gpu(?::[^:,()]+)*?:(\d+)", devices))
        one = Limits(int(cores), float(memory), minutes(limit), gpus)
        for key in (name.rstrip("*"), *([""] if name.endswith("*") else [])):
            found[key] = found[key] | one if key in found else one
    return found


def largest(names: Collection[str] = ()) -> Limits:
    """The most that a job in one of these partitions can have; without names, in the default one.

    Known already where a run has submitted this process.

    Raises
    ------
    UserError : Slurm does not answer, or has no such partition.
    """
    if known := os.environ.get(LARGEST):
        return Limits(**json.loads(known))
    every = partitions()
    chosen = [name for text in names for name in str(text).split(",")] or [""]
    if chosen == [""] and "" not in every:
        chosen = list(every)
    if strange := [name for name in chosen if name not in every]:
        raise UserError(
            f"Slurm has no partition `{strange[0]}`",
            expected="one of " + ", ".join(filter(None, every)),
            remedy="Correct `slurm_partition` in the profile",
        )
    found = every[chosen[0]]
    for name in chosen[1:]:
        found |= every[name]
    os.environ[LARGEST] = json.dumps(asdict(found))
    return found


def check_status(command: str | None) -> None:
    """Make sure that Snakemake will see when jobs end.

    Parameters
    ----------
    command : by which the executor asks for the state of jobs: ``squeue`` or ``sacct``.

    Raises
    ------
    UserError : it would wait for ever, because Slurm keeps no account of jobs, or soon forgets
        those that have ended.
    """
    try:
        ask("sacct", "-X", "-n", "--clusters", "all", "--starttime", "now", "--endtime", "now")
        accounts = True
    except UserError:
        accounts = False
    if command == "sacct":
        if not accounts:
            raise UserError(
                "this cluster keeps no account of jobs, so `sacct` cannot say when they end",
                remedy="Use `--slurm-status-command squeue`, as the profile slurm does",
            )
        return
    config = ask("scontrol", "show", "config")
    age = re.search(r"^MinJobAge\s*=\s*(\d+)", config, re.MULTILINE)
    if age and int(age[1]) < OLDEST:
        raise UserError(
            "Slurm forgets jobs before Snakemake can see that they have ended",
            found=f"MinJobAge {age[1]} s",
            expected=f"at least {OLDEST} s",
            remedy="Use `--slurm-status-command sacct`"
            if accounts
            else "Ask the administrator to raise MinJobAge to 300, its default",
        )


def waiting(folder: str | os.PathLike) -> list[Waiting]:
    """The jobs of this user that were submitted from a folder and have not started."""
    form = "%i|%r|%C|%m|%l|%P|%k|%Z"
    found = []
    for line in ask("squeue", "-h", "-u", getpass.getuser(), "-t", "PD", "-o", form).splitlines():
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


def never(job: Waiting, every: dict[str, Limits]) -> str | None:
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


def minutes(text: str) -> float:
    """A limit of time of Slurm (``[days-]hours:minutes:seconds``, or shorter) in minutes."""
    text = text.strip()
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text):
        return math.inf  # infinite, UNLIMITED, n/a
    days, _, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if days:
        parts += [0] * (3 - len(parts))
    else:
        parts = [0] * (3 - len(parts)) + parts if len(parts) > 1 else [0, parts[0], 0]
    return int(days or 0) * 1440 + parts[0] * 60 + parts[1] + parts[2] / 60


def megabytes(text: str) -> float:
    """A size of Slurm (``1200M``, ``4G``) in MB; what says nothing counts nothing."""
    found = re.match(r"([\d.]+)([KMGT]?)", text.strip())
    if not found:
        return 0.0
    return float(found[1]) * {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1024**2}[found[2]]
