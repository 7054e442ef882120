"""A campaign of faults: the workflow is killed, stopped, starved of disk and handed damaged files
at random moments, over all its stages, and must end with the results of an undisturbed run.

    python benchmarks/faults.py [--trials 200] [--kinds KIND …] [--folder build/faults]

A round starts without results and is disturbed until it has finished; then it is compared byte by
byte with the undisturbed run. Every trial is a line of ``benchmarks/results/faults.csv``, every
round one more; run again, it goes on where it stopped, in the same folder. Disks can only be filled
where a small one may be mounted (as root); elsewhere such trials are left out, with a line that
says so.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "workflow")]

from disturbances import BETWEEN, DURING, Ended, Moment, damaged_outputs  # noqa: E402
from lab import Lab, contents  # noqa: E402
from same_results import differences  # noqa: E402

TABLE = HERE / "results" / "faults.csv"
DISK = 96  # MB of the small disk: results, and what Snakemake keeps, are a tenth of it
SHARE = 0.14  # of the time of an undisturbed run, the latest moment of a fault
TRIES = 4  # runs in which a round must end once nothing disturbs it


@dataclass
class Line:
    """One line of the table; ``moment`` and ``seconds`` (until all processes had ended) in s,
    ``jobs`` those that ran when the fault came, ``done`` outputs that were there, ``load`` tasks
    that were ready to run on the machine, per core."""

    commit: str
    trial: int
    round: int
    fault: str
    moment: str = ""
    jobs: str = ""
    done: str = ""
    seconds: str = ""
    load: str = ""
    outcome: str = ""
    holds: str = ""


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--kinds", nargs="*", choices=[*DURING, *BETWEEN], default=[])
    parser.add_argument("--folder", type=Path, default=Path("build/faults"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with disk(folder / "disturbed") as small:
        kinds = given.kinds or [*DURING, *BETWEEN]
        if "full disk" in kinds and not small:
            print("full disk: left out, since no small disk can be mounted here")
            kinds.remove("full disk")
        Campaign(folder, kinds, given.seed).run(given.trials)


@contextmanager
def disk(place: Path) -> Iterator[bool]:
    """Mount a small disk in memory; whether that was possible."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "none", str(place)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=False)


