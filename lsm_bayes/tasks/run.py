"""Run independent tasks with one of three executors; what has landed is not done again."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lsm_bayes.tasks import store as files
from lsm_bayes.tasks.cluster import on_dask
from lsm_bayes.tasks.perform import Status
from lsm_bayes.tasks.processes import Statuses, in_processes, one_thread_each, serially
from lsm_bayes.tasks.task import Task

EXECUTORS = ("serial", "processes", "dask")
SEEN_SECONDS = 10.0
"""How long a file that a worker wrote may take to be seen here, over a network."""


@dataclass(frozen=True)
class Outcome:
    """What a run of tasks has left.

    Attributes
    ----------
    done : tuple of str
        Tasks whose result is in the store, in the order of the tasks.
    ran : tuple of str
        Those that were run now, in the order in which they ended; failed ones too.
    failed : dict of str to str
        Task to its error, those of earlier runs too.
    missing : tuple of str
        Neither done nor failed: the run was interrupted.
    interrupted : bool
        Whether the user interrupted.
    seconds : float
        Wall-clock time.
    """

    done: tuple[str, ...]
    ran: tuple[str, ...]
    failed: dict[str, str]
    missing: tuple[str, ...]
    interrupted: bool
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every task has a result."""
        return not self.failed and not self.missing

    def __str__(self) -> str:
        """Say it in a sentence, with the first errors."""
        number = len(self.done) + len(self.failed) + len(self.missing)
        text = f"{len(self.done)} of {number} tasks done, {len(self.ran)} of them run now in {self.seconds:.0f} s"
        text += f", {len(self.missing)} missing: interrupted, run again to go on" if self.missing else ""
        errors = [f"\n  {name}: {error}" for name, error in list(self.failed.items())[:5]]
        more = f"\n  and {len(self.failed) - 5} more, in the folder {files.FAILED}" if len(self.failed) > 5 else ""
        return text + (f", {len(self.failed)} failed:{''.join(errors)}{more}" if self.failed else "")


def run_tasks(
    tasks: Iterable[Task],
    store: str | Path,
    *,
    executor: str = "serial",
    workers: int = 2,
    scheduler: str | None = None,
    seed: int = 0,
    retry_failed: bool = False,
    progress: bool = True,
) -> Outcome:
    """Run independent tasks; each result lands in the store by itself, and a rerun does only what is missing.

    A result does not depend on executor, order or worker: the seed of a task follows from its name, and workers do linear algebra
    with one thread. A task that raises an error is kept as failed, with its error, and the others go on. A worker that dies is replaced,
    and its task is run again, up to four times in all. Ctrl-C leaves what is done.

    Parameters
    ----------
    tasks : iterable of Task
        What to do; names are unique.
    store : path
        Folder, made when it is not there: ``<name>.zarr.zip`` of each task, and ``failed/<name>.json`` of those that failed. Workers
        on other machines write into it under the same path.
    executor : {"serial", "processes", "dask"}
        In this process; in processes of this machine; on a Dask cluster. A script that takes one of the latter two starts below
        ``if __name__ == "__main__":``, as its workers import it.
    workers : int
        Processes, when they are started here.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``"tcp://10.0.0.5:8786"``. A worker does one task at a time, whatever its number of
        threads.
    seed : int
        Seed of the run.
    retry_failed : bool
        Run those again that failed before.
    progress : bool
        Show progress with time left.

    Returns
    -------
    Outcome
        What is done, failed and missing; prints as a sentence.

    Raises
    ------
    ValueError
        If an argument is unknown, a name occurs twice, or the store holds a result of such a name with another function, other
        arguments or another seed.
    RuntimeError
        If `distributed` is not installed, the scheduler stopped, or results of workers do not arrive in the store.
    """
    tasks = list(tasks)
    _check(tasks, executor, workers, scheduler, seed)
    folder, began = Path(store).resolve(), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    files.remove_stale(folder)
    by_name = {task.name: task for task in tasks}
    done = _landed(folder, tasks, seed)
    failed = {} if retry_failed else _failed(folder, [t for t in tasks if t.name not in done], seed)
    pending = [task for task in tasks if task.name not in done and task.name not in failed]
    ran: list[str] = []
    interrupted = False
    statuses = _start(executor, pending, seed, folder, min(workers, len(pending)), scheduler)
    try:
        with one_thread_each(), _bar(progress and bool(pending)) as bar:
            shown = bar.add_task("tasks", total=len(pending), note="")
            for status in statuses:
                task = by_name[status.name]
                ran.append(task.name)
                if status.error:
                    failed[task.name] = status.error
                    _keep_failure(folder, task, seed, status)
                else:
                    done.add(task.name)
                    files.forget_failure(folder, task.file)
                bar.update(shown, advance=1, note=f"{len(failed)} failed" if failed else "")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        statuses.close()
    _check_arrived(folder, [by_name[name] for name in ran if name in done])
    missing = tuple(name for name in by_name if name not in done and name not in failed)
    return Outcome(tuple(n for n in by_name if n in done), tuple(ran), failed, missing, interrupted, time.perf_counter() - began)


