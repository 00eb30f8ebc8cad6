"""A process model with parameters that differ from year to year: error of the process itself, carried into every flux and pool.

Embedding the model error in parameters (Sargsyan, Najm & Ghanem 2015, doi 10.1002/kin.20906; Sargsyan, Huan & Najm 2019, doi
10.1615/Int.J.UncertaintyQuantification.2019027384) keeps predictions physical: budgets stay closed, and the spread reaches streams that
were not observed, which an error term of one stream cannot do.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior, ProcessModel, with_fields
from lsm_bayes.vocabulary import QUANTITIES, unknown

CLOCK = "day_number"
YEAR = 365.25


def with_yearly_noise(
    model: ProcessModel, noise: Mapping[str, float], years: int, *, spread: float = 0.5, walk: Collection[str] = ()
) -> ProcessModel:
    """Let parameters of a process model differ from year to year about a common value.

    Parameters
    ----------
    model : ProcessModel
        The model, without a nested step.
    noise : mapping of str to float
        By parameter, the median of the log-normal prior of its variability: the sd of yearly deviations of the logit of its place between
        its bounds (of logarithms where the declared prior is of the logarithm). In the middle of the bounds 0.4 moves it by a tenth of
        their distance.
    years : int
        Years of 365.25 d from the first 1 January of the record to its end, withheld years included: these get draws of the prior.
    spread : float
        Sd of the logarithm of the variability.
    walk : collection of str
        Parameters whose years follow each other as a random walk: the deviations are steps from the year before, the first from the
        common value.

    Returns
    -------
    ProcessModel
        With the parameters ``<name>_variability`` and, standard normal, ``<name>_year_1`` and so on, all by site. Beyond the last year
        trajectories are NaN. With all deviations 0 it is the same model.

    Raises
    ------
    KeyError
        For a name that is no parameter of the model, or a random walk of one without noise.
    ValueError
        For a model with a nested step, no parameter, a median that is not positive, less than two years, and dates, which have no such
        bounds.

    Notes
    -----
    Constraints and equilibria are those of the common value. A parameter's deviations and the common value are told apart only by several
    years; two trade off against each other where few years are observed.
    """
    _check(model, noise, years)
    for name in walk:
        if name not in noise:
            raise KeyError(unknown("parameter with yearly noise", name, noise))
    flat = Prior("normal", 0.0, 1.0)
    added: dict[str, tuple[Parameter, float | None]] = {}
    for name, median in noise.items():
        prior = Prior("log_normal", median, spread)
        bounds = (median * float(np.exp(-5.0 * spread)), median * float(np.exp(5.0 * spread)))
        said = f"sd of yearly deviations of {name}, in logits between its bounds"
        added[f"{name}_variability"] = Parameter("1", bounds, said, prior, level="site"), median
        for k in range(1, years + 1):
            declared = Parameter("1", (-5.0, 5.0), f"deviation of {name} in year {k} of the record, in its variability", flat, level="site")
            added[year_name(name, k)] = declared, 0.0
    forcing = model.forcing
    if CLOCK not in forcing._fields:  # type: ignore[attr-defined]
        forcing = with_fields(forcing, {CLOCK: (QUANTITIES[CLOCK], None)})
    return replace(
        model,
        name=f"{model.name}_yearly_noise",
        title=f"{model.title}, parameters that differ from year to year",
        step=_step(model, tuple(noise), years, walk),
        parameters=with_fields(model.parameters, added),
        forcing=forcing,
    )


def year_name(parameter: str, year: int) -> str:
    """Name of the deviation of a parameter in a year.

    Parameters
    ----------
    parameter : str
        Parameter.
    year : int
        Counted from 1, the first of the record.

    Returns
    -------
    str
        Such as ``canopy_efficiency_year_3``.
    """
    return f"{parameter}_year_{year}"


def deviated(value: Any, deviation: Any, declared: Parameter) -> Any:
    """Move a parameter in the logit of its place between its bounds.

    Parameters
    ----------
    value : tensor
        In its unit, inside its bounds.
    deviation : tensor
        Of the logit.
    declared : Parameter
        Bounds and prior.

    Returns
    -------
    tensor
        In its unit, inside its bounds.
    """
    low, high = declared.bounds
    factor = pt.exp(-deviation)
    if declared.prior.distribution.startswith("log_"):
        origin = declared.prior.origin
        a, b = np.log(low - origin), np.log(high - origin)
        x = pt.log(value - origin)
        return pt.exp(a + (b - a) * (x - a) / ((x - a) + (b - x) * factor)) + origin
    return low + (high - low) * (value - low) / ((value - low) + (high - value) * factor)


def _step(model: ProcessModel, names: tuple[str, ...], years: int, walk: Collection[str]) -> Callable[..., tuple[Any, Any]]:
    n_p, n_f = len(model.parameters._fields), len(model.forcing._fields)  # type: ignore[attr-defined]
    declared = {n: model.parameter_table[n][0] for n in names}

    def step(x: Any, f: Any, p: Any) -> tuple[Any, Any]:
        clock = getattr(f, CLOCK) / YEAR
        own = model.parameters(*p[:n_p])
        changed = {}
        for name in names:
            # The last one is NaN: a year without a deviation of its own must not pass for an average one.
            found: Any = pt.constant(np.nan, dtype="float64")
            own_years = [getattr(p, year_name(name, k + 1)) for k in range(years)]
            for k in range(1, years if name in walk else 0):
                own_years[k] = own_years[k - 1] + own_years[k]
            for k in reversed(range(years)):
                found = pt.switch(clock < k + 1.0, own_years[k], found)
            changed[name] = deviated(getattr(own, name), getattr(p, f"{name}_variability") * found, declared[name])
        return model.step(x, model.forcing(*f[:n_f]), own._replace(**changed))

    return step


def _check(model: ProcessModel, noise: Mapping[str, float], years: int) -> None:
    if model.nested is not None:
        raise ValueError(f"{model.name} has a nested step; yearly noise acts on models without one")
    if not noise:
        raise ValueError("yearly noise needs at least one parameter, such as {'light_use_efficiency': 0.4}")
    if years < 2:
        raise ValueError(f"yearly deviations need at least two years, got {years}")
    for name, median in noise.items():
        if name not in model.parameter_table:
            raise KeyError(f"{model.name}: {unknown('parameter', name, model.parameter_table)}")
        if not median > 0:
            raise ValueError(f"the median variability of {name!r} is a positive number, got {median}")
        if model.parameter_table[name][0].period is not None:
            raise ValueError(f"{name!r} is a date; yearly noise acts on parameters with bounds, not on dates")
