"""Run one job: its log, its threads, its lock, and the report of an error."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from vaescope import parallel, store
from vaescope.errors import UserError
from vaescope.progress import shown
from vaescope.text import harmless
from vaescope.workflow import job_errors, placeholders, sums
from vaescope.workflow.job_log import JobLog, opened
from vaescope.workflow.stopping import stoppable
from vaescope.workflow.terminal import JobDisplay

if TYPE_CHECKING:
    import xarray as xr

FAILURES = "failures"
TERMINAL = ".terminal"
"""Lock in the results: who has it shows a bar."""
EXPORTING = ("export_", "write_crate")
"""How the names of jobs begin that only show finished results in another form."""
_THREAD_LIMITS = ("OMP", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR", "NUMBA")
_GARBAGE = 10_000, 20, 20
"""Objects until Python looks for garbage among the young, and how many looks until the next older.

As often as by default, what the libraries keep for good is searched through a dozen times a job.
"""
_SPARSE = ".emd"
"""Files of vendors that may hold sparse arrays: streams of events."""
_NOT_FOR_DASK = ("sparse", "pint", "scipy.fftpack", "scipy.sparse")
"""What Dask and xarray import to know arrays and transforms that no store has."""
_WITHOUT_DASK = ("combine_members", "combine_group", "write_crate")
"""Jobs that look at files, at no array."""
_STOPPED = (
    "The job was stopped before it ended: interrupted, killed, out of memory, out of time, or the "
    "machine went down. Run the workflow again; it goes on from there."
)
_ASKED = (
    "The job was stopped by Ctrl-C or SIGTERM. Run the workflow again; it goes on from what was "
    "done until then."
)


@dataclass
class Task:
    """The environment of a script: Snakemake's input, output, params and wildcards, and a voice."""

    input: Any
    output: Any
    params: Any
    wildcards: Mapping[str, str]
    threads: int
    dataset: str  # or the detector or group, where the job belongs to no dataset
    name: str
    folder: Path  # of the dataset's results, or of the detector or group
    log: JobLog
    display: JobDisplay

    @property
    def results(self) -> Path:
        """Folder of all results."""
        return self.folder.parent

    def has_sites(self, samples: xr.Dataset) -> bool:
        """Whether there is anything to do; where no site was found, outputs are left empty."""
        if samples.sizes["site"]:
            return True
        return self.leave_empty()

    def leave_empty(self) -> bool:
        """Leave placeholders in place of all outputs; False."""
        placeholders.leave(self.output)
        self.say(placeholders.WHY.strip())
        return False

    def say(self, text: str) -> None:
        """A line of progress: into the log, and on a terminal."""
        self.log.say(text)
        self.display.say(harmless(f"{self.dataset} · {self.name}: {text}"))


@contextmanager
def job(snakemake: Any) -> Iterator[Task]:
    """Run the body of a script as one job of the workflow, of a dataset, of a group of them or
    of a detector.

    The body's libraries use one thread each (results must not depend on the number of cores);
    what runs in parallel is Dask's pool and the library's own, of ``task.threads``. An error stops
    the job with exit status 1, one message on stderr and in the log, and a note in ``failures/``
    that the index shows; the traceback of what was no ``UserError`` goes to the log only.
    """
    wildcards = dict(snakemake.wildcards.items())
    kind = next(each for each in ("dataset", "group", "detector") if each in wildcards)
    dataset = wildcards.pop(kind)
    name = "-".join([snakemake.rule.rpartition("vaescope_")[2], *wildcards.values()])
    log_file = Path(snakemake.log[0])
    folder = log_file.parent.parent
    note = folder / FAILURES / f"{name}.json"
    facts = {kind: dataset, "rule": snakemake.rule, "model": wildcards.get("model")}
    facts |= {"log": f"logs/{log_file.name}"}
    _seldom_look_for_garbage()
    _limit_threads(snakemake.threads)
    if not name.startswith(_WITHOUT_DASK) and not _reads_sparse(snakemake.params):
        _import_dask_alone()
    with ExitStack() as held:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(stoppable())
            # A killed run may have left this very job behind, still writing: wait for its end.
            held.enter_context(alone(lock_of(log_file)))
            log = held.enter_context(opened(log_file))
            _write_note(note, facts, _STOPPED)  # stays if the job is killed
        except OSError as error:
            words = job_errors.in_words(error) or job_errors.unforeseen(error, name, log_file)
            sys.exit(f"{kind} `{dataset}`: {words}")
        display = JobDisplay(
            f"{dataset} · {name}",
            log.say,
            sys.stderr,
            lambda: alone(folder.parent / TERMINAL, wait=False),
        )
        task = Task(
            input=snakemake.input,
            output=snakemake.output,
            params=snakemake.params,
            wildcards=snakemake.wildcards,
            threads=snakemake.threads,
            dataset=dataset,
            name=name,
            folder=folder,
            log=log,
            display=display,
        )
        try:
            with closing(display), shown(display), ExitStack() as connected:
                sums.refuse_damaged(task.input)
                sums.forget(task.output)
                if not name.startswith(_WITHOUT_DASK):
                    address = snakemake.params.get("dask_scheduler")
                    connected.enter_context(_choose_scheduler(address))
                yield task
                sums.record(task.output)
        except Exception as error:
            known = job_errors.in_words(error) or _damage(task)
            if known is not error:
                log.write(traceback.format_exc())
            words = known or job_errors.unforeseen(error, name, log_file)
            _fail(note, facts, f"{kind} `{dataset}`: {words}", log)
        except KeyboardInterrupt:
            log.say(_ASKED)
            with suppress(OSError):
                _write_note(note, facts, _ASKED)
            raise
        else:
            # The folder stays: another job of the dataset may be about to write into it.
            note.unlink(missing_ok=True)
            _forget_damage(note.parent, task.output)