def _check(tasks: list[Task], executor: str, workers: int, scheduler: str | None, seed: int) -> None:
    if executor not in EXECUTORS:
        raise ValueError(f"executor is {executor!r}; choose one of {', '.join(EXECUTORS)}")
    if scheduler is not None and executor != "dask":
        raise ValueError(f"a scheduler ({scheduler}) is one of Dask, the executor is {executor!r}; give executor='dask', or no scheduler")
    if workers < 1 or seed < 0:
        raise ValueError(f"got workers={workers}, seed={seed}; give at least 1 worker, and a seed of 0 or more")
    taken: dict[str, str] = {}
    for task in tasks:
        file = task.file.lower()  # some file systems do not tell upper from lower case
        if file in taken:
            raise ValueError(f"two tasks are called {taken[file]!r} and {task.name!r}; give each a name of its own")
        taken[file] = task.name


def _start(executor: str, tasks: list[Task], seed: int, folder: Path, workers: int, scheduler: str | None) -> Statuses:
    if executor == "serial" or not tasks:
        return serially(tasks, seed, folder)
    if executor == "processes":
        return in_processes(tasks, seed, folder, workers)
    return on_dask(tasks, seed, folder, workers, scheduler)


def _landed(folder: Path, tasks: list[Task], seed: int) -> set[str]:
    """Names of the tasks that have a result; a result of another task of that name is refused."""
    there = files.landed(folder)
    found = set()
    for task in (t for t in tasks if t.file in there):
        note = files.read_note(folder / task.file)
        if note is None:
            continue
        if note.get("fingerprint") != task.fingerprint(seed):
            raise ValueError(
                f"{folder.name} holds a result of {task.name!r} with another function, other arguments, data or seed; "
                "choose another store, or delete the results that are to be replaced"
            )
        found.add(task.name)
    return found


def _failed(folder: Path, tasks: list[Task], seed: int) -> dict[str, str]:
    """Errors of the tasks that failed as they are; one with other arguments is another task."""
    kept = files.read_failures(folder, [t.file for t in tasks])
    return {t.name: kept[t.file]["error"] for t in tasks if t.file in kept and kept[t.file]["fingerprint"] == t.fingerprint(seed)}


def _keep_failure(folder: Path, task: Task, seed: int, status: Status) -> None:
    failure = {"name": task.name, "fingerprint": task.fingerprint(seed), "error": status.error, "traceback": status.traceback}
    files.write_failure(folder, task.file, failure | {"seconds": status.seconds, "deaths": status.deaths})


def _check_arrived(folder: Path, tasks: list[Task]) -> None:
    waited = time.monotonic()
    while absent := {t.file for t in tasks} - files.landed(folder):
        if time.monotonic() - waited > SEEN_SECONDS:
            raise RuntimeError(
                f"workers say that {len(absent)} results are written, such as {min(absent)}, but they are not in {folder}; "
                "put the store on a file system that this machine and all workers share, under the same path"
            )
        time.sleep(0.2)


def _bar(show: bool) -> Progress:
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.fields[note]}")]
    return Progress(*columns, TextColumn("time left"), TimeRemainingColumn(), disable=not show)
