"""What the nodes of a Slurm cluster can give, and how it says that jobs have ended."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from vaescope.errors import UserError

LARGEST = "VAESCOPE_LARGEST_NODE"
"""Variable by which jobs learn what the run that submits them was given: all must ask for the same
threads."""
OLDEST = 200  # seconds for which Slurm must remember a job; Snakemake looks every 180 at the latest


@dataclass(frozen=True)
class NodeLimits:
    """The most that one job can have: cores, memory in MB and GPUs of one node, time in minutes."""

    cores: int
    memory_mb: float
    minutes: float = math.inf
    gpus: int = 0

    def __or__(self, other: NodeLimits) -> NodeLimits:
        mine, others = asdict(self), asdict(other)
        return NodeLimits(**{name: max(mine[name], others[name]) for name in mine})


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


def partitions() -> dict[str, NodeLimits]:
    """The largest node and longest time of each partition by name; the default one as ``""`` too.

    Nodes count in whatever state they are: what is down or drained may come back.
    """
    found: dict[str, NodeLimits] = {}
    for line in ask("sinfo", "-h", "-e", "-o", "%P|%c|%m|%l|%G").splitlines():
        name, cores, memory, limit, devices = line.split("|")
        gpus = sum(int(count) for count in re.findall(r"gpu(?::[^:,()]+)*?:(\d+)", devices))
        one = NodeLimits(int(cores), float(memory), minutes(limit), gpus)
        for key in (name.rstrip("*"), *([""] if name.endswith("*") else [])):
            found[key] = found[key] | one if key in found else one
    return found


@cache
def largest(names: tuple[str, ...] = ()) -> NodeLimits:
    """The most that a job in one of these partitions can have; without names, in the default one.

    Jobs that this process submits know it by ``given``.

    Raises
    ------
    UserError : Slurm does not answer, or has no such partition.
    """
    every = partitions()
    chosen = [name for text in names for name in text.split(",")] or [""]
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


def given() -> NodeLimits | None:
    """What the run that submitted this process as a job found; None where none has."""
    known = os.environ.get(LARGEST)
    return NodeLimits(**json.loads(known)) if known else None


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


def stand_in_for_sacct() -> tempfile.TemporaryDirectory[str] | None:
    """Let the executor submit jobs where there is no ``sacct``, from which it guesses an account.

    There is one in the PATH as long as what is given back, which says that no account is kept.
    """
    if shutil.which("sacct"):
        return None
    folder = tempfile.TemporaryDirectory(prefix="vaescope-")
    program = Path(folder.name) / "sacct"
    program.write_text("#!/bin/sh\necho 'no account of jobs is kept here' >&2\nexit 1\n")
    program.chmod(0o755)
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), folder.name])
    return folder


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
