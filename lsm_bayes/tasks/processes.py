"""Tasks one after the other in this process, or side by side in processes of this machine."""

import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from lsm_bayes.tasks.perform import Status, check_sendable, perform
from lsm_bayes.tasks.task import Task

MOST_DEATHS = 4
"""Workers that may die with a task before it counts as failed."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Statuses = Generator[Status, None, None]


def serially(tasks: list[Task], base: int, folder: Path) -> Statuses:
    """Run tasks in this process, in their order.

    Parameters
    ----------
    tasks : list of Task
        What to do.
    base : int
        Seed of the run.
    folder : pathlib.Path
        The store.

    Yields
    ------
    Status
        Of each task when it is done.
    """
    for task in tasks:
        yield perform(task, base, folder)


def in_processes(tasks: list[Task], base: int, folder: Path, workers: int) -> Statuses:
    """Run tasks in processes of this machine; one that dies is replaced, and its task is run again.

    Parameters
    ----------
    tasks : list of Task
        What to do.
    base : int
        Seed of the run.
    folder : pathlib.Path
        The store.
    workers : int
        Processes.

    Yields
    ------
    Status
        Of each task when it is done, in no order.

    Raises
    ------
    RuntimeError
        If worker processes cannot start.
    """
    check_sendable(tasks)
    waiting, deaths = deque(tasks), Counter[str]()
    idle: list[_Worker] = []
    busy: dict[Connection, tuple[_Worker, Task]] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker, task = idle.pop() if idle else _Worker.start(), waiting.popleft()
                if worker.takes((task, base, folder)):
                    busy[worker.pipe] = worker, task
                else:  # died while it had nothing to do
                    worker.end()
                    waiting.appendleft(task)
            for pipe in wait(list(busy)):
                assert isinstance(pipe, Connection)
                worker, task = busy.pop(pipe)
                try:
                    status = pipe.recv()
                except (EOFError, OSError):
                    worker.end()
                    if not worker.ready:
                        raise RuntimeError(
                            "a worker process ended before it was ready, its own error is above; a script starts its work below "
                            "if __name__ == '__main__':, because workers import it"
                        ) from None
                    deaths[task.name] += 1
                    if deaths[task.name] < MOST_DEATHS:
                        waiting.appendleft(task)
                    else:
                        yield dead(task, deaths[task.name])
                    continue
                if status is None:
                    worker.ready = True
                    busy[pipe] = worker, task
                    continue
                idle.append(worker)
                yield status
    finally:
        for worker in [*idle, *(w for w, _ in busy.values())]:
            worker.end()


def dead(task: Task, deaths: int) -> Status:
    """Say that a task is given up because its workers died.

    Parameters
    ----------
    task : Task
        The task.
    deaths : int
        How many died.

    Returns
    -------
    Status
        With the error.
    """
    error = (
        f"WorkerDied: {deaths} workers died while they had this task: killed, out of memory or crashed. Give workers more memory, "
        "or run the task with executor='serial' to see what happens"
    )
    return Status(task.name, error=error, deaths=deaths)


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    ready: bool = False

    @classmethod
    def start(cls) -> "_Worker":
        context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads that do not exist in the child
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), name="lsm-bayes worker")
        process.start()
        there.close()  # so that the end of the process is the end of the pipe
        return cls(process, here)

    def takes(self, work: tuple[Task, int, Path]) -> bool:
        try:
            self.pipe.send(work)
        except OSError:
            return False
        return True

    def end(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join()
        self.process.close()


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one ends the others
    pipe.send(None)
    while True:
        try:
            task, base, folder = pipe.recv()
        except EOFError:
            return
        pipe.send(perform(task, base, folder))


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let libraries that are loaded from now on, here and in new processes, use one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
