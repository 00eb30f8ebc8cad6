"""A process model whose forcing may be biased: a factor or an offset of a driver becomes a parameter."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from lsm_bayes.declare import Constraint, Parameter, Prior, ProcessModel, with_fields
from lsm_bayes.vocabulary import unknown

REACH = 4.0
"""Prior standard deviations that a bias can reach."""
CLOCKS = ("day_of_year", "day_number", "step_length", "solar_hour")


def with_forcing_bias(
    model: ProcessModel, *, factors: Mapping[str, float] | None = None, offsets: Mapping[str, float] | None = None
) -> ProcessModel:
    """Let a process model see its forcing times a factor, plus an offset, that are calibrated with the other parameters.

    An error of a driver that lasts as long as the record (a reanalysis that is too warm, a rain gauge that loses snow) is no error of the
    observations: it goes through the process model, and parameters would take it up. Its prior is what is known of the driver. Errors that
    differ from day to day are not of this kind.

    Parameters
    ----------
    model : ProcessModel
        The model, without a nested step.
    factors : mapping of str to float, optional
        By forcing, sd of the logarithm of a factor with median 1: for what is positive, such as light or precipitation. Adds the parameter
        ``<forcing>_factor``.
    offsets : mapping of str to float, optional
        By forcing, sd of an offset with mean 0, in the unit of the forcing: for temperatures. Adds ``<forcing>_offset``.

    Returns
    -------
    ProcessModel
        It reads ``factor * forcing + offset`` where `model` reads the forcing, also in the means that constraints see. Each new parameter
        has a value for each site unless it is pooled, and stays within four prior sd. With factors of 1 and offsets of 0 it is the same
        model.

    Raises
    ------
    KeyError
        For a name that is no forcing of the model.
    ValueError
        For a model with a nested step, an sd that is not positive, no bias at all, clocks, forcing that is a constant of the kernel, and
        forcing that other forcing is made from, which would not see the bias.

    Examples
    --------
    >>> from lsm_bayes import land
    >>> doubtful = with_forcing_bias(land.get("optic"), factors={"resource_availability": 0.2})
    >>> doubtful.parameter_table["resource_availability_factor"][0].prior
    Prior(distribution='log_normal', centre=1.0, spread=0.2, origin=0.0)
    """
    factors, offsets = dict(factors or {}), dict(offsets or {})
    _check(model, factors, offsets)
    added: dict[str, tuple[Parameter, float]] = {}
    for name, sd in factors.items():
        bounds = (float(np.exp(-REACH * sd)), float(np.exp(REACH * sd)))
        added[f"{name}_factor"] = Parameter("1", bounds, f"true {name} over the given one", Prior("log_normal", 1.0, sd)), 1.0
    for name, sd in offsets.items():
        unit = model.forcing_quantities[name].unit
        declared = Parameter(unit, (-REACH * sd, REACH * sd), f"true {name} minus the given one", Prior("normal", 0.0, sd))
        added[f"{name}_offset"] = declared, 0.0
    return replace(
        model,
        name=f"{model.name}_forcing_bias",
        title=f"{model.title}, forcing biased",
        step=_step(model, tuple(factors), tuple(offsets)),
        parameters=with_fields(model.parameters, added),
        constraints=tuple(_constraint(c, tuple(factors), tuple(offsets)) for c in model.constraints),
    )


def _check(model: ProcessModel, factors: Mapping[str, float], offsets: Mapping[str, float]) -> None:
    if model.nested is not None:
        raise ValueError(f"{model.name} has a nested step; a bias of the forcing acts on models without one")
    if not factors and not offsets:
        raise ValueError("no bias; give factors={'forcing': sd of its logarithm} or offsets={'forcing': sd}")
    known = [n for n in model.forcing_quantities if n not in CLOCKS and n not in model.folded]
    for name, sd in [*factors.items(), *offsets.items()]:
        if name in CLOCKS or name in model.folded:
            raise ValueError(
                f"{model.name}: {name!r} is a clock or a constant of the kernel and has no bias; forcing that may: {', '.join(known)}"
            )
        if name not in model.forcing_quantities:
            raise KeyError(f"{model.name}: {unknown('forcing', name, known)}")
        if not sd > 0:
            raise ValueError(f"the prior sd of the bias of {name!r} is positive, got {sd}")
        made = [n for d in model.derived_forcing if name in d.needs for n in d.names]
        if made:
            raise ValueError(
                f"{model.name}: {', '.join(made)} {'are' if len(made) > 1 else 'is'} made from {name!r} before the run and would not see "
                "its bias; give these in the data, each with a bias of its own"
            )


def _seen(values: Mapping[str, Any], p: Any, factors: tuple[str, ...], offsets: tuple[str, ...]) -> dict[str, Any]:
    found = dict(values)
    for name in factors:
        found[name] = found[name] * getattr(p, f"{name}_factor")
    for name in offsets:
        found[name] = found[name] + getattr(p, f"{name}_offset")
    return found


def _step(model: ProcessModel, factors: tuple[str, ...], offsets: tuple[str, ...]) -> Callable[..., tuple[Any, ...]]:
    own = len(model.parameters._fields)  # type: ignore[attr-defined]

    def step(x: Any, f: Any, p: Any) -> tuple[Any, ...]:
        return model.step(
            x, f._replace(**_seen({n: getattr(f, n) for n in {*factors, *offsets}}, p, factors, offsets)), model.parameters(*p[:own])
        )

    return step


def _constraint(c: Constraint, factors: tuple[str, ...], offsets: tuple[str, ...]) -> Constraint:
    def changed(function: Callable[..., Any]) -> Callable[..., Any]:
        return partial(_with_seen_means, function, factors, offsets)

    return replace(c, margin=changed(c.margin), graded={n: changed(g) for n, g in c.graded.items()})


def _with_seen_means(
    function: Callable[..., Any], factors: tuple[str, ...], offsets: tuple[str, ...], means: Mapping[str, Any], p: Any, *run: Any
) -> Any:
    return function(_seen(means, p, factors, offsets), p, *run)