def forget_failures(folder: Path) -> None:
    """Remove the notes of failures of a dataset: what it is made of now is complete.

    Those of exports stay, which are no part of it and may have failed meanwhile. The folder of the
    notes stays too: an export may be about to write into it.
    """
    for note in (folder / FAILURES).glob("*.json"):
        if not note.name.startswith(EXPORTING):
            note.unlink()


def lock_of(log_file: Path) -> Path:
    """The lock that a job holds while it is at work, by its log."""
    return log_file.with_name(f".{log_file.stem}.lock")


@contextmanager
def alone(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock that ends with its process, however that ends.

    Yields whether it could be had: always, after a while, if ``wait``. A file system without locks
    (some network ones) gives it to everyone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        yield _lock(file, wait)


def _lock(file: TextIO, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _seldom_look_for_garbage() -> None:
    """Python's search for objects that refer to each other; all others go at once as ever."""
    gc.freeze()  # modules stay
    gc.set_threshold(*_GARBAGE)


def _reads_sparse(params: Any) -> bool:
    """Whether a job reads a source that may hold sparse arrays."""
    files = [*(params.get("files") or ()), *(params.get("spectra_files") or ())]
    return any(str(file).lower().endswith(_SPARSE) for file in files)


def _import_dask_alone() -> None:
    """Dask and xarray without `sparse` and its compiler, `pint` and parts of SciPy, which they
    import to know arrays that no store has: more than a second of every job."""
    if "sparse" in sys.modules:
        return
    absent = [name for name in _NOT_FOR_DASK if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        import dask.array  # noqa: F401

        with suppress(ImportError, AttributeError):
            from xarray.namedarray import pycompat

            for name in ("sparse", "pint"):
                pycompat.array_type(name)  # xarray remembers that there is none
    finally:
        for name in absent:
            del sys.modules[name]


def _limit_threads(threads: int) -> None:
    """One thread for each library; ``threads`` for Dask."""
    for prefix in _THREAD_LIMITS:
        os.environ[f"{prefix}_NUM_THREADS"] = "1"
    os.environ["VECLIB_MAXIMUM_THREADS"] = "1"
    os.environ["DASK_NUM_WORKERS"] = str(threads)
    os.environ.setdefault("MPLBACKEND", "agg")
    if "numpy" in sys.modules:  # too late for the environment
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)


def _choose_scheduler(address: str | None) -> AbstractContextManager[object]:
    """Dask's own threads, or within the block the scheduler of a cluster at this address."""
    if address:
        return closing(parallel.connect(address))
    import dask
    from dask.threaded import get

    # Else Dask imports `distributed` to see whether there is a cluster.
    dask.config.set(scheduler=get)
    return nullcontext()


def _write_note(note: Path, facts: dict[str, Any], text: str) -> None:
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    store.write_text(json.dumps({**facts, "message": text, "when": when}, indent=1) + "\n", note)


def _forget_damage(notes: Path, outputs: Iterable[str]) -> None:
    """Remove notes of jobs that found one of these outputs damaged: it has been made anew."""
    for note in notes.glob("*.json"):
        with suppress(OSError, ValueError, KeyError):
            message = json.loads(note.read_text(encoding="utf-8"))["message"]
            if sums.DAMAGED in message and any(f"`{output}`" in message for output in outputs):
                note.unlink()


def explain_stop(note: Path, facts: dict[str, Any], text: str) -> None:
    """Note why a job failed that could not do so itself: it never began, or was stopped."""
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        known = json.loads(note.read_text(encoding="utf-8"))
    if known.get("message", _STOPPED) == _STOPPED:
        _write_note(note, facts | known, text)


def _damage(task: Task) -> UserError | None:
    """What is damaged among the inputs of a job that failed unexpectedly."""
    try:
        sums.refuse_damaged(task.input, whole=True)
    except UserError as error:
        return error
    except OSError:
        return None
    return None


def _fail(note: Path, facts: dict[str, Any], text: str, log: JobLog) -> None:
    """Tell a failure everywhere and end the job."""
    log.write(text + "\n")
    print(text, file=sys.stderr, flush=True)
    with suppress(OSError):  # the disk may be full
        _write_note(note, facts, text)
    raise SystemExit(1)
