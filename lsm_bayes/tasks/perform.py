"""Do a task on a worker, and say what became of it."""

import pickle
import socket
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import xarray as xr
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from lsm_bayes.tasks.store import land, read_note
from lsm_bayes.tasks.task import Result, Task

_ALONE = threading.Lock()
"""PyTensor and PyMC compile one thing at a time: threads of one Dask worker take turns."""


@dataclass(frozen=True)
class Status:
    """What comes back from a worker; the result itself goes to the store.

    Attributes
    ----------
    name : str
        Task.
    seconds : float
        Wall-clock time on the worker.
    error : str
        One line; empty when the result has landed.
    traceback : str
        Where the error arose.
    deaths : int
        Workers that died while they had this task.
    """

    name: str
    seconds: float = 0.0
    error: str = ""
    traceback: str = ""
    deaths: int = 0


def perform(task: Task, base: int, folder: Path) -> Status:
    """Run a task and put its result into the store; called on the worker.

    Parameters
    ----------
    task : Task
        What to do.
    base : int
        Seed of the run.
    folder : pathlib.Path
        The store.

    Returns
    -------
    Status
        With the error where there was one. A result that is there already is not made again: Dask runs a task a second time when the
        worker dies that still had to report.
    """
    there = finished(task, base, folder)
    if there is not None:
        return there
    # With another number of threads a matrix product rounds differently, and the result would depend on the worker.
    with _ALONE, threadpool_limits(1, user_api="blas"):
        began = time.perf_counter()
        try:
            result = _checked(task, task.function(seed=task.seed(base), **task.arguments))
            seconds = time.perf_counter() - began
            note = {"name": task.name, "fingerprint": task.fingerprint(base), "seed": task.seed(base), "seconds": seconds}
            land(result, folder / task.file, note | {"host": socket.gethostname()})
        except Exception as error:  # noqa: BLE001 - whatever a task raises is kept with it, and the others go on
            text = " ".join(str(error).split())
            return Status(task.name, time.perf_counter() - began, f"{type(error).__name__}: {text}", traceback.format_exc())
    return Status(task.name, seconds)


def finished(task: Task, base: int, folder: Path) -> Status | None:
    """Look for the result of a task in the store.

    Parameters
    ----------
    task : Task
        The task.
    base : int
        Seed of the run.
    folder : pathlib.Path
        The store.

    Returns
    -------
    Status or None
        None when there is no result, or one of another task of the same name.
    """
    note = read_note(folder / task.file)
    return Status(task.name, float(note["seconds"])) if note is not None and note.get("fingerprint") == task.fingerprint(base) else None


def _checked(task: Task, result: object) -> Result:
    if not isinstance(result, xr.Dataset | xr.DataTree):
        raise TypeError(f"{task.function.__qualname__} returned a {type(result).__name__}; return an xarray Dataset or DataTree")
    return result


def check_sendable(tasks: list[Task]) -> None:
    """Refuse tasks that cannot travel to another process.

    Parameters
    ----------
    tasks : list of Task
        What is to be sent.

    Raises
    ------
    TypeError
        If one cannot be pickled.
    """
    for task in tasks:
        try:
            pickle.dumps(task)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise TypeError(
                f"task {task.name!r} cannot be sent to another process ({error}); give functions of modules and plain values, "
                "or executor='serial'"
            ) from error
