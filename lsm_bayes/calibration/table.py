"""Parameters and initial pools of all sites as rows of one table.

The graph of a calibration would otherwise have a chain of small operations for every parameter, and compiling it would take longer
than sampling a simple site.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.calibration import priors as prior_maps
from lsm_bayes.calibration.choices import Calibration
from lsm_bayes.calibration.hierarchy import add_coordinates
from lsm_bayes.calibration.initial import Free, InProportion, NearEquilibrium, ShareOf, in_proportion, is_derived
from lsm_bayes.calibration.pooling import Pooling
from lsm_bayes.declare import Prior


class Table:
    """Rows of values, one column for each site.

    Parameters
    ----------
    blocks : sequence of (names, tensor)
        Tensors of shape (names, sites).
    sites : int
        Number of sites.
    """

    def __init__(self, blocks: Sequence[tuple[Sequence[str], Any]], sites: int) -> None:
        self._sites = sites
        self._names = [n for names, _ in blocks for n in names]
        tensors = [t for _, t in blocks]
        self._values = pt.concatenate(tensors, axis=0) if len(tensors) > 1 else tensors[0]
        self._added: dict[str, Any] = {}

    def add(self, name: str, value: Any) -> None:
        """Add a computed row, (sites,)."""
        self._added[name] = value

    def get(self, name: str) -> Any:
        """One row, (sites,)."""
        return self._added[name] if name in self._added else self._values[self._names.index(name)]

    def rows(self, names: Sequence[str], sites: Sequence[int]) -> Any:
        """Several rows at some sites, (names, sites)."""
        if not names:
            return pt.zeros((0, len(sites)))
        added = [n for n in names if n in self._added]
        everything = pt.concatenate([self._values, pt.stack([self._added[n] for n in added])], axis=0) if added else self._values
        order = [len(self._names) + added.index(n) if n in self._added else self._names.index(n) for n in names]
        chosen = everything[np.array(order)]
        return chosen if list(sites) == list(range(self._sites)) else chosen[:, np.array(sites)]


def add_parameters(c: Calibration) -> Table:
    """Add coordinates, parameters and freely chosen initial pools to the PyMC model in context.

    Parameters
    ----------
    c : Calibration
        The choices.

    Returns
    -------
    Table
        Parameters, free pools and pools in proportion to a parameter; rows called ``<pool> disequilibrium`` hold the standard normal
        coordinates of pools near equilibrium.
    """
    model = c.process_model
    free = [n for n in c.declared if n not in c.fixed and not is_derived(c.initial.get(n, Free()))]
    joined = grouped(c)
    shifts = {s.parameter: s for s in model.date_shifts}
    blocks: list[tuple[Sequence[str], Any]] = []
    single: dict[str, Any] = {}
    joint: dict[str, tuple[Any, Pooling]] = {}
    for names, chosen, coordinates in add_coordinates(free, c.pooling, c.groups):
        pooling, z = chosen, coordinates
        if chosen.over == "pft" and c.groups.fractions is not None:
            by_type = _physical(c, names, z, pooling)
            for i, name in enumerate(names):
                if isinstance(c.initial.get(name, Free()), Free):
                    pm.Deterministic(f"{name}_of_type", by_type[i], dims="pft")
            pooling, z = replace(chosen, over="site", within=None), c.groups.of_types(z)
        joint |= {n: (z[names.index(n)], pooling) for n in names if n in joined}
        rest = [n for n in names if n not in joined]
        if not rest:
            continue
        physical = _physical(c, rest, z if len(rest) == len(names) else z[np.array([names.index(n) for n in rest])], pooling)
        single |= {n: c.groups.member(physical[i], pooling) for i, n in enumerate(rest)}
        for i, name in enumerate(rest):
            if isinstance(c.initial.get(name, Free()), Free) and name not in shifts:
                pm.Deterministic(name, physical[i], dims=c.groups.dim(pooling))
        blocks.append(([_row_name(c, n) for n in rest], c.groups.to_sites(physical, pooling)))
    if joint:
        blocks.append(_add_grouped(c, joint, single))
    if c.fixed:
        blocks.append((list(c.fixed), pt.as_tensor(np.array(list(c.fixed.values()), dtype=float)[:, None] * np.ones((1, len(c.records))))))
    table = Table(blocks, len(c.records))
    for name, shift in shifts.items():
        if name not in c.fixed:
            value = table.get(f"{name} as seen") + shift.function({n: table.get(n) for n in shift.needs})
            table.add(name, value)
            pm.Deterministic(name, value if c.site_dim else value[0], dims=c.site_dim)
    for name, choice in c.initial.items():
        if isinstance(choice, InProportion) and name not in c.fixed:
            table.add(name, in_proportion(table.get(_row_name(c, name)), table.get(choice.to), model.state_parameters[name][0].bounds))
    for name, choice in c.initial.items():
        if isinstance(choice, ShareOf) and name not in c.fixed:
            share, total = table.get(_row_name(c, name)), table.get(choice.pool)
            for pool, part in ((name, share), (choice.pool, 1.0 - share)):
                table.add(pool, in_proportion(part, total, model.state_parameters[pool][0].bounds))
    return table


def grouped(c: Calibration) -> tuple[str, ...]:
    """Name the parameters that are sampled in the model's own coordinates: when all are free, log-uniform, and pooled alike.

    Parameters
    ----------
    c : Calibration
        The choices.

    Returns
    -------
    tuple of str
        Empty where each is sampled by itself.
    """
    found = c.process_model.coordinates
    if found is None or set(found.parameters) & set(c.fixed):
        return ()
    choices = {c.pooling[n] for n in found.parameters}
    needed = {c.pooling[n] for n in found.needs if n not in c.fixed}
    as_declared = all(c.priors[n] == Prior() for n in found.parameters)
    # Values by site can use values of any other pooling, expanded to sites.
    mixed = c.groups.fractions is not None and any(p.over == "pft" for p in choices | needed)
    reachable = next(iter(choices)).over == "site" or all(p in choices or p.kind == "complete" for p in needed)
    alike = len(choices) == 1 and reachable and not mixed
    return found.parameters if as_declared and (alike or not c.groups.several) else ()


def _add_grouped(c: Calibration, joint: Mapping[str, tuple[Any, Pooling]], single: Mapping[str, Any]) -> tuple[Sequence[str], Any]:
    found = c.process_model.coordinates
    assert found is not None  # grouped has seen it
    names = list(joint)
    pooling = joint[names[0]][1]
    known = {n: pt.constant(c.fixed[n], dtype="float64") if n in c.fixed else single[n](pooling) for n in found.needs}
    cdf = {n: prior_maps.standard_cdf(z) for n, (z, _) in joint.items()}
    values, log_density = found.function(cdf, known, {n: c.process_model.parameter_table[n][0].bounds for n in names})
    pm.Potential("coordinates_prior", pt.sum(log_density))
    for name in names:
        pm.Deterministic(name, values[name], dims=c.groups.dim(pooling))
    return names, c.groups.to_sites(pt.stack([values[n] for n in names]), pooling)


def _row_name(c: Calibration, name: str) -> str:
    choice = c.initial.get(name, Free())
    if any(s.parameter == name for s in c.process_model.date_shifts):
        return f"{name} as seen"
    suffixes = {NearEquilibrium: " disequilibrium", InProportion: " factor", ShareOf: " share"}
    return name + suffixes.get(type(choice), "")


def _physical(c: Calibration, names: Sequence[str], z: Any, pooling: Pooling) -> Any:
    """Map a block of standard normal coordinates to values, families of priors at once."""
    families: dict[str, list[int]] = {"log_uniform": [], "uniform": [], "same": [], "single": []}
    limits, declared_table = np.zeros((len(names), 3)), c.declared
    for i, name in enumerate(names):
        declared, prior, choice = declared_table[name][0], c.priors[name], c.initial.get(name, Free())
        if isinstance(choice, NearEquilibrium):
            families["same"].append(i)
        elif isinstance(choice, InProportion):
            families["log_uniform"].append(i)
            limits[i] = math.log(choice.bounds[0]), math.log(choice.bounds[1]), 0.0
        elif isinstance(choice, ShareOf):
            families["uniform"].append(i)
            limits[i] = *choice.bounds, 0.0
        elif isinstance(prior, Prior) and prior.distribution in ("uniform", "log_uniform") and declared.period is None:
            low, high = declared.bounds
            families[prior.distribution].append(i)
            limits[i] = (
                (low, high, 0.0)
                if prior.distribution == "uniform"
                else (math.log(low - prior.origin), math.log(high - prior.origin), prior.origin)
            )
        else:
            families["single"].append(i)
    limits = limits if z.ndim == 1 else limits[..., None]
    pieces, order = [], []
    for family, rows in families.items():
        if not rows:
            continue
        order += rows
        chosen = z if len(rows) == len(names) else z[np.array(rows)]
        if family == "same":
            pieces.append(chosen)
        elif family == "single":
            pieces.append(pt.stack([_single(c, names[i], z[i], pooling) for i in rows]))
        else:
            lower, upper, origin = (limits[rows, k] for k in range(3))
            x = lower + (upper - lower) * prior_maps.standard_cdf(chosen)
            pieces.append(pt.exp(x) + origin if family == "log_uniform" else x)
    joined = pt.concatenate(pieces, axis=0) if len(pieces) > 1 else pieces[0]
    return joined if order == sorted(order) else joined[np.argsort(order)]


def _single(c: Calibration, name: str, z: Any, pooling: Pooling) -> Any:
    declared, prior = c.declared[name][0], c.priors[name]
    if isinstance(prior, Prior):
        return prior_maps.value(z, declared, prior)
    if pooling.over != "site":
        raise ValueError(f"the prior of {name!r} differs between sites, so its pooling has to be over 'site', not {pooling.describe()}")
    return pt.stack([prior_maps.value(z[i], declared, p) for i, p in enumerate(prior)])
