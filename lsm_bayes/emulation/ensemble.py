"""Perturbed-parameter ensembles: many runs, kept in pieces on disk, in one process or several; failed runs are rows of NaN."""

import hashlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import pymc as pm
from numpy.typing import NDArray
from rich.progress import track

from lsm_bayes.inference.inverse import InverseProblem, as_problem
from lsm_bayes.inference.tree import FORWARD_RUNS, data_hash

Piece = tuple[NDArray, NDArray]


@dataclass(frozen=True)
class Ensemble:
    """Runs of a model.

    Attributes
    ----------
    x : numpy.ndarray
        Active elements, shape (n, d).
    predictions : numpy.ndarray
        Whitened predictions, shape (n, M); NaN rows failed.
    slopes : numpy.ndarray or None
        Derivatives of the predictions along `directions`, shape (n, p, M).
    directions : numpy.ndarray or None
        Shape (n, p, d).
    names : tuple of str
        Labels of the active elements.
    """

    x: NDArray
    predictions: NDArray
    slopes: NDArray | None = None
    directions: NDArray | None = None
    names: tuple[str, ...] = ()

    @property
    def failed(self) -> NDArray:
        """Which runs failed, shape (n,)."""
        bad = ~np.isfinite(self.predictions).all(axis=1)
        return bad if self.slopes is None else bad | ~np.isfinite(self.slopes).all(axis=(1, 2))

    @property
    def good(self) -> "Ensemble":
        """The runs that did not fail."""
        return self.rows(~self.failed)

    @property
    def forward_run_equivalents(self) -> int:
        """What the runs cost, failed ones too: a tangent run counts as two forward runs."""
        slopes = 0 if self.slopes is None else self.slopes.shape[0] * self.slopes.shape[1]
        return len(self.x) + FORWARD_RUNS["tangent_runs"] * slopes

    def rows(self, which: NDArray) -> "Ensemble":
        """Take some of the runs.

        Parameters
        ----------
        which : numpy.ndarray
            Indices, or a mask.

        Returns
        -------
        Ensemble
            Those runs.
        """
        slopes = None if self.slopes is None or self.directions is None else (self.slopes[which], self.directions[which])
        return replace(
            self,
            x=self.x[which],
            predictions=self.predictions[which],
            slopes=None if slopes is None else slopes[0],
            directions=None if slopes is None else slopes[1],
        )


def join(ensembles: Sequence[Ensemble]) -> Ensemble:
    """Put runs of one model together.

    An emulator that is trained where the posterior is needs the earlier runs over the prior too: elsewhere it would extrapolate, and a
    sampler finds the places where that looks good.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        At least one; derivatives are kept where all have them, along equally many directions.

    Returns
    -------
    Ensemble
        All runs, in order.

    Raises
    ------
    ValueError
        If they are of other parameters or outputs.
    """
    first = ensembles[0]
    if any(e.names != first.names or e.predictions.shape[1] != first.predictions.shape[1] for e in ensembles):
        raise ValueError(
            f"runs of other models: parameters {[list(e.names) for e in ensembles]}, outputs {[e.predictions.shape[1] for e in ensembles]}"
        )
    slopes = [e.slopes for e in ensembles if e.slopes is not None]
    directions = [e.directions for e in ensembles if e.directions is not None]
    sloped = len(slopes) == len(ensembles) and len({s.shape[1] for s in slopes}) == 1
    return Ensemble(
        np.concatenate([e.x for e in ensembles]),
        np.concatenate([e.predictions for e in ensembles]),
        np.concatenate(slopes) if sloped else None,
        np.concatenate(directions) if sloped else None,
        first.names,
    )


