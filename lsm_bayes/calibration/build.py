"""From a process model, data and choices to a plain PyMC model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from lsm_bayes.calibration.card import card
from lsm_bayes.calibration.choices import Calibration, Constraints, SiteRecord
from lsm_bayes.calibration.constraints import add_constraints, add_run_constraints, needs_of
from lsm_bayes.calibration.earlier import add_earlier, check_earlier
from lsm_bayes.calibration.groups import Groups, covariates_of, types_of
from lsm_bayes.calibration.initial import Free, Initial, NearEquilibrium, initial_of, near_equilibrium
from lsm_bayes.calibration.operators import check_inputs, driver_of, observed_series, simulated_inputs
from lsm_bayes.calibration.pooling import Pooling, pooling_of
from lsm_bayes.calibration.predict import calibration_of
from lsm_bayes.calibration.records import records_of
from lsm_bayes.calibration.simultaneous import check_correlated, moments
from lsm_bayes.calibration.spin_up import add_pools
from lsm_bayes.calibration.stepwise import CarriedPosterior
from lsm_bayes.calibration.streams import Stream, check_members, declared_parameters, prepare
from lsm_bayes.calibration.table import Table, add_parameters
from lsm_bayes.declare import Parameter, Prior, ProcessModel
from lsm_bayes.errors.likelihood import add_likelihood
from lsm_bayes.errors.terms import Innovations
from lsm_bayes.forcing import Forcing, whole_years
from lsm_bayes.observations.aggregation import combined
from lsm_bayes.process_noise import YEAR, with_yearly_noise
from lsm_bayes.simulation import symbolic_run
from lsm_bayes.steady_state import held_states
from lsm_bayes.vocabulary import unknown


def build_model(
    model: ProcessModel,
    data: xr.Dataset,
    streams: Sequence[Stream | str],
    *,
    sites: Sequence[str] | None = None,
    training: tuple[Any, Any] | None = None,
    withheld_years: int = 0,
    pooling: Mapping[str, Pooling] | None = None,
    initial: Mapping[str, Initial] | Initial | None = None,
    priors: Mapping[str, Prior | Mapping[str, Prior]] | None = None,
    fixed: Mapping[str, float] | None = None,
    constraints: Constraints | float | None = None,
    prior_from: CarriedPosterior | None = None,
) -> pm.Model:
    """Build a plain PyMC model of a calibration.

    Parameters
    ----------
    model : ProcessModel
        The land model.
    data : xarray.Dataset
        Daily data, dimensions ``time`` and optionally ``site``, variables in the vocabulary with units, observations with
        ``<name>_uncertainty``; coordinates ``latitude`` and, for pooling by type, ``pft``. Sites of several types have ``pft_fraction``
        (site, and a dimension whose coordinate names the types): values by type, and means of types, are weighted with it on the scale on
        which the prior is normal. That is a canopy of mean traits; fluxes of types side by side would be another model.
    streams : sequence of Stream or str
        What is fitted; a name means daily values with the default error model. None at all gives the prior with its constraints.
    sites : sequence of str, optional
        Sites to take; default all. Each is cut to its own record: no padding.
    training : tuple, optional
        First and last day that are fitted; the rest of the record is withheld.
    withheld_years : int
        Instead: how many calendar years at the end of each record are withheld.
    pooling : mapping of str to Pooling, optional
        By parameter or initial pool; the default follows the declared levels.
    initial : mapping of str to Initial, or Initial, optional
        How initial pools are set: `Free`, `InProportion`, `ShareOf`, `NearEquilibrium`, `AtEquilibrium` or `AfterDisturbance`, by pool,
        or one of them for all pools; default free.
    priors : mapping of str to Prior, or of str to mapping of site to Prior, optional
        In place of the declared ones.
    fixed : mapping of str to float, optional
        Parameters or initial pools that are not calibrated. Those declared as fixed are added, unless they have an entry in `priors` or
        `initial`.
    constraints : Constraints or float, optional
        Which constraints of the process model shape the prior. A number is the width of those on parameters alone: a log ratio by which
        one is missed costs half a nat, twice that two. None leaves them out.
    prior_from : CarriedPosterior, optional
        From `carry_over`: the posterior of an earlier calibration of other streams or periods, in place of the declared priors of all that
        both calibrate.

    Returns
    -------
    pymc.Model
        Named dims ``site``, ``pft`` and ``<stream>_observation``; deterministic variables carry the parameters in their units.
        ``model.card`` describes it, ``model.calibration`` is what `predict` needs.

    Raises
    ------
    KeyError
        For unknown names of sites, streams, parameters or constraints, and for missing forcing.
    ValueError
        For missing values, uncertainties or units, periods that are too short, constraints of a model that declares none, and an earlier
        step that does not fit: another process model, other priors or pooling, hierarchies, observations that it has used.
    """
    wanted = [Stream(s) if isinstance(s, str) else s for s in streams]
    if not wanted and constraints is None:
        raise ValueError("no stream to fit; give at least one, such as 'nee', or constraints for a prior that knows them")
    check_correlated(wanted)
    declared = declared_parameters(model, wanted)
    for name in {**(priors or {}), **(fixed or {})}:
        if name not in declared:
            raise KeyError(f"{model.name}: {unknown('parameter or initial state', name, declared)}")
    choice = Constraints(constraints) if isinstance(constraints, int | float) else constraints
    if choice is not None:
        choice.chosen(model)
    records = records_of(model, data, sites, training, withheld_years)
    yearly = {n: p for n, p in (pooling or {}).items() if isinstance(p, Pooling) and p.over == "year"}
    if yearly:
        model = _with_years(model, yearly, records)
        records = records_of(model, data, sites, training, withheld_years)
        declared = declared_parameters(model, wanted)
    check_inputs(model, wanted, records)
    names = [r.name for r in records]
    pfts, largest, fractions = types_of([r.data for r in records])
    asked = list(dict.fromkeys(n for p in (pooling or {}).values() if isinstance(p, Pooling) for n in (*p.on, *p.near)))
    known = [covariates_of(r.data, asked) for r in records]
    groups = Groups(names, pfts, largest, {n: np.array([k[n] for k in known]) for n in asked}, fractions)
    drivers = [partial(driver_of, r) for r in records]
    prepared = [prepare(s, [r.data for r in records], names, [r.training for r in records], drivers) for s in wanted]
    check_members(prepared, names)
    named = initial if isinstance(initial, Mapping) else {}
    still = _declared_fixed(declared, {**(priors or {}), **named}) | dict(fixed or {})
    calibration = Calibration(
        model,
        records,
        groups,
        prepared,
        pooling_of(model.name, declared, pooling or {}),
        initial_of(model, initial or {}, tuple(still), held_states(model, None)),
        _site_priors(declared, priors or {}, names),
        still,
        choice,
        prior_from,
    )
    check_earlier(calibration)
    coords: dict[str, Any] = {f"{p.name}_observation": np.arange(sum(a.time.size for a in p.fitted)) for p in prepared}
    if groups.several:
        coords |= {"site": names, "pft": pfts}
        coords |= {str(p.site_dim(len(names))): [names[i] for i in p.members] for p in prepared}
    with pm.Model(coords=coords) as built:
        add_parameters_and_streams(calibration)
    built.calibration = calibration
    built.card = card(calibration)
    return built


def _with_years(model: ProcessModel, yearly: Mapping[str, Pooling], records: Sequence[SiteRecord]) -> ProcessModel:
    """Let parameters differ from year to year, over as many years as the longest record has."""
    for name in yearly:
        if name not in model.parameter_table:
            raise KeyError(f"{model.name}: {unknown('parameter that can differ from year to year', name, model.parameter_table)}")
    spans = [(r.forcing.time[-1] - pd.Timestamp(r.forcing.time[0].year, 1, 1)) / pd.Timedelta(days=YEAR) for r in records]
    noise, walk = {n: p.spread for n, p in yearly.items()}, [n for n, p in yearly.items() if p.walk]
    return with_yearly_noise(model, noise, max(2, int(max(spans)) + 1), walk=walk)


def _declared_fixed(declared: Mapping[str, tuple[Parameter, float]], chosen: Mapping[str, Any]) -> dict[str, float]:
    return {n: default for n, (d, default) in declared.items() if d.fixed and n not in chosen}


def prior_model(model: pm.Model) -> pm.Model:
    """Build the prior of a calibration, with its constraints, as a model of its own.

    Parameters
    ----------
    model : pymc.Model
        From `build_model`.

    Returns
    -------
    pymc.Model
        The same parameters, initial pools and potentials, without observations and their error models. Its posterior is the prior that
        knows the constraints; `lsm_bayes.inference.sample_constrained_prior` draws from it.

    Raises
    ------
    TypeError
        When the model was not made by `build_model`.
    """
    c = replace(calibration_of(model), streams=[])
    with pm.Model(coords={"site": c.groups.sites, "pft": c.groups.pfts} if c.groups.several else {}) as built:
        add_parameters_and_streams(c)
    built.calibration = c
    built.card = card(c)
    return built


def _site_priors(
    table: Mapping[str, tuple[Parameter, float]], given: Mapping[str, Prior | Mapping[str, Prior]], sites: Sequence[str]
) -> dict[str, Prior | list[Prior]]:
    found: dict[str, Prior | list[Prior]] = {}
    for name, (declared, _) in table.items():
        choice = given.get(name, declared.prior)
        if isinstance(choice, Prior):
            found[name] = choice
            continue
        absent = [s for s in sites if s not in choice]
        if absent:
            raise KeyError(f"the prior of {name!r} is given by site but not for {', '.join(absent)}")
        found[name] = choice[sites[0]] if len(sites) == 1 else [choice[s] for s in sites]
    return found


def add_parameters_and_streams(c: Calibration, observed: bool = True) -> None:
    """Add all random variables of a calibration to the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices.
    observed : bool
        Whether the streams are added; their operators' parameters always are.
    """
    table = add_parameters(c)
    add_constraints(c, table)
    near = [n for n, k in c.initial.items() if isinstance(k, NearEquilibrium) and k.cycle is None and n not in c.fixed]
    if near:
        pools = _equilibrium(c, table)
        for name in near:
            choice, bounds = c.initial[name], c.process_model.state_parameters[name][0].bounds
            table.add(name, near_equilibrium(name, table.get(f"{name} disequilibrium"), pools[name], choice, bounds))  # type: ignore[arg-type]
    add_pools(c, table)
    for name in c.initial:
        if name not in c.fixed and not isinstance(c.initial[name], Free):
            value = table.get(name)
            pm.Deterministic(name, value if c.site_dim else value[0], dims=c.site_dim)
    add_earlier(c)
    streams = c.streams if observed else []
    wanted = {i for p in streams for i in simulated_inputs(c.process_model, p.operator)} | needs_of(c)
    runs = _run(c, table, sorted(wanted)) if wanted else []
    if needs_of(c):
        add_run_constraints(c, table, list(_by_length(c).values()), runs)
    offsets = _offsets(c)
    innovations: dict[str, Innovations] = {}
    for p in streams:
        pairs = [observed_series(c, p, run, table, members) for run, members in zip(runs, _by_length(c).values(), strict=True)]
        whole = combined(p.fitted, [offsets[i] for i in p.members])
        mean, spread = (None if parts[0] is None else whole.mean(_joined(parts)) for parts in zip(*pairs, strict=True))
        times = [moments(a.time, p.stream.period) for a in p.fitted]
        found = add_likelihood(p.name, p.stream.error_model, mean, p.series, p.site_dim(len(c.records)), spread, times, innovations)
        if found is not None:
            innovations[p.name] = found


def _joined(parts: Sequence[Any]) -> Any:
    flat = [x.ravel() for x in parts]
    return pt.concatenate(flat) if len(flat) > 1 else flat[0]


def _by_length(c: Calibration) -> dict[int, list[int]]:
    """Sites that share a number of steps run together, in lanes when they are many."""
    found: dict[int, list[int]] = {}
    for i, r in enumerate(c.records):
        found.setdefault(r.fitted_steps, []).append(i)
    return found


def _run(c: Calibration, table: Table, outputs: Sequence[str]) -> list[dict[str, Any]]:
    """Trajectories of the fitted period: outputs (site, time) of each group of `_by_length`."""
    found = []
    for steps, members in _by_length(c).items():
        first = c.records[members[0]].forcing
        varying = {n: np.stack([c.records[i].forcing.varying[n][:steps] for i in members]) for n in first.varying}
        group = Forcing(varying, first.folded, first.time[:steps], [c.records[i].name for i in members])
        found.append(symbolic_run(c.process_model, group, partial(table.rows, sites=members), outputs, members=len(members)))
    return found


def _offsets(c: Calibration) -> list[int]:
    """Place of the first step of each site when the series of all groups stand behind each other."""
    found, start = [0] * len(c.records), 0
    for steps, members in _by_length(c).items():
        for i in members:
            found[i] = start
            start += steps
    return found


def _weights(record: SiteRecord, steps: int) -> np.ndarray:
    """Weights of a mean over the whole years among the first steps of a record."""
    length = (
        np.asarray(record.forcing.varying["step_length"], dtype=float)[:steps]
        if "step_length" in record.forcing.varying
        else np.ones(steps)
    )
    whole, _ = whole_years(record.forcing.time[:steps])
    weights = np.where(np.arange(steps) < whole, length, 0.0)
    return weights / weights.sum()


def _equilibrium(c: Calibration, table: Table) -> dict[str, Any]:
    """Compute the declared equilibrium from means over whole years, each pool (sites,)."""
    e = c.process_model.equilibrium
    if e is None:
        raise ValueError(f"{c.process_model.name} declares no equilibrium")
    groups = _by_length(c)
    order = np.argsort([i for members in groups.values() for i in members])
    means = {n: [] for n in e.needs}  # type: dict[str, list[Any]]
    for (steps, members), run in zip(groups.items(), _run(c, table, e.needs), strict=True):
        weights = np.stack([_weights(c.records[i], steps) for i in members])
        for n in e.needs:
            means[n].append((run[n] * weights).sum(axis=1))
    joined = {n: (pt.concatenate(m)[order] if len(m) > 1 else m[0]) for n, m in means.items()}
    p = c.process_model.parameters(*[table.get(n) for n in c.process_model.parameters._fields])  # type: ignore[attr-defined]
    return e.pools(joined, p)
