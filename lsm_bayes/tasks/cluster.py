"""Tasks on a Dask cluster: the one at an address, or one on this machine."""

import itertools
import logging
import pickle
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsm_bayes.tasks.perform import Status, check_sendable, finished, perform
from lsm_bayes.tasks.processes import MOST_DEATHS, Statuses, dead
from lsm_bayes.tasks.task import Task

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster, Worker, as_completed

UNDER_WAY = 2000
"""Tasks that the scheduler knows at a time: enough that a cluster which grows by need sees what there is to do."""
CONNECT_SECONDS = 20.0
SETTLE_SECONDS = 120.0
POLL_SECONDS = 0.05
SUCCESSOR = "10 minutes"


def on_dask(tasks: list[Task], base: int, folder: Path, workers: int, scheduler: str | None) -> Statuses:
    """Run tasks on a Dask cluster; the task of a worker that dies goes to another one.

    Workers write their results to the store, which all must see under the same path; only `Status` comes back.

    Parameters
    ----------
    tasks : list of Task
        What to do.
    base : int
        Seed of the run.
    folder : pathlib.Path
        The store.
    workers : int
        Processes of the cluster on this machine.
    scheduler : str or None
        Address of a running scheduler, ``tcp://host:8786``; None starts a cluster on this machine.

    Yields
    ------
    Status
        Of each task when it is done, in no order.

    Raises
    ------
    RuntimeError
        If `distributed` is not installed, the scheduler stopped, or all workers of the cluster on this machine are gone.
    OSError
        If no scheduler answers at the address.
    """
    check_sendable(tasks)
    run, rest = uuid.uuid4().hex[:8], iter(tasks)
    under_way: dict[object, tuple[Task, Future]] = {}

    with _client(workers, scheduler) as (client, cluster):
        from distributed import as_completed

        def submit(task: Task) -> "Future":
            future = client.submit(_perform, task, base, folder, key=f"lsm_bayes-{run}-{task.name}", pure=False)
            under_way[future.key] = task, future
            return future

        try:
            futures = as_completed([submit(task) for task in itertools.islice(rest, UNDER_WAY)], loop=client.loop)
            while under_way:
                _wait(futures, cluster)
                future = next(futures)
                task, _ = under_way.pop(future.key)
                status = _status(task, future, base, folder)
                for following in itertools.islice(rest, 1):
                    futures.add(submit(following))
                yield status
        finally:
            # On the cluster of somebody else what has begun goes on to its end, and lands.
            client.cancel([future for _, future in under_way.values()])


@cache
def _settle() -> None:
    """Wait, before the first task of a process, until its nanny knows that it runs: it does not replace a worker that dies before that."""
    from distributed import get_worker
    from distributed.utils import sync

    worker, began = get_worker(), time.monotonic()
    while worker.nanny is not None and time.monotonic() - began < SETTLE_SECONDS and not sync(worker.loop, _is_known, worker):
        time.sleep(POLL_SECONDS)


async def _is_known(worker: "Worker") -> bool:
    address: Any = worker.nanny  # annotated as the nanny itself
    answer = await worker.rpc(address).run(function=pickle.dumps(_runs))
    return bool(answer.get("result"))


def _runs(dask_worker: Any) -> bool:
    """Say, in a nanny, whether its worker runs. Dask passes the nanny by this name."""
    return dask_worker.process is not None and dask_worker.process.status.name == "running"


def _perform(task: Task, base: int, folder: Path) -> Status:
    _settle()
    return perform(task, base, folder)


def _wait(futures: "as_completed", cluster: "LocalCluster | None") -> None:
    """Wait for a task to end; workers that will never come back are an error, not a reason to wait for ever."""
    while not futures.has_ready():
        time.sleep(POLL_SECONDS)
        if cluster is not None and all(w.status.name in ("closing", "closed", "failed") for w in list(cluster.workers.values())):
            raise RuntimeError("all workers of the Dask cluster on this machine are gone; what has landed is kept, run again to go on")


def _status(task: Task, future: "Future", base: int, folder: Path) -> Status:
    from distributed import KilledWorker

    # What has landed is done, even if the worker died before it could say so and Dask has begun the task again.
    there = finished(task, base, folder)
    if there is not None:
        return there
    try:
        return future.result()
    except KilledWorker as error:
        return dead(task, error.allowed_failures + 1)
    except Exception as error:
        if future.status != "error":
            raise RuntimeError(
                f"the scheduler has {future.status} the task {task.name!r} ({error}): was it stopped? What has landed is kept; run again"
            ) from error
        # What perform() cannot catch: the worker has another version of the package, or lacks a module.
        return Status(task.name, error=f"{type(error).__name__}: {' '.join(str(error).split())}")


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator["tuple[Client, LocalCluster | None]"]:
    try:
        import dask
        import distributed
    except ImportError as error:
        raise RuntimeError(
            "executor='dask' needs the package distributed, which is not installed here; "
            "install it with pip install 'lsm-bayes[dask]', or take executor='processes'"
        ) from error
    with ExitStack() as stack:
        address: Any = scheduler
        cluster = None
        if scheduler is None:
            # One task on a worker at a time, so that a worker which dies costs no other task one of its lives.
            # And a cluster does not wait longer than 15 s for the successor of a worker, which has libraries to import.
            options = {"distributed.scheduler.worker-saturation": 1.0, "distributed.deploy.lost-worker-timeout": SUCCESSOR}
            stack.enter_context(dask.config.set(options))
            address = cluster = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.ERROR,
                    scheduler_kwargs={"allowed_failures": MOST_DEATHS - 1},
                )
            )
        try:
            client = stack.enter_context(distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False))
        except OSError as error:
            raise OSError(
                f"no Dask scheduler answers at {scheduler!r} ({error}); start one with `dask scheduler` and workers with "
                "`dask worker ADDRESS --nthreads 1`, or leave the address out for a cluster on this machine"
            ) from error
        yield client, cluster
