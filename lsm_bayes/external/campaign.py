"""Many runs of an external model: side by side, remembered, resumed."""

import math
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr
from rich.progress import track

from lsm_bayes.external.command import Children, Stopped, execute
from lsm_bayes.external.declaration import ExternalModel, is_finite
from lsm_bayes.external.outputs import RunFailed
from lsm_bayes.external.store import Keep, Run, RunStore, describe_failures

REMEMBERED = 1024
"""Runs whose outputs stay in memory where a store has them too."""


class Campaign:
    """Runs of an external model, each parameter set once.

    Parameters
    ----------
    model : ExternalModel
        The declaration.
    store : str or Path, optional
        Folder of the runs, needed for a command: a campaign that was killed goes on where it stopped. Without it runs of a function are
        kept in memory.
    keep : {"outputs", "failed", "all"}
        Which working directories keep their files, see `RunStore`.
    rerun_failed : bool
        Run those again that the store has as failed, as after a longer time-out.

    Attributes
    ----------
    executed : int
        Runs that were carried out here.
    reused : int
        Runs whose outputs came from the store.
    seen : dict of str to Run
        What is known of all runs that were asked for here, by key.

    Raises
    ------
    ValueError
        When a command has no store.
    """

    def __init__(self, model: ExternalModel, store: str | Path | None = None, *, keep: Keep = "failed", rerun_failed: bool = False) -> None:
        if store is None and model.function is None:
            raise ValueError(f"{model.name}: runs of a command need a folder for their working directories; give store='runs'")
        self.model, self.rerun_failed = model, rerun_failed
        self.store = RunStore(store, model, keep) if store is not None else None
        self.executed = self.reused = 0
        self.seen: dict[str, Run] = {}
        self._children = Children()
        self._memory: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what a process cannot give to another, such as to the chains of a sampler."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_lock", "_children", "_memory")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start with an empty memory; the store is shared."""
        self.__dict__.update(state)
        self._lock, self._children, self._memory = threading.Lock(), Children(), OrderedDict()

    @property
    def failed(self) -> list[Run]:
        """Runs asked for here that failed."""
        return [r for r in self.seen.values() if r.state == "failed"]

    def outputs(self, values: Mapping[str, float]) -> np.ndarray:
        """All outputs behind each other at one parameter set.

        Parameters
        ----------
        values : mapping of str to float
            Parameters; others than those of the model are passed over, and those left out are at their defaults.

        Returns
        -------
        numpy.ndarray
            Shape (size,), NaN where the run failed.
        """
        chosen = {**self.model.defaults, **{n: float(np.asarray(values[n]).item()) for n in self.model.table if n in values}}
        if not is_finite(chosen):
            return np.full(self.model.size, np.nan)
        rounded = self.model.rounded(chosen)
        key = self.model.key(rounded)
        found = self._known(key)
        return self._carry_out(key, rounded) if found is None else found

    def run_ahead(self, values: Mapping[str, Any], cores: int | None = None, *, progress: bool = False) -> None:
        """Carry out the runs of many parameter sets that are not known yet, side by side.

        Ctrl-C ends the programs that run and keeps the runs that are over.

        Parameters
        ----------
        values : mapping of str to array
            Shape (n,) for each parameter; names as in `outputs`.
        cores : int, optional
            Runs at a time; default all cores of this machine.
        progress : bool
            Show a progress bar with time left.

        Raises
        ------
        ValueError
            When parameters differ in number.
        KeyboardInterrupt
            When interrupted.
        """
        waiting: dict[str, dict[str, float]] = {}
        for row in self._rows(values):
            key = self.model.key(row)
            if key not in waiting and self._known(key) is None:
                waiting[key] = row
        if not waiting:
            return
        pool = ThreadPoolExecutor(max(1, min(cores or os.cpu_count() or 1, len(waiting))), thread_name_prefix="external")
        try:
            jobs = [pool.submit(self._carry_out, key, row) for key, row in waiting.items()]
            for job in track(as_completed(jobs), description=self.model.name, total=len(jobs), disable=not progress):
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            self._children.stop()
            raise
        finally:
            pool.shutdown(wait=True)
            if self._children.stopped:
                self._children = Children()

    def run(self, values: Mapping[str, Any], cores: int | None = None, *, progress: bool = False) -> xr.Dataset:
        """Carry out many runs and collect their outputs.

        Parameters
        ----------
        values, cores, progress
            As in `run_ahead`.

        Returns
        -------
        xarray.Dataset
            Dimension ``run``: parameters, ``state``, ``reason``, ``key``, and outputs (run, ``<output>_index``), NaN where a run failed.
            Sets with a value that is no finite number are left out.
        """
        rows = self._rows(values)
        self.run_ahead(values, cores, progress=progress)
        everything = np.array([self.outputs(row) for row in rows]).reshape(len(rows), self.model.size)
        known = [self.seen[self.model.key(row)] for row in rows]
        found = xr.Dataset(
            {n: (("run", f"{n}_index"), everything[:, s], self._attrs(n)) for n, s in self.model.slices.items()},
            attrs={"external_model": self.model.name, "failed_runs": sum(r.state == "failed" for r in known)},
        )
        for name, (declared, _) in self.model.table.items():
            attrs = {"units": declared.unit, "long_name": declared.description}
            found = found.assign_coords({name: ("run", np.array([row[name] for row in rows]), attrs)})
        return found.assign_coords({n: ("run", [str(getattr(r, n)) for r in known]) for n in ("state", "reason", "key")})

    def describe(self) -> str:
        """Say what was run and what failed.

        Returns
        -------
        str
            Lines of text.
        """
        first = f"{self.model.name}: {self.executed} runs carried out, {self.reused} from the store, {len(self.failed)} failed"
        return "\n".join(filter(None, [first, describe_failures(self.seen)]))

    def _attrs(self, output: str) -> dict[str, str]:
        declared = self.model.outputs[output]
        return {"units": declared.unit} | ({"long_name": declared.description} if declared.description else {})

    def _rows(self, values: Mapping[str, Any]) -> list[dict[str, float]]:
        """Round parameter sets; those with a value that is no finite number are left out."""
        columns = {n: np.ravel(np.asarray(values[n], dtype="float64")) for n in self.model.table if n in values}
        sizes = {n: c.size for n, c in columns.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(
                f"{self.model.name}: numbers of values are {sizes or 'none'}; give one for each run, of {', '.join(self.model.table)}"
            )
        rows = [{**self.model.defaults, **{n: float(c[i]) for n, c in columns.items()}} for i in range(next(iter(sizes.values())))]
        return [self.model.rounded(row) for row in rows if is_finite(row)]

    def _known(self, key: str) -> np.ndarray | None:
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        stored = self.store.read(key) if self.store is not None else None
        if stored is None or (stored[0].state == "failed" and self.rerun_failed):
            return None
        self.reused += key not in self.seen
        self._remember(*stored)
        return stored[1]

    def _remember(self, run: Run, values: np.ndarray) -> None:
        values.setflags(write=False)
        with self._lock:
            self.seen[run.key] = run
            self._memory[run.key] = values
            # Failed runs that are to run again are not asked for a second time.
            if self.store is not None and not self.rerun_failed:
                while len(self._memory) > REMEMBERED:
                    self._memory.popitem(last=False)

    def _carry_out(self, key: str, row: dict[str, float]) -> np.ndarray:
        began, reason, found, attempts = time.perf_counter(), "", None, 0
        children, part = self._children, None
        try:
            while found is None and attempts <= self.model.retries:
                attempts += 1
                if part is not None and self.store is not None:
                    self.store.drop(part)
                part = self.store.begin(key) if self.store is not None else None
                try:
                    found = execute(self.model, row, part or Path(), children)
                except RunFailed as error:
                    reason = str(error)
        except BaseException as error:
            if part is not None and self.store is not None:
                self.store.drop(part)
            if isinstance(error, Stopped):
                raise KeyboardInterrupt from None
            raise
        state: Literal["done", "failed"] = "failed" if found is None else "done"
        seconds = round(time.perf_counter() - began, 6)
        run = Run(key, row, state, "" if found is not None else _with_attempts(reason, attempts), "", seconds, attempts)
        if part is not None and self.store is not None:
            if self.rerun_failed:
                self.store.forget(key)
            run = self.store.land(part, run, found)
        values = np.full(self.model.size, math.nan) if found is None else found
        self._remember(run, values)
        with self._lock:
            self.executed += 1
        return values


def _with_attempts(reason: str, attempts: int) -> str:
    return reason if attempts == 1 else f"{reason} (the last of {attempts} attempts)"
