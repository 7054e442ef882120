"""What disturbs a run of the workflow: signals, a full disk, a second run, damaged results."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "workflow")]

from lab import Lab, contents, environment  # noqa: E402

SOON = 5.0  # seconds in which Ctrl-C and SIGTERM have to end everything
PATIENCE = 900.0  # seconds that a run and its jobs may take
AHEAD = 3600.0  # seconds by which the clock was ahead when a result was written
_JOB = re.compile(r"\.snakemake/scripts/tmp\w+?\.(\w+)\.py$")
_DELETE = re.compile(r"dataset `\w+`: `(?:[^`]*/)?results/([^`]+)`:.*\bDelete\b")


@dataclass
class Ended:
    """How a disturbed run ended; ``seconds`` in all, ``seconds_after`` its disturbance until no
    process was left; ``outputs`` : results that were there when it came."""

    code: int = 0
    output: str = ""
    moment: float = 0.0
    jobs: list[str] = field(default_factory=list)
    outputs: int = 0
    seconds: float = 0.0
    seconds_after: float = 0.0
    outcome: str = "ended before"
    holds: bool = True


@dataclass
class Watched:
    """A run that is at work, and all its processes at the moment of the fault."""

    lab: Lab
    process: subprocess.Popen
    below: list[psutil.Process]

    def jobs(self) -> dict[str, psutil.Process]:
        """Its jobs by the script that they run."""
        found = {}
        for process in self.below:
            try:
                script = next((m for w in process.cmdline() if (m := _JOB.search(w))), None)
            except psutil.Error:
                continue
            if script:
                found[script[1]] = process
        return found

    def gone(self, seconds: float) -> bool:
        """Wait for the end of all its processes."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return not psutil.wait_procs(self.below, timeout=seconds)[1]

    def output(self) -> str:
        """What the run has said."""
        return (self.lab.folder.parent / "said.txt").read_text(errors="replace")

    def end(self) -> None:
        """Kill whatever is left of it."""
        for process in self.below:
            try:
                process.kill()
            except psutil.Error:
                continue
        self.process.kill()
        self.gone(60)


Fault = Callable[[Watched, np.random.Generator], tuple[str, bool]]
"""Disturbs a run, and says what became of it, and whether that is as it should be."""


