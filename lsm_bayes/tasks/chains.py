"""Chains of one calibration as tasks: for a model that takes hours, such as a hierarchy of sites."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lsm_bayes.tasks.input import INPUT, build_of, read_record, write_input
from lsm_bayes.tasks.run import run_tasks
from lsm_bayes.tasks.task import Task, digest

if TYPE_CHECKING:
    import pymc as pm

    from lsm_bayes.inference import Density, Modes

RESULT = "result.zarr.zip"
_SAMPLER = ("draws", "tune", "target_accept", "max_treedepth")


def calibrate_chains(
    model: "str | Callable[..., pm.Model]",
    data: xr.Dataset,
    store: str | Path,
    *,
    settings: Mapping[str, Any] | None = None,
    choices: Mapping[str, Any] | None = None,
    executor: str = "processes",
    workers: int = 2,
    scheduler: str | None = None,
    seed: int = 0,
    retry_failed: bool = False,
    progress: bool = True,
) -> xr.DataTree:
    """Calibrate as `calibrate` does, with each chain of the first round as a task.

    The search for modes runs in this process, then the chains as tasks, then in this process what `calibrate` does with them: grouping,
    evidence, further chains where the first do not suffice, prediction. A rerun goes on where the run was cut short; a chain that was cut
    short starts anew.

    Parameters
    ----------
    model : str or callable
        Model of the collection, or a function ``build(data, **choices)`` of a module that returns a model from `build_model`.
    data : xarray.Dataset
        Data of all sites of the model.
    store : path
        Folder: ``chain <k>.zarr.zip`` of each chain, and ``result.zarr.zip``.
    settings : mapping, optional
        Of `calibrate`: ``starts``, ``draws``, ``tune``, ``chains``, ``target_accept``, ``max_treedepth``, ``predictive_draws``, and
        ``cores`` for what runs in this process.
    choices : mapping, optional
        Arguments of the model's ``build``.
    executor, workers, scheduler, seed, retry_failed, progress
        See `run_tasks`.

    Returns
    -------
    xarray.DataTree
        As of `calibrate`. Seeds of chains follow from their names: the draws are others than those of `calibrate` with the same seed.

    Raises
    ------
    RuntimeError
        If a chain failed.
    KeyboardInterrupt
        When the user interrupted; what is done is kept.
    """
    from lsm_bayes import posterior
    from lsm_bayes.inference import Density

    given = {"starts": 24, "draws": 2000, "tune": 1000, "chains": 4, "target_accept": 0.95, "max_treedepth": 10} | dict(settings or {})
    folder = Path(store).resolve()
    write_input(data, folder)
    target = folder / RESULT
    first = folder / f"{RESULT}.rounds" / "round-0.zarr"  # where `calibrate` looks for the chains that it need not run
    # Data as the workers read them: the numbers of both must agree in every bit.
    density = Density(build_of(model)(read_record(folder / INPUT), **(choices or {})))
    if not target.exists() and not first.exists():
        modes = posterior_modes(density, given["starts"], seed, target, progress)
        tasks = _tasks(density, modes, given, seed, model, data, folder, choices or {})
        outcome = run_tasks(
            tasks, folder, executor=executor, workers=workers, scheduler=scheduler, seed=seed, retry_failed=retry_failed, progress=progress
        )
        if outcome.interrupted:
            raise KeyboardInterrupt
        if not outcome.complete:
            raise RuntimeError(f"{outcome}\nretry_failed=True runs them again")
        _join([folder / t.file for t in tasks], modes, first)
    return posterior.calibrate(density, **given, seed=seed, store=target, resume=True, progress=progress)


def posterior_modes(density: "Density", starts: int, seed: int, target: Path | None = None, progress: bool = False) -> "Modes":
    """Search for modes as `calibrate` does, from starts that are dispersed beyond the prior.

    Parameters
    ----------
    density : Density
        Compiled log-posterior.
    starts, seed : int
        Number and seed of the starts.
    target : pathlib.Path, optional
        Where the result of `calibrate` will be; finished starts are kept beside it, where it finds them.
    progress : bool
        Show progress with time left.

    Returns
    -------
    Modes
        The modes.

    Raises
    ------
    KeyboardInterrupt
        When the user interrupted.
    """
    from lsm_bayes.inference import find_modes
    from lsm_bayes.posterior import DISPERSION

    spread = {n: DISPERSION for n in density.slices if n == "z" or n.startswith("z_")}
    beside = target.with_name(target.name + ".modes") if target is not None else None
    found = find_modes(density, starts=starts, seed=seed, spread=spread, store=beside, progress=progress)
    if found.interrupted:
        raise KeyboardInterrupt
    return found


def _tasks(
    density: "Density",
    modes: "Modes",
    given: Mapping[str, Any],
    seed: int,
    model: "str | Callable[..., pm.Model]",
    data: xr.Dataset,
    folder: Path,
    choices: Mapping[str, Any],
) -> list[Task]:
    from lsm_bayes.inference.nuts import share_out, start_from

    rng = np.random.default_rng([seed, 4])
    common = {"input": folder / INPUT, "data_digest": digest(data), "model": model, "choices": dict(choices)}
    common["settings"] = {n: given[n] for n in _SAMPLER}
    return [
        Task(f"chain {k}", run_chain, {**common, "mode": mode, "start": start_from(density, modes.laplace[mode], rng)})
        for k, mode in enumerate(share_out(modes.weights, given["chains"]))
    ]


def run_chain(
    *,
    seed: int,
    input: Path,
    data_digest: str,
    model: "str | Callable[..., pm.Model]",
    choices: Mapping[str, Any],
    settings: Mapping[str, Any],
    mode: int,
    start: np.ndarray,
) -> xr.DataTree:
    """Run one chain: the function of a task.

    Parameters
    ----------
    seed : int
        Seed of the chain.
    input : pathlib.Path
        Data.
    data_digest : str
        Hash of the data.
    model, choices
        See `calibrate_chains`.
    settings : mapping
        ``draws``, ``tune``, ``target_accept``, ``max_treedepth``.
    mode : int
        Mode at which the chain starts.
    start : numpy.ndarray
        First unconstrained position.

    Returns
    -------
    xarray.DataTree
        As of `sample`, one chain.

    Raises
    ------
    KeyboardInterrupt
        When the user interrupted.
    """
    from lsm_bayes.inference import Density, sample
    from lsm_bayes.inference.store import attribute

    density = Density(build_of(model)(read_record(input), **choices))
    tree = sample(density, chains=1, cores=1, seed=seed, initial=start[None], progress=False, **settings)
    if attribute(tree, "cost")["interrupted"]:
        raise KeyboardInterrupt
    stats = tree["sample_stats"].to_dataset()
    tree["sample_stats"] = xr.DataTree(stats.assign(mode=xr.full_like(stats["mode"], mode)))
    return tree


def _join(paths: list[Path], modes: "Modes", first: Path) -> None:
    """Put chains together as the first round of sampling leaves them."""
    from lsm_bayes.inference import load, save
    from lsm_bayes.inference.pool import COUNTS, Pool
    from lsm_bayes.inference.store import attribute

    trees = [load(path) for path in paths]
    pool = Pool()
    for tree in trees:
        pool.add(tree)
    groups = pool.groups | {n: trees[0][n].to_dataset() for n in ("observed_data", "constant_data") if n in trees[0].children}
    joined = xr.DataTree.from_dict({f"/{name}": group for name, group in (groups | {"modes": modes.table}).items()})
    costs = [attribute(tree, "cost") for tree in trees]
    cost = costs[0] | {n: pool.cost[n] for n in COUNTS} | {"seconds": max(c["seconds"] for c in costs)}
    joined.attrs = {k: v for k, v in trees[0].attrs.items() if k != "task"} | {"cost": json.dumps(cost)}
    save(joined, first)
