"""Groups of members: what each is trained on, and where.

Python runs one thread at a time, and trainings in threads of one process wait for each other, the
more of them the longer. On a processor one group after the other is trained here, and others beside
it in processes of their own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vaescope import user_function
from vaescope.errors import UserError
from vaescope.models.family import PhysicsLoss
from vaescope.models.settings import ModelSettings
from vaescope.numerics import one_thread, rounded_on_gpu
from vaescope.progress import Progress
from vaescope.train import starting
from vaescope.train.data import Data
from vaescope.train.device_data import DeviceData
from vaescope.train.fitting import Fitting
from vaescope.train.schedule import TrainingSchedule

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

LOOK = 0.3  # seconds between two looks at how far a process is

Log = Callable[[str], None]
Report = Callable[[int, float], None]  # the step reached, at first that of the start, and the bound


@dataclass
class Trained:
    """Weights and facts of each member of a group, and their history."""

    members: list[tuple[dict[str, torch.Tensor], dict[str, Any]]]
    history: list[dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """What groups of one ensemble are trained on; the same in every process.

    ``physics`` : the user's own function, or None where the settings' own counts. ``start`` :
    folder of the members from whose weights training starts; None: from random ones.
    """

    data: Data
    settings: ModelSettings
    seed: int
    device: torch.device
    key: str
    checkpoints: Path
    physics: PhysicsLoss | None = None
    start: Path | None = None

    @cached_property
    def shown(self) -> DeviceData:
        """What all members are shown, made once in a process."""
        return DeviceData.of(self.data, self.settings, self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "shown"}

    def train(self, group: list[int], log: Log, report: Report) -> Trained:
        """Train one group to the end, or go on from its checkpoint."""
        if self.device.type == "cpu":
            one_thread()
        else:
            rounded_on_gpu()
        own = self.physics or user_function.load(self.settings.physics_loss, "physics_loss")
        path = self.checkpoints / f"members-{'-'.join(map(str, group))}.safetensors"
        fitting = Fitting(
            self.data,
            self.settings,
            members=group,
            seed=self.seed,
            device=self.device,
            key=self.key,
            physics=own and user_function.guarded(own, "physics_loss"),
            shown=self.shown,
        )
        if fitting.resume(path):
            log(f"members {group}: going on from step {fitting.step}")
        elif self.start is not None:
            fitting.start_from(starting.weights(self.start, group))
        report(fitting.step, _bound(fitting))
        fitting.run(path, log, lambda: report(fitting.step, _bound(fitting)))
        fitting.save(path)
        members = [(fitting.member_state(k), fitting.facts(k)) for k in range(len(group))]
        return Trained(members, fitting.history.rows)


def train_all(
    work: Work, groups: Sequence[list[int]], threads: int, log: Log, progress: Progress
) -> Iterator[Trained]:
    """Train groups, ``threads`` of them at once; the results in the groups' order.

    Raises
    ------
    UserError : the system ended a process.
    """
    workers = min(threads, len(groups))
    here, stopped = Lock(), Event()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        others = stack.enter_context(_processes(workers - 1, work)) if workers > 1 else None

        def one(group: list[int]) -> Trained:
            pace = _Pace(work, group, progress, stopped)
            if others is None or here.acquire(blocking=False):
                try:
                    return work.train(group, log, pace.reached)
                finally:
                    if others is not None:
                        here.release()
            return _beside(others, group, folder / f"{group[0]}", log, pace)

        pool = stack.enter_context(ThreadPoolExecutor(max(workers, 1)))
        try:
            yield from pool.map(one, groups)
        except BaseException:  # Ctrl-C too: pool and processes would go on to their ends
            stopped.set()
            if others is not None:
                others.shutdown(wait=False, kill_workers=True)
            raise


class _Pace:
    """Tells the progress of all groups how far one of them is."""

    def __init__(self, work: Work, group: list[int], progress: Progress, stopped: Event) -> None:
        self.stopped = stopped
        self.progress, self.plan, self.sites = (
            progress,
            TrainingSchedule(work.settings),
            len(work.data),
        )
        names = sorted({group[0], group[-1]})
        self.whose = f"member{'s' * (len(names) > 1)} {' to '.join(map(str, names))}"
        self.step: int | None = None

    def reached(self, step: int, bound: float) -> None:
        """Tell of a step; of the first, from which the group starts, that it was done before.

        Raises
        ------
        CancelledError : the training was stopped; what it had done lies in its checkpoint.
        """
        self.go_on()
        if self.step is None:
            self.step = step
            self.progress.skip(step)
            return
        steps, sites = self.plan.settings.steps, self.sites
        epoch, last = (self.plan.seen(k, sites) / sites for k in (step, steps))
        said = f", ELBO {bound:.1f}" if np.isfinite(bound) else ""
        words = f"{self.whose}: epoch {epoch:.0f} of {last:.0f}{said}"
        self.progress.update(step - self.step, words=words)
        self.step = step

    def go_on(self) -> None:
        """Raise a CancelledError if the training was stopped."""
        if self.stopped.is_set():
            raise CancelledError

    def look(self, file: Path) -> None:
        """Tell of what another process wrote of itself: the first step, the last, the bound."""
        self.go_on()
        start, step, bound = np.fromfile(file)
        if start >= 0 and self.step is None:
            self.reached(int(start), bound)
        if self.step is not None and step > self.step:
            self.reached(int(step), bound)


def _bound(fitting: Fitting) -> float:
    """The bound last recorded, a mean over the members; NaN before there is any."""
    last = fitting.history.last
    return sum(row["elbo"] for row in last) / len(last) if last else float("nan")


def _processes(count: int, work: Work) -> ProcessPoolExecutor:
    """So many processes, which end with this one and import nothing of the caller's own program."""
    from loky import ProcessPoolExecutor

    return ProcessPoolExecutor(count, initializer=_receive, initargs=(work,))


@contextmanager
def _spared_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: it is for this one, which ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # whose start would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(work: Work) -> None:
    """Keep what groups are trained on, in another process: it is sent once."""
    global _received
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _received = work


_received: Work | None = None


def _beside(others: Executor, group: list[int], file: Path, log: Log, pace: _Pace) -> Trained:
    """Train a group in one of the processes, and tell meanwhile how far it is."""
    from loky.process_executor import TerminatedWorkerError

    np.full(3, -1.0).tofile(file)
    with _spared_interrupts():
        future = others.submit(_elsewhere, group, file, os.getpid())
    while wait([future], LOOK).not_done:
        pace.look(file)
    try:
        trained, lines = future.result()
    except TerminatedWorkerError as error:
        raise UserError(
            "a process that trained members was ended by the system",
            found=str(error).split("\n")[0],
            remedy="Most often memory was short: give the job more, or fewer threads; what was "
            "trained so far is kept",
        ) from error
    for line in lines:
        log(line)
    pace.look(file)
    return trained


def _elsewhere(group: list[int], file: Path, parent: int) -> tuple[Trained, list[str]]:
    """Train a group, in another process: what it gave, and what it had to say."""
    assert _received is not None
    lines: list[str] = []
    reached = np.memmap(file, float, "r+", shape=(3,))  # the first step, the last, and the bound

    def report(step: int, bound: float) -> None:
        reached[:] = step if reached[0] < 0 else reached[0], step, bound
        if os.getppid() != parent:  # nobody is left to take the result
            os._exit(1)

    return _received.train(group, lines.append, report), lines
