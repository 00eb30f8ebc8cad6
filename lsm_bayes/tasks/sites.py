"""Calibrate each site of a data set by itself: a task for each, and a table of posterior summaries."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lsm_bayes.tasks.input import INPUT, build_of, read_record, write_input
from lsm_bayes.tasks.run import Outcome, run_tasks
from lsm_bayes.tasks.store import landed, read
from lsm_bayes.tasks.task import Task, digest

if TYPE_CHECKING:
    import pymc as pm

METHODS = ("nuts", "laplace")
STATUS = {"left_out": 0, "done": 1, "failed": 2, "missing": 3}


def calibrate_sites(
    model: "str | Callable[..., pm.Model]",
    data: xr.Dataset,
    store: str | Path,
    *,
    sites: Sequence[str] | None = None,
    folds: int = 1,
    method: str = "nuts",
    settings: Mapping[str, Any] | None = None,
    choices: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    keep: bool = False,
    executor: str = "serial",
    workers: int = 2,
    scheduler: str | None = None,
    seed: int = 0,
    retry_failed: bool = False,
    progress: bool = True,
) -> xr.Dataset:
    """Calibrate each site by itself, with the same model.

    Each site (and each fold of it) is a task of `run_tasks`: results do not depend on the executor, a rerun does only what is missing,
    and a site that fails is reported and stops no other. A task that was cut short starts anew.

    Parameters
    ----------
    model : str or callable
        Model of the collection, such as ``"dalec_single_site"``, or a function ``build(data, **choices)`` of a module that returns a model
        from `build_model` for data of one site.
    data : xarray.Dataset
        Dims ``site`` and ``time``, in the convention of `lsm_bayes.datasets`. It is copied into the store, from where workers read their
        site.
    store : path
        Folder of the results, one ``<site>.zarr.zip`` each, which `load_result`, ``lsm-bayes check`` and ``lsm-bayes report`` read when
        `keep` is set.
    sites : sequence of str, optional
        Which sites; all by default.
    folds : int
        Fits of each site. Fold k (0, 1, ...) ends k times the withheld years before the end of the record, so that each is judged on years
        that it has not seen, which follow on those that it has (rolling origin).
    method : {"nuts", "laplace"}
        `calibrate`, or modes and the Laplace approximation, which is no posterior by its gates: ``importance_efficiency`` says how near
        it is.
    settings : mapping, optional
        Of the method: those of `calibrate` (``draws``, ``tune``, ``chains``, ``starts``, ...); ``starts`` and ``draws`` of Laplace.
    choices : mapping, optional
        Arguments of the model's ``build``, such as ``withheld_years``.
    targets : sequence of str, optional
        Fluxes and states that are summarised; see `lsm_bayes.tasks.summary.summarise`.
    keep : bool
        Keep the complete result of each site, not only its summary.
    executor, workers, scheduler, seed, retry_failed, progress
        See `run_tasks`.

    Returns
    -------
    xarray.Dataset
        Dims ``site`` and, with several folds, ``fold``: the variables of `summarise`, ``status`` (1 done, 2 failed, 3 missing as the run
        was interrupted) and ``error``. NaN where there is no result. ``attrs["interrupted"]`` is 1 when the user interrupted.

    Raises
    ------
    KeyError
        For unknown models and sites.
    ValueError
        For unknown methods, data without sites, folds without withheld years, and a store of another run; see `run_tasks`.
    """
    from lsm_bayes.datasets.choose import choose_sites

    if method not in METHODS:
        raise ValueError(f"method is {method!r}; choose one of {', '.join(METHODS)}")
    if "site" not in data.dims or "time" not in data.dims:
        raise ValueError(f"the data have dims {', '.join(map(str, data.dims))}; sites need 'site' and 'time', grids calibrate_grid")
    data = choose_sites(data, sites, "the data")
    names = [str(s) for s in data["site"].values]
    withheld = _withheld_years(model, choices or {}, folds)
    folder = Path(store).resolve()
    write_input(data, folder)
    work = {"model": model, "method": method, "settings": dict(settings or {}), "choices": dict(choices or {})}
    common = work | {"input": folder / INPUT, "targets": None if targets is None else list(targets), "keep": keep}

    def task(site: str, fold: int) -> Task:
        own = {"site": site, "years_off": fold * withheld, "data_digest": digest(data.sel(site=site))}
        return Task(f"{site} fold {fold}" if folds > 1 else site, calibrate_site, common | own)

    table = [[task(site, fold) for fold in range(folds)] for site in names]
    outcome = run_tasks(
        [t for row in table for t in row],
        folder,
        executor=executor,
        workers=workers,
        scheduler=scheduler,
        seed=seed,
        retry_failed=retry_failed,
        progress=progress,
    )
    found = _summaries(folder, table, outcome).assign_coords(site=names, fold=np.arange(folds))
    about = {k: ("site", data[k].values, data[k].attrs) for k in ("latitude", "longitude", "elevation", "pft") if k in data.coords}
    found = found.assign_coords(about) if folds > 1 else found.isel(fold=0, drop=True).assign_coords(about)
    title = model if isinstance(model, str) else model.__qualname__
    attrs = {"title": f"{title}: posterior summaries of single sites", "model": title, "method": method, "seed": seed}
    return found.assign_attrs(
        attrs | {"source": str(data.attrs.get("citation") or data.attrs.get("title") or "")} | _versions()
    ).assign_attrs(interrupted=int(outcome.interrupted))


def calibrate_site(
    *,
    seed: int,
    input: Path,
    site: str,
    years_off: int,
    data_digest: str,
    model: "str | Callable[..., pm.Model]",
    method: str,
    settings: Mapping[str, Any],
    choices: Mapping[str, Any],
    targets: Sequence[str] | None,
    keep: bool,
) -> xr.DataTree:
    """Calibrate one site: the function of a task.

    Parameters
    ----------
    seed : int
        Seed of everything.
    input : pathlib.Path
        Data of all sites.
    site : str
        Which one.
    years_off : int
        Years at the end of the site's record that are left out.
    data_digest : str
        Hash of the site's data; they are read when it agrees.
    model, method, settings, choices, targets, keep
        See `calibrate_sites`.

    Returns
    -------
    xarray.DataTree
        Group ``summary``, and all groups of the result when `keep` is set; root attributes of the result.

    Raises
    ------
    KeyboardInterrupt
        When the user interrupted: a part of the draws is no result.
    """
    from lsm_bayes import posterior
    from lsm_bayes.inference import Density, sample_laplace
    from lsm_bayes.inference.store import attribute
    from lsm_bayes.tasks.chains import posterior_modes
    from lsm_bayes.tasks.summary import summarise

    density = Density(build_of(model)(read_record(input, site, years_off), **choices))
    if method == "nuts":
        tree = posterior.calibrate(density, **{"cores": 1, **settings}, seed=seed, progress=False)
        if attribute(tree, "cost").get("interrupted"):
            raise KeyboardInterrupt
    else:
        modes = posterior_modes(density, settings.get("starts", 24), seed)
        tree = sample_laplace(density, modes, draws=settings.get("draws", 1000), seed=seed)
    summary = summarise(density.model, tree, targets)
    if not keep:
        tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs=tree.attrs)})
    tree["summary"] = xr.DataTree(summary)
    return tree


def _withheld_years(model: "str | Callable[..., pm.Model]", choices: Mapping[str, Any], folds: int) -> int:
    if folds < 1:
        raise ValueError(f"folds is {folds}; give 1 for one fit of each site, or more")
    accepted = inspect.signature(build_of(model)).parameters
    default = accepted["withheld_years"].default if "withheld_years" in accepted else 0
    years = int(choices.get("withheld_years", 0 if default is inspect.Parameter.empty else default))
    if folds > 1 and years < 1:
        raise ValueError(f"{folds} folds need withheld years to be judged on; the model withholds {years}: give withheld_years in choices")
    return years


def _summaries(folder: Path, table: list[list[Task]], outcome: Outcome) -> xr.Dataset:
    """Put the summaries of tasks together, dims (site, fold); NaN where there is none."""
    there = landed(folder)
    shape = (len(table), len(table[0]) if table else 0)
    values: dict[str, np.ndarray] = {}
    about: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    status = np.full(shape, STATUS["missing"], dtype="int8")
    errors = np.full(shape, "", dtype=object)
    coords: dict[Any, Any] = {}
    for index in np.ndindex(shape):
        task = table[index[0]][index[1]]
        if task.name in outcome.failed:
            status[index], errors[index] = STATUS["failed"], outcome.failed[task.name]
        if task.name not in outcome.done or task.file not in there:
            continue
        status[index] = STATUS["done"]
        one = read(folder / task.file, "summary")
        coords |= {k: v for k, v in one.coords.items() if k in one.dims}
        for name, v in one.data_vars.items():
            about.setdefault(str(name), (v.dims, v.attrs))
            values.setdefault(str(name), np.full((*shape, *v.shape), np.nan))[index] = v.values
    found = xr.Dataset({n: (("site", "fold", *about[n][0]), array, about[n][1]) for n, array in values.items()}, coords=coords)
    flags = {"flag_values": np.array(list(STATUS.values()), dtype="int8"), "flag_meanings": " ".join(STATUS)}
    found["status"] = (("site", "fold"), status, {"long_name": "what became of the calibration"} | flags)
    found["error"] = (("site", "fold"), errors.astype(str), {"long_name": "error of a calibration that failed"})
    return found


def _versions() -> dict[str, str]:
    from lsm_bayes.inference.tree import package_versions

    return {"versions": ", ".join(f"{name} {version}" for name, version in package_versions().items())}