@dataclass
class Moment:
    """So many seconds after the start of a run."""

    delay: float

    def watch(
        self, lab: Lab, fault: Fault | None = None, random: np.random.Generator | None = None
    ) -> Ended:
        """Start a run and disturb it then; without a fault it is stopped by Ctrl-C then."""
        began = time.monotonic()
        with (lab.folder.parent / "said.txt").open("w") as said:
            process = subprocess.Popen(
                lab.command(),
                cwd=lab.folder,
                env=environment(),
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        run = Watched(lab, process, [])
        ended = Ended()
        while process.poll() is None and time.monotonic() - began < min(self.delay, PATIENCE):
            time.sleep(0.02)
        if process.poll() is None:
            run.below = psutil.Process(process.pid).children(recursive=True)
            ended.moment = time.monotonic() - began
            ended.jobs, ended.outputs = sorted(run.jobs()), len(finished(lab))
            at = time.monotonic()
            random = random or np.random.default_rng()
            ended.outcome, ended.holds = (fault or interrupt)(run, random)
            ended.seconds_after = time.monotonic() - at
            if process.poll() is None:
                run.end()
        ended.code, ended.output = process.wait(), run.output()
        ended.seconds = time.monotonic() - began
        return ended


def finished(lab: Lab) -> list[str]:
    """Outputs of jobs that are there: entries of the dataset's folder and of its models'."""
    place = lab.results / "one"
    found = [*place.glob("*"), *place.glob("rvae/*")]
    return [str(path.relative_to(place)) for path in found if not path.name.startswith(".")]


def damaged_outputs(lab: Lab, output: str) -> list[str]:
    """Paths in the results that messages of jobs advise to delete, as far as they are there; the
    summary at the end of a run repeats what earlier runs have said."""
    found = dict.fromkeys(
        match[1] for line in output.splitlines() if (match := _DELETE.match(line))
    )
    return [name for name in found if (lab.results / name).exists()]


def kill_job(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """SIGKILL to one job, as the kernel does where memory runs out; the others go on."""
    jobs = run.jobs()
    if not jobs:
        return kill_snakemake(run, random)
    chosen = str(random.choice(sorted(jobs)))
    jobs[chosen].kill()
    ended = run.gone(PATIENCE)
    output = run.output()
    named = "was stopped before it ended" in output
    seen = f"Error in rule {chosen}" in output or named
    words = "by the closing words" if named else "by Snakemake alone" if seen else "not"
    return f"{chosen} killed, named {words}", ended and seen and run.process.returncode != 0


def kill_snakemake(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """SIGKILL to Snakemake alone, which leaves its jobs behind, still at work when the next run
    starts."""
    run.process.kill()
    run.process.wait()
    return "its jobs left at work", True


def kill_all(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """SIGKILL to all processes, as when the machine goes down."""
    os.killpg(run.process.pid, signal.SIGKILL)
    return "all killed", run.gone(60)


def interrupt(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """Ctrl-C in the terminal, which reaches all processes."""
    return _stopped(run, lambda: os.killpg(run.process.pid, signal.SIGINT))


def terminate(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """SIGTERM to Snakemake alone, as ``kill`` and ``scancel`` send it."""
    return _stopped(run, run.process.terminate)


def _stopped(run: Watched, send: Callable[[], None]) -> tuple[str, bool]:
    at = time.monotonic()
    send()
    ended = run.gone(60)
    took = time.monotonic() - at
    quiet = "Traceback" not in run.output()
    words = f"ended in {took:.1f} s" if ended else "did not end"
    return words + ("" if quiet else ", with a traceback"), ended and took <= SOON and quiet


def fill_disk(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """Fill the disk, all but some kB; it is emptied when the run has ended."""
    ballast = run.lab.folder.parent / "ballast"
    free = os.statvfs(run.lab.folder)
    left = int(random.integers(0, 64)) * 1024
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - left, 1))
    ended = run.gone(PATIENCE)
    output = run.output()
    ballast.unlink()
    if run.process.returncode == 0:
        return "finished all the same", ended
    named = "No space left" in output
    return f"{left // 1024} kB left: {'named' if named else 'not named'}", ended and named


def start_second(run: Watched, random: np.random.Generator) -> tuple[str, bool]:
    """Start a second run in the same folder; it has to be refused, and the first goes on."""
    second = run.lab.run()
    refused = second.code != 0 and "Another run is at work" in second.output
    at_work = run.process.poll() is None
    if at_work:
        os.killpg(run.process.pid, signal.SIGKILL)
    words = "refused" if refused else f"ended with {second.code}"
    words += "" if at_work else "; the first had ended meanwhile"
    return words, run.gone(60) and (refused or not at_work)


def flip(lab: Lab, random: np.random.Generator) -> str:
    """Turn one bit of one result round, and leave its time stamp as it was. Returns its path."""
    chosen = _some_result(lab, random)
    path = lab.results / chosen
    status, content = path.stat(), bytearray(path.read_bytes())
    content[random.integers(len(content))] ^= 1 << int(random.integers(8))
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return chosen


def truncate(lab: Lab, random: np.random.Generator) -> str:
    """Cut one result short, as a copy that broke off. Returns its path."""
    chosen = _some_result(lab, random)
    path = lab.results / chosen
    os.truncate(path, int(random.integers(path.stat().st_size)))
    return chosen


def clock_back(lab: Lab, random: np.random.Generator) -> str:
    """Date one result into the future: the clock was set back after it was written."""
    chosen = _some_result(lab, random)
    later = time.time() + AHEAD
    output = lab.results.joinpath(*Path(chosen).parts[:2])
    for path in [output, *output.rglob("*")] if output.is_dir() else [output]:
        os.utime(path, (later, later))
    return chosen


def _some_result(lab: Lab, random: np.random.Generator) -> str:
    found = [name for name, content in contents(lab.results).items() if content]
    return str(random.choice(found))


DURING: dict[str, Fault] = {
    "job killed": kill_job,
    "Snakemake killed": kill_snakemake,
    "all killed": kill_all,
    "Ctrl-C": interrupt,
    "SIGTERM": terminate,
    "full disk": fill_disk,
    "second run": start_second,
}
BETWEEN: dict[str, Callable[[Lab, np.random.Generator], str]] = {
    "bit flipped": flip,
    "cut short": truncate,
    "clock set back": clock_back,
}
