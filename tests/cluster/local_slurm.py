"""A Slurm cluster on this machine, for as long as tests need it, in a folder of its own."""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
WHERE = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
"""Where daemons are: the PATH of a user often lacks the folders of the system's programs."""

CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=5
AccountingStorageType=accounting_storage/none
# Without cgroups, which need root: a job that takes more memory than it asked for is ended.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=5
InactiveLimit=0
MinJobAge={age}
ReturnToService=2
{nodes}
PartitionName=short Nodes=ALL Default=YES MaxTime={minutes} State=UP
"""


def missing() -> str:
    """Why no cluster can be started here; empty if one can."""
    lacking = [name for name in DAEMONS + CLIENTS if shutil.which(name, path=WHERE) is None]
    return f"Slurm is not installed: no {', '.join(lacking)}" if lacking else ""


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when the tests end, however that is."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Slurm:
    """Munge, controller and nodes; ``folder`` must have a short path (it holds a socket).

    Parameters
    ----------
    folder : holds configuration, state and logs; made and removed with the cluster.
    nodes : cores and memory in MB of each node by name. They share this machine.
    minutes : longest time that the partition allows a job.
    age : seconds that a job that ended is remembered.
    """

    folder: Path
    nodes: dict[str, tuple[int, int]]
    minutes: int = 600
    age: int = 300
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to find this cluster: its programs come first in the PATH."""
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> Slurm:
        """Start all daemons and wait until every node is idle."""
        self.folder.mkdir(parents=True, mode=0o755)
        for name in ("state", *(f"spool-{node}" for node in self.nodes)):
            (self.folder / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()}"
            f" CPUs={cores} RealMemory={memory} State=UNKNOWN"
            for name, (cores, memory) in self.nodes.items()
        ]
        conf = CONF.format(
            host=host,
            port=_free_port(),
            user=getpass.getuser(),
            folder=self.folder,
            nodes="\n".join(lines),
            minutes=self.minutes,
            age=self.age,
        )
        (self.folder / "slurm.conf").write_text(conf)
        self._wrap_clients()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        try:
            self._start(
                "munged",
                "--foreground",
                "--force",
                f"--key-file={key}",
                f"--socket={self.folder}/munge.socket",
                f"--pid-file={self.folder}/munge.pid",
                f"--log-file={self.folder}/munge.log",
                f"--seed-file={self.folder}/munge.seed",
                "--num-threads=2",
            )
            self._wait("munged answers", (self.folder / "munge.socket").exists)
            self._start("slurmctld", "-D", "-i", "-f", str(self.folder / "slurm.conf"))
            for node in self.nodes:
                self._start("slurmd", "-D", "-N", node, "-f", str(self.folder / "slurm.conf"))
            self._wait("all nodes are idle", self._all_idle, 60)
        except BaseException:
            self.stop()
            raise
        return self

    def idle(self) -> None:
        """End all jobs, and take all nodes back into service."""
        self.run("scancel", "--user", getpass.getuser())
        for node in self.nodes:
            with suppress(subprocess.CalledProcessError):  # it is in service
                self.run("scontrol", "update", f"NodeName={node}", "State=RESUME")
        self._wait("all nodes are idle", self._all_idle, 60)

    def drain(self, *nodes: str) -> None:
        """Let nodes finish what they do, and start no further job there."""
        for node in nodes:
            self.run("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")

    def stop(self) -> None:
        """End all jobs and daemons, and remove the folder."""
        with suppress(subprocess.SubprocessError, OSError, RuntimeError):
            self.idle()
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """Output of a client."""
        return subprocess.run(
            command,
            env=os.environ | self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        """All jobs in these states: what they ask for, where they run, and from which folder."""
        names = ("id", "state", "reason", "comment", "memory", "limit", "cores", "nodes", "folder")
        output = self.run("squeue", "-h", "-t", states, "-o", "%i|%T|%r|%k|%m|%l|%C|%N|%Z")
        return [dict(zip(names, line.split("|"), strict=True)) for line in output.splitlines()]

    def _wrap_clients(self) -> None:
        """Programs that know this cluster by themselves: a job of Slurm starts the next with all of
        its variables taken away, since on other clusters the configuration is in ``/etc``."""
        (self.folder / "bin").mkdir()
        for name in CLIENTS:
            program = self.folder / "bin" / name
            conf = f"SLURM_CONF={self.folder}/slurm.conf"
            program.write_text(f'#!/bin/sh\n{conf} exec {shutil.which(name, path=WHERE)} "$@"\n')
            program.chmod(0o755)

    def _all_idle(self) -> bool:
        states = self.run("sinfo", "-h", "-N", "-o", "%N %t").split()[1::2]
        return len(states) == len(self.nodes) and set(states) == {"idle"}

    def _start(self, program: str, *arguments: str) -> None:
        path = shutil.which(program, path=WHERE)
        assert path, program
        with (self.folder / f"{program}.out").open("ab") as output:
            self.processes.append(
                subprocess.Popen(
                    [path, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=os.environ | self.environment,
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
            )

    def _wait(self, what: str, condition: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            dead = [p for p in self.processes if p.poll() is not None]
            with suppress(subprocess.CalledProcessError):
                if not dead and condition():
                    return
            if dead:
                break
            time.sleep(0.2)
        logs = "\n".join(
            f"== {log.name}\n{log.read_text(errors='replace')[-2000:]}"
            for log in sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
        )
        raise RuntimeError(f"in vain waited until {what}\n{logs}")
