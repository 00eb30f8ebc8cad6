"""Run nutpie chains side by side, hand over what they drew in blocks, stop cleanly.

Each chain is a nutpie run of its own, which makes its start and seed exact. All chains advance together: with fewer cores than
chains, those that are ahead pause, so that an interrupted run has about as many draws in each chain.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import nutpie
import pyarrow as pa
from numpy.typing import NDArray
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from .flat import Vector
from .point import Density
from .whiten import Affine, whitened_model

STATISTICS = {
    "logp": "lp",
    "energy": "energy",
    "energy_error": "energy_error",
    "mean_tree_accept": "acceptance_rate",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "diverging": "diverging",
    "tuning": "tuning",
}
"""Nutpie's names of the statistics that are kept, and ArviZ's."""

POLL_SECONDS = 0.05
ROTATE_SECONDS = 1.0
BLOCK_SECONDS = 1.0
"""Shortest time between two blocks of a chain: nutpie copies the whole chain for each."""

Rows = dict[str, NDArray]


@dataclass
class Chain:
    """One chain: what it shall do and how far it is.

    Attributes
    ----------
    number : int
        Index among the chains.
    start : numpy.ndarray
        First unconstrained position, shape (D,).
    seed : int
        Seed of this chain alone.
    tune, draws : int
        Steps to adapt, and draws to make after that.
    affine : Affine or None
        Coordinates to sample in.
    """

    number: int
    start: Vector
    seed: int
    tune: int
    draws: int
    affine: Affine | None = None
    taken: int = 0
    taken_at: float = 0.0
    finished: bool = False
    steps_done: int = 0
    divergences: int = 0
    evaluations: int = 0
    running: bool = False
    sampler: Any = field(default=None, repr=False)

    @property
    def total(self) -> int:
        """Steps in all."""
        return self.tune + self.draws

    def note(self, progress: list) -> None:
        """Take over nutpie's progress report (called from its thread)."""
        self.steps_done, self.divergences = progress[0].finished_draws, progress[0].divergences
        self.evaluations = progress[0].total_num_steps


def run_chains(
    density: Density,
    chains: list[Chain],
    on_block: Callable[[int, Rows], None],
    *,
    adaptation: str,
    target_accept: float,
    max_treedepth: int,
    cores: int,
    block: int,
    progress: bool,
) -> bool:
    """Run chains until they are finished or the user interrupts.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    chains : list of Chain
        What to run.
    on_block : callable
        Receives the chain's number and new rows: ``position`` (n, D) and the statistics of ``STATISTICS``, tuning included.
    adaptation : {"low_rank", "diag"}
        Nutpie's metric.
    target_accept, max_treedepth : float, int
        Settings of NUTS.
    cores : int
        Chains that run at a time.
    block : int
        Draws of a chain between two calls of ``on_block``, or what it draws in ``BLOCK_SECONDS`` when that is more.
    progress : bool
        Show progress with time left.

    Returns
    -------
    bool
        True when the user interrupted.

    Raises
    ------
    RuntimeError
        If a chain failed.
    """
    interrupted = False
    settings = {"adaptation": adaptation, "target_accept": target_accept, "maxdepth": max_treedepth}
    bar = _progress_bar(progress)
    task = bar.add_task("sampling", total=sum(c.total for c in chains), note="")
    rotated = 0.0
    try:
        with bar:
            while not all(c.finished for c in chains):
                if time.monotonic() - rotated > ROTATE_SECONDS or not any(c.running and not c.finished for c in chains):
                    _rotate(density, chains, cores, settings)
                    rotated = time.monotonic()
                time.sleep(POLL_SECONDS)
                for chain in (c for c in chains if c.running and not c.finished):
                    _collect(chain, on_block, block)
                done = [c for c in chains if c.steps_done]
                note = f"{sum(c.divergences for c in done)} divergences, " + (
                    f"{sum(c.evaluations for c in done) / sum(c.steps_done for c in done):.0f} gradients per step" if done else "starting"
                )
                bar.update(task, completed=sum(c.total if c.finished else c.steps_done for c in chains), note=note)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for chain in (c for c in chains if c.sampler is not None and not c.finished):
            chain.finished = True
            _hand_over(chain, chain.sampler.abort(), on_block)
    return interrupted


def _progress_bar(show: bool) -> Progress:
    columns = [BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.fields[note]}")]
    return Progress(*columns, TextColumn("time left"), TimeRemainingColumn(), disable=not show)


def _rotate(density: Density, chains: list[Chain], cores: int, settings: dict) -> None:
    waiting = sorted((c for c in chains if not c.finished), key=lambda c: (c.steps_done, c.number))
    chosen = waiting[:cores]
    for chain in waiting[cores:]:
        if chain.running:
            chain.sampler.pause()
            chain.running = False
    for chain in chosen:
        if chain.sampler is None:
            chain.sampler = nutpie.sample(
                whitened_model(density, chain.affine, chain.start),
                draws=chain.draws,
                tune=chain.tune,
                chains=1,
                cores=1,
                seed=chain.seed,
                progress_bar=False,
                progress_callback=chain.note,
                progress_rate=200,
                blocking=False,
                return_raw_trace=True,
                store_unconstrained=True,
                **settings,
            )
        elif not chain.running:
            chain.sampler.resume()
        chain.running = True


def _collect(chain: Chain, on_block: Callable[[int, Rows], None], block: int) -> None:
    try:
        ended = _ended(chain.sampler)
        early = chain.steps_done - chain.taken < block or time.monotonic() - chain.taken_at < BLOCK_SECONDS
        if not ended and early:
            return
        result = chain.sampler.wait() if ended else chain.sampler.inspect()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # nutpie reports a panic of its thread as a BaseException
        chain.finished = True
        # A thread that still runs when the interpreter ends takes the process down with a segmentation fault.
        with contextlib.suppress(BaseException):
            chain.sampler.cancel()
        cause = str(error).split("Stack backtrace")[0].strip()
        raise RuntimeError(f"Chain {chain.number} stopped after {chain.taken} steps: {cause}") from error
    _hand_over(chain, result, on_block)
    chain.taken_at = time.monotonic()
    chain.finished = ended


def _ended(sampler: Any) -> bool:
    # Nutpie 0.16 raises instead of answering "no" when the question is not answered within its own short limit.
    try:
        return bool(sampler.is_finished)
    except TimeoutError:
        return False


def _hand_over(chain: Chain, trace: Any, on_block: Callable[[int, Rows], None]) -> None:
    _, statistics = trace.get_arrow_trace()
    batch = pa.record_batch(statistics[0]) if statistics else None
    if batch is None or batch.num_rows <= chain.taken:
        return
    new = batch.slice(chain.taken)
    position = new.column("unconstrained_draw").flatten().to_numpy().reshape(new.num_rows, -1)
    rows = {"position": chain.affine.to_position(position) if chain.affine else position.copy()}
    # A draw that met a NaN simulation: the trajectory ended there, so it counts as divergent too.
    message = new.column("divergence_message").to_pylist()
    rows["failed_simulation"] = np.array([text is not None and "error code" in text for text in message])
    rows |= {ours: new.column(name).to_numpy(zero_copy_only=False) for name, ours in STATISTICS.items()}
    chain.taken = batch.num_rows
    chain.steps_done = max(chain.steps_done, batch.num_rows)
    on_block(chain.number, rows)