class Campaign:
    """Rounds of trials in a folder; ``calm`` is the undisturbed run of the same dataset."""

    def __init__(self, folder: Path, kinds: list[str], seed: int) -> None:
        self.folder, self.kinds, self.seed = folder, kinds, seed
        self.commit = _commit()
        self.lines = [line for line in read() if line.commit == self.commit]
        self.before = [line for line in read() if line.commit != self.commit]
        self.calm = Lab(folder / f"calm-{self.commit}")
        self.damaged: set[str] = set()  # in this round, by hand

    def run(self, trials: int) -> None:
        """Go on until there are so many trials, and the round of the last has ended."""
        horizon = SHARE * self.undisturbed()
        while self.trials < trials:
            number = 1 + max((line.round for line in self.lines), default=0)
            lab = self.empty()
            self.damaged, ended = set(), False
            while not ended and self.trials < trials:
                ended = self.trial(lab, number, horizon)
            self.compare(lab, number)

    @property
    def trials(self) -> int:
        """Trials so far."""
        return sum(line.fault != "comparison" for line in self.lines)

    def undisturbed(self) -> float:
        """Run the dataset without any fault, once; the seconds that it takes."""
        said = self.calm.folder / "seconds.json"
        if not said.exists():
            shutil.rmtree(self.calm.folder, ignore_errors=True)
            self.calm.prepare().sheet("one single ../data/one.npy")
            ended = Moment(np.inf).watch(self.calm)
            if ended.code:
                raise SystemExit(f"the undisturbed run failed:\n{ended.output[-4000:]}")
            said.write_text(json.dumps(ended.seconds))
        return json.loads(said.read_text())

    def empty(self) -> Lab:
        """The folder of a new round."""
        place = self.folder / "disturbed" / "lab"
        shutil.rmtree(place, ignore_errors=True)
        return Lab(place).prepare().sheet("one single ../data/one.npy")

    def trial(self, lab: Lab, number: int, horizon: float) -> bool:
        """One fault; whether the run had ended by itself before it came."""
        random = np.random.default_rng([self.seed, len(self.lines), number])
        kinds = self.kinds if contents(lab.results) else [k for k in self.kinds if k in DURING]
        kind = str(random.choice(kinds))
        line = Line(self.commit, self.trials + 1, number, kind)
        if kind in BETWEEN:
            hit = BETWEEN[kind](lab, random)
            self.damaged.add(hit)
            line.jobs = hit
            ended = Moment(horizon * random.uniform(0.5, 1.5)).watch(lab)
            good = True
            line.outcome = "stopped after a while" if ended.moment else f"ended with {ended.code}"
        else:
            moment = Moment(float(horizon * random.uniform()))
            ended = moment.watch(lab, DURING[kind], random)
            line.moment, line.jobs = f"{ended.moment:.1f}", " ".join(ended.jobs)
            line.outcome, good = ended.outcome, ended.holds
        line.load = f"{os.getloadavg()[0] / (os.cpu_count() or 1):.1f}"
        line.done, line.seconds = str(ended.outputs), f"{ended.seconds_after:.1f}"
        named = self.mend(lab, ended)
        if named:
            line.outcome = f"{line.outcome}; named: {', '.join(named)}"
        if kind in BETWEEN and ended.code and not ended.moment:  # failed by itself
            good = bool(named)
        line.holds = "yes" if good and "failed unexpectedly" not in ended.output else "no"
        if line.holds == "no":
            said = self.folder / f"said-{self.commit}-{line.trial}.txt"
            said.write_text(ended.output, encoding="utf-8")
        self.write(line)
        return ended.code == 0

    def mend(self, lab: Lab, ended: Ended) -> list[str]:
        """Do what messages about damaged results advise: delete these. Returns their names."""
        found = damaged_outputs(lab, ended.output)
        for name in found:
            path = lab.results / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        return found

    def compare(self, lab: Lab, number: int) -> None:
        """Finish a round undisturbed, and compare it with the undisturbed run."""
        words = []
        for _ in range(TRIES):
            ended = Moment(np.inf).watch(lab)
            words += self.mend(lab, ended)
            if ended.code == 0:
                break
        explained, others = differences(self.calm.results, lab.results)
        untouched = [name for name in others if name in self.damaged]
        others = [name for name in others if name not in self.damaged]
        left = [str(path.relative_to(lab.folder)) for path in lab.leftovers()]
        outcome = f"finished: {'yes' if ended.code == 0 else 'no'}"
        outcome += f"; named: {', '.join(words)}" if words else ""
        outcome += f"; left behind: {', '.join(left[:5])}" if left else ""
        outcome += f"; differ: {', '.join(others[:5])}" if others else ""
        outcome += (
            f"; damaged and read by nothing since: {', '.join(untouched)}" if untouched else ""
        )
        outcome += f"; differ as they may: {', '.join(explained)}" if explained else ""
        line = Line(self.commit, self.trials, number, "comparison", outcome=outcome)
        line.holds = "yes" if ended.code == 0 and not others and not left else "no"
        self.write(line)
        if line.holds == "no":
            kept = self.folder / f"differs-{self.commit}-{number}"
            shutil.copytree(lab.folder, kept, symlinks=True, dirs_exist_ok=True)
            (kept / "said.txt").write_text(ended.output)

    def write(self, line: Line) -> None:
        """Add a line to the table, and print it."""
        self.lines.append(line)
        print(*asdict(line).values(), sep=" | ", flush=True)
        with TABLE.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(
                file, [field.name for field in fields(Line)], lineterminator="\n"
            )
            table.writeheader()
            table.writerows(map(asdict, [*self.before, *self.lines]))


def read() -> list[Line]:
    """The lines of the table so far."""
    if not TABLE.exists():
        return []
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Line(row.pop("commit"), int(row.pop("trial")), int(row.pop("round")), **row) for row in rows
    ]


def _commit() -> str:
    words = ["git", "-C", str(HERE), "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
