"""A Dask scheduler and its workers on this machine, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client


@dataclass
class DaskCluster:
    """A scheduler and workers of one thread each; ``folder`` holds what they write."""

    folder: Path
    workers: int = 2
    scheduler: subprocess.Popen[bytes] | None = None
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> DaskCluster:
        """Start all, and wait until the scheduler has its address."""
        self.folder.mkdir(parents=True, exist_ok=True)
        where = ["--scheduler-file", str(self.folder / "scheduler.json")]
        self.scheduler = self._start(
            "scheduler", *where, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        self._wait((self.folder / "scheduler.json").exists)
        for _ in range(self.workers):
            self.add(where)
        return self

    def add(self, where: list[str]) -> None:
        """Start one more worker."""
        more = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "1GB")
        more += ("--local-directory", str(self.folder))
        self.running.append(self._start("worker", *where, *more))

    @property
    def address(self) -> str:
        """For the setting ``dask_scheduler``."""
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def at_work(self) -> bool:
        """Whether the worker that is killed next has something to do."""
        with self._client() as client:
            return any(client.processing().values())

    def seconds(self) -> dict[str, float]:
        """Seconds that workers have spent on tasks, by the names of these."""
        with self._client() as client:
            return dict(
                client.run_on_scheduler(
                    lambda dask_scheduler: {
                        name: float(sum(prefix.all_durations.values()))
                        for name, prefix in dask_scheduler.task_prefixes.items()
                    }
                )
            )

    def _client(self) -> Client:
        return Client(self.address, timeout="20s", set_as_default=False)

    def kill(self) -> None:
        """Kill a worker as a machine that goes down does."""
        worker = self.running.pop(0)
        worker.kill()
        worker.wait()

    def stop(self) -> None:
        """End all of them."""
        for process in [*self.running, *([self.scheduler] if self.scheduler else [])]:
            process.terminate()
        for process in [*self.running, *([self.scheduler] if self.scheduler else [])]:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{command[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )

    def _wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not ready():
            logs = [log.read_text()[-2000:] for log in self.folder.glob("*.log")]
            assert time.monotonic() < end, logs
            time.sleep(0.2)
