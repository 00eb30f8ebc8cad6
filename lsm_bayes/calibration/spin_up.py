"""Pools at the start of each record that follow from the parameters: at equilibrium, or regrowing after a disturbance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.calibration.choices import Calibration, SiteRecord
from lsm_bayes.calibration.initial import (
    AfterDisturbance,
    AtEquilibrium,
    Cycle,
    NearEquilibrium,
    bounds_of,
    cycle_of,
    near_equilibrium,
)
from lsm_bayes.calibration.priors import standard_cdf
from lsm_bayes.calibration.table import Table
from lsm_bayes.disturbance import CLOCK, YEAR, clock, disturbed, lost
from lsm_bayes.forcing import Forcing, whole_years
from lsm_bayes.simulation import symbolic_run
from lsm_bayes.steady_state import held_states, symbolic_equilibrium
from lsm_bayes.vocabulary import unknown


def add_pools(c: Calibration, table: Table) -> None:
    """Add the pools that need an exact equilibrium to the table.

    Parameters
    ----------
    c : Calibration
        The choices.
    table : Table
        Parameters by site, and the coordinates of pools near equilibrium.
    """
    choices = {n: k for n, k in c.initial.items() if cycle_of(k) is not None and n not in c.fixed}
    if not choices:
        return
    model = c.process_model
    cycle = next(k for k in map(cycle_of, choices.values()) if k is not None)
    after = next((k for k in choices.values() if isinstance(k, AfterDisturbance)), None)
    balanced = _equilibrium(c, table, cycle, None if after is not None else tuple(choices))
    for name, choice in choices.items():
        if isinstance(choice, NearEquilibrium):
            bounds = model.state_parameters[name][0].bounds
            table.add(name, near_equilibrium(name, table.get(f"{name} disequilibrium"), balanced[name], choice, bounds))
        elif isinstance(choice, AtEquilibrium):
            table.add(name, balanced[name])
    if after is not None:
        start = balanced | {n: table.get(n) for n in held_states(model, None)}
        grown = _regrown(c, table, after, start)
        for name, choice in choices.items():
            if isinstance(choice, AfterDisturbance):
                table.add(name, grown[name])


def _repeated(record: SiteRecord, cycle: Cycle) -> tuple[dict[str, np.ndarray], pd.DatetimeIndex, int]:
    """Return forcing and times of one cycle of a site, and the years that it has."""
    time = record.forcing.time[: record.fitted_steps]
    steps, years = whole_years(time, cycle.years)
    found = {n: np.asarray(v)[:steps] for n, v in record.forcing.varying.items()}
    for name, value in cycle.replaced.items():
        if name not in found:
            raise KeyError(unknown("forcing to replace", name, found))
        found[name] = np.full(steps, float(value))
    return found, time[:steps], years


def _alike(keys: Sequence[Any]) -> dict[Any, list[int]]:
    found: dict[Any, list[int]] = {}
    for i, k in enumerate(keys):
        found.setdefault(k, []).append(i)
    return found


def _in_order(groups: Mapping[Any, list[int]], pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put values of groups of sites into the order of the sites."""
    order = np.argsort([i for members in groups.values() for i in members])
    if len(pieces) == 1:
        return dict(pieces[0])
    return {n: pt.concatenate([p[n] for p in pieces])[order] for n in pieces[0]}


def _equilibrium(c: Calibration, table: Table, cycle: Cycle, pools: Sequence[str] | None) -> dict[str, Any]:
    """Exact equilibrium of pools (None: of all that have one), each (sites,)."""
    model, held = c.process_model, held_states(c.process_model, None)
    repeated = [_repeated(r, cycle) for r in c.records]
    groups = _alike([time.size for _, time, _ in repeated])
    pieces = []
    for members in groups.values():
        first = c.records[members[0]].forcing
        varying = {n: np.stack([repeated[i][0][n] for i in members]) for n in first.varying}
        forcing = Forcing(varying, first.folded, repeated[members[0]][1], [c.records[i].name for i in members])

        def values(names: Sequence[str], members: Sequence[int] = members) -> Any:
            if all(n in model.parameter_table for n in names):
                return table.rows(names, sites=members)
            # The search starts at the declared defaults: where a model has several equilibria, the same one is found at all parameters.
            wide = np.ones(len(members))
            return pt.stack([table.rows([n], sites=members)[0] if n in held else pt.as_tensor(wide * _default(c, n)) for n in names])

        pieces.append(symbolic_equilibrium(model, forcing, values, pools, members=len(members)))
    return _in_order(groups, pieces)


