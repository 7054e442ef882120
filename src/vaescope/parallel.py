"""Many small tasks at once: on the cluster that a job was given, or on its threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError
from vaescope.progress import track

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 5.0  # seconds in which a scheduler has to answer
_AT_ONCE = 32  # tasks whose results are held beside what is made of them


def results(
    label: str, work: Callable[..., Any], tasks: Sequence[Sequence[Any]], threads: int
) -> Iterator[Any]:
    """Yield the result of ``work`` for the arguments of each task, in their order.

    Parameters
    ----------
    label : what is done, in words, for the bar of progress.
    work : a function; Dask arrays among its arguments reach it as NumPy arrays.
    tasks : the arguments of each call.
    threads : tasks worked on at once. Where Dask has a scheduler of its own, as in a job that was
        given a cluster, that decides. The results depend on neither.
    """
    import dask

    call, how = dask.delayed(work, pure=False), _scheduler(threads)
    starts = range(0, len(tasks), _AT_ONCE)
    for start in track(label, starts, len(starts)):
        yield from dask.compute(*(call(*each) for each in tasks[start : start + _AT_ONCE]), **how)


def connect(address: str) -> Client:
    """Let Dask compute on the workers of a scheduler until the client is closed.

    Raises
    ------
    UserError : none answers at this address.
    """
    import dask
    from distributed import Client

    before = dask.config.get("scheduler", None)
    try:
        return Client(address, timeout=PATIENCE)  # registers itself for all that follows
    except Exception as error:
        dask.config.set(scheduler=before)  # one that has failed may be registered all the same
        raise UserError(
            "no Dask scheduler answers",
            found=f"{type(error).__name__}: {error}",
            expected=f"one at `{address}`",
            remedy="Start it (`dask scheduler`) and its workers, or leave `dask_scheduler` out of"
            " the configuration",
        ) from error


def lost(error: BaseException) -> UserError | None:
    """The message about an error by which Dask says that its scheduler or workers are gone; None
    for any other error."""
    if type(error).__module__.partition(".")[0] != "distributed":
        return None
    return UserError(
        "the Dask scheduler or its workers were lost",
        found=f"{type(error).__name__}: {error}",
        remedy="Start them and the workflow again, or leave `dask_scheduler` out of the"
        " configuration",
    )


def _scheduler(threads: int) -> dict[str, Any]:
    """What Dask is told: the scheduler that is configured, or as many threads of this process."""
    import dask
    from dask.threaded import get

    configured = dask.config.get("scheduler", None)
    if configured not in (None, get, "threads", "threading"):
        return {}
    return (
        {"scheduler": "threads", "num_workers": threads} if threads > 1 else {"scheduler": "sync"}
    )