def run_ensemble(
    model: pm.Model | InverseProblem,
    x: NDArray,
    *,
    directions: NDArray | None = None,
    store: str | Path | None = None,
    piece: int = 50,
    cores: int = 1,
    progress: bool = False,
) -> Ensemble:
    """Run a model at many points.

    Parameters
    ----------
    model : pymc.Model or InverseProblem
        What to run.
    x : numpy.ndarray
        Active elements, such as from `prior_design`, shape (n, d).
    directions : numpy.ndarray, optional
        Along which predictions are differentiated too, one tangent run each: shape (p, d) for all points, or (n, p, d).
    store : path, optional
        Folder for finished pieces; called again with the same model and points, a run goes on where it stopped.
    piece : int
        Runs between two writes to disk, and that a process does at a time.
    cores : int
        Processes. Each compiles the model anew, seconds, so that this pays for runs that take longer than about 0.1 s. An external
        model runs side by side by itself: see `InverseProblem`.
    progress : bool
        Show a bar.

    Returns
    -------
    Ensemble
        All runs, in the order of the points.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    problem = as_problem(model)
    x = np.asarray(x, dtype="float64")
    if x.ndim != 2 or x.shape[1] != problem.size:
        raise ValueError(f"x has shape {x.shape}; give (n, {problem.size}): {', '.join(problem.names)}")
    if directions is not None:
        directions = np.asarray(directions, dtype="float64")
        directions = np.broadcast_to(directions, (len(x), *directions.shape)) if directions.ndim == 2 else directions
        if directions.ndim != 3 or directions.shape[::2] != x.shape:
            raise ValueError(f"directions have shape {directions.shape}; give (p, {problem.size}) or ({len(x)}, p, {problem.size})")
    parts = [slice(a, min(a + piece, len(x))) for a in range(0, len(x), piece)]
    folder = None if store is None else _folder(problem, Path(store))
    work = [(x[p], None if directions is None else directions[p]) for p in parts]
    paths = [None if folder is None else folder / f"{_digest(*w)}.npz" for w in work]
    found: list[Piece | None] = [_read(p) for p in paths]
    waiting = [k for k, f in enumerate(found) if f is None]
    with _runner(problem, cores if len(waiting) > 1 else 1) as run:
        for k, result in track(run(waiting, work), description="runs", total=len(waiting), disable=not progress):
            found[k] = result
            if paths[k] is not None:
                _write(paths[k], result)
    done = [f for f in found if f is not None]
    predictions = np.concatenate([f[0] for f in done])
    slopes = None if directions is None else np.concatenate([f[1] for f in done])
    return Ensemble(x, predictions, slopes, directions, tuple(problem.names))


def _perform(problem: InverseProblem, x: NDArray, directions: NDArray | None) -> Piece:
    values = problem.predict(x)
    if directions is None:
        return values, np.empty((len(x), 0, values.shape[1]))
    slopes = np.full((*directions.shape[:2], values.shape[1]), np.nan)
    for i in np.flatnonzero(np.isfinite(values).all(axis=1)):
        for j, direction in enumerate(directions[i]):
            try:
                slopes[i, j] = problem.tangent(x[i], direction)
            except (ArithmeticError, np.linalg.LinAlgError):
                break
    return values, slopes


_PROBLEM: list[InverseProblem] = []  # of a worker process


def _begin(sent: bytes) -> None:
    model, hold = cloudpickle.loads(sent)
    _PROBLEM[:] = [InverseProblem(model, hold)]


def _in_worker(k: int, x: NDArray, directions: NDArray | None) -> tuple[int, Piece]:
    return k, _perform(_PROBLEM[0], x, directions)


@contextmanager
def _runner(problem: InverseProblem, cores: int) -> Iterator[Any]:
    if cores == 1:
        yield lambda waiting, work: ((k, _perform(problem, *work[k])) for k in waiting)
        return
    values = problem.expand(problem.base)
    active = set(problem.active.tolist())
    hold = {n: values[n] for n, where in problem.slices.items() if not active & set(range(where.start, where.stop))}
    # Spawned: a fork would copy locks of threads that do not exist in the child.
    sent, context = cloudpickle.dumps((problem.model, hold)), multiprocessing.get_context("spawn")

    def run(waiting: list[int], work: list[tuple[NDArray, NDArray | None]]) -> Iterator[tuple[int, Piece]]:
        left, alone = list(waiting), False
        while left:
            batch = left[:1] if alone else left
            with ProcessPoolExecutor(min(cores, len(batch)), context, _begin, (sent,)) as pool:
                futures = [pool.submit(_in_worker, k, *work[k]) for k in batch]
                try:
                    for future in futures:
                        k, result = future.result()
                        left.remove(k)
                        problem.forward_runs += len(result[0])
                        problem.tangent_runs += result[1].shape[0] * result[1].shape[1]
                        problem.failures += int(np.isnan(result[0]).any(axis=1).sum())
                        yield k, result
                except BrokenProcessPool:
                    # A run killed its process. Pieces go on one at a time, so that only the one that does it is lost.
                    if alone:
                        yield left[0], _lost(problem, *work[left[0]])
                        left = left[1:]
                    alone = True

    yield run


def _lost(problem: InverseProblem, x: NDArray, directions: NDArray | None) -> Piece:
    size, p = problem.observed.size, 0 if directions is None else directions.shape[1]
    problem.failures += len(x)
    return np.full((len(x), size), np.nan), np.full((len(x), p, size), np.nan)


def _folder(problem: InverseProblem, store: Path) -> Path:
    # The base, the whitened observations and the prediction there tell models apart whose names and data are the same.
    known = hashlib.sha256(data_hash(problem.model).encode() + ",".join(problem.names).encode() + problem.base.tobytes())
    known.update(np.round(problem.observed, 9).tobytes())
    known.update(np.nan_to_num(np.round(problem.predict(problem.base[problem.active][None]), 6)).tobytes())
    folder = store / f"runs-{known.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _digest(x: NDArray, directions: NDArray | None) -> str:
    rest = b"" if directions is None else np.ascontiguousarray(directions).tobytes()
    return hashlib.sha256(np.ascontiguousarray(x).tobytes() + rest).hexdigest()[:16]


def _read(path: Path | None) -> Piece | None:
    if path is None or not path.exists():
        return None
    with np.load(path) as stored:
        return stored["predictions"], stored["slopes"]


def _write(path: Path, piece: Piece) -> None:
    new = path.with_suffix(".part.npz")
    np.savez_compressed(new, predictions=piece[0], slopes=piece[1])
    new.replace(path)