def _default(c: Calibration, name: str) -> float:
    return c.process_model.state_parameters[name][1]


def _regrown(c: Calibration, table: Table, choice: AfterDisturbance, start: Mapping[str, Any]) -> dict[str, Any]:
    """Pools at the start of the records, each (sites,)."""
    model = disturbed(c.process_model, tuple(choice.lost))
    sampled = {YEAR: _uniform(c, YEAR, choice.year)} | {lost(n): _uniform(c, lost(n), v) for n, v in choice.lost.items()}
    histories = [_history(r, choice) for r in c.records]
    groups = _alike([time.size for _, time in histories])
    pools = [n for n in c.process_model.state_parameters if isinstance(c.initial[n], AfterDisturbance) and n not in c.fixed]
    pieces = []
    for members in groups.values():
        first = c.records[members[0]].forcing
        varying = {n: np.stack([histories[i][0][n] for i in members]) for n in histories[members[0]][0]}
        forcing = Forcing(varying, first.folded, histories[members[0]][1], [c.records[i].name for i in members])

        def values(names: Sequence[str], members: Sequence[int] = members) -> Any:
            place = np.array(members)
            own = [n for n in names if n in c.process_model.parameter_table]
            rest = [n for n in names if n not in own]
            rows = [table.rows(own, sites=members)] if own else []
            rows += [pt.stack([(sampled | dict(start))[n][place] for n in rest])] if rest else []
            return pt.concatenate(rows, axis=0) if len(rows) > 1 else rows[0]

        run = symbolic_run(model, forcing, values, pools, members=len(members))
        pieces.append({n: run[n][:, -1] for n in pools})
    return _in_order(groups, pieces)


def _uniform(c: Calibration, name: str, limits: float | tuple[float, float]) -> Any:
    """Make a number for each site, or a parameter with a uniform prior."""
    low, high = bounds_of(limits)
    sites = len(c.records)
    if low == high:
        return pt.as_tensor(np.full(sites, low))
    z = pm.Normal(f"{name}_z", dims=c.site_dim) if c.site_dim else pm.Normal(f"{name}_z", shape=(1,))
    value = low + (high - low) * standard_cdf(z)
    pm.Deterministic(name, value if c.site_dim else value[0], dims=c.site_dim)
    return value


def _history(record: SiteRecord, choice: AfterDisturbance) -> tuple[dict[str, np.ndarray], pd.DatetimeIndex]:
    """Return the forcing from before the disturbance to the record: the cycle, repeated, with the CO2 of those years."""
    varying, time, years = _repeated(record, choice.cycle)
    earliest, latest = bounds_of(choice.year)
    first = time[0].year
    if not years or latest > first - 1:
        raise ValueError(
            f"the disturbance in {latest:g} has to lie a year or more before the record of {record.name}, which begins in {first}, "
            "and the cycle has to have a whole year"
        )
    cycles = int(np.ceil((first - np.floor(earliest)) / years))
    found = {n: np.tile(v, cycles) for n, v in varying.items()} | {CLOCK: clock(time, cycles, years)}
    if choice.co2 is not None:
        if "co2" not in found:
            raise KeyError(f"the process model is not driven by 'co2'; it is by {', '.join(sorted(varying))}. Leave co2 out.")
        single = np.asarray(time.year + (time.dayofyear - 1) / 365.25, dtype=float)
        when = np.tile(single, cycles) - np.repeat(np.arange(cycles, 0, -1) * years, time.size)
        known = choice.co2 if isinstance(choice.co2, Mapping) else {0.0: float(choice.co2)}
        dates = sorted(known)
        found["co2"] = np.interp(when, dates, [known[d] for d in dates])
    # The dates themselves are not used by a run; the length is what counts.
    return found, pd.DatetimeIndex(np.tile(time.values, cycles))
