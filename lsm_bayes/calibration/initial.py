"""Initial pools: free, in proportion to a parameter, a share of another, at or near equilibrium, or regrown since a disturbance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymc as pm
import pytensor.tensor as pt

from lsm_bayes.declare import ProcessModel
from lsm_bayes.vocabulary import unknown


@dataclass(frozen=True)
class Free:
    """The declared prior."""

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        return "free inside its bounds"


@dataclass(frozen=True)
class InProportion:
    """A parameter times a factor: leaf carbon as leaf mass area times a leaf area index.

    Parameters
    ----------
    to : str
        The parameter.
    bounds : tuple of float
        Of the factor; its prior is log-uniform.
    """

    to: str
    bounds: tuple[float, float]

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        return f"{self.to} times a factor, log-uniform on [{self.bounds[0]:g}, {self.bounds[1]:g}]"


@dataclass(frozen=True)
class ShareOf:
    """A part of what another pool would start with, which keeps the rest.

    For leaves and labile carbon: on the first of January either can be the leaves of the coming summer. By themselves, on a log scale,
    they make an L-shaped ridge: one is known where the other is small, and no sampler goes round the corner well. Their sum is known.

    Parameters
    ----------
    pool : str
        The other pool, which starts `InProportion` to a parameter: that is then the sum of the two.
    bounds : tuple of float
        Of the share, whose prior is uniform.
    """

    pool: str
    bounds: tuple[float, float] = (0.02, 0.98)

    def __post_init__(self) -> None:
        if not 0 < self.bounds[0] < self.bounds[1] < 1:
            raise ValueError(f"bounds={self.bounds!r}: give two numbers that increase, between 0 and 1")

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        return f"a share of what {self.pool} would start with, uniform on [{self.bounds[0]:g}, {self.bounds[1]:g}]"


@dataclass(frozen=True)
class Cycle:
    """Forcing under which pools settle: whole years at the start of the record, repeated.

    Parameters
    ----------
    years : int, optional
        How many; default all whole years that are fitted. Each gradient runs them a few times.
    replaced : mapping of str to float, optional
        Forcing that has another value in the cycle, such as ``{"co2": 285.0}``.
    """

    years: int | None = None
    replaced: Mapping[str, float] = field(default_factory=dict)

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        length = "the whole years fitted" if self.years is None else f"the first {self.years} years of the record"
        return ", ".join([f"under {length}, repeated", *(f"{n} {v:g}" for n, v in self.replaced.items())])


@dataclass(frozen=True)
class NearEquilibrium:
    """The periodic equilibrium of the pool times exp(d), d ~ N(0, spread).

    Parameters
    ----------
    spread : float
        Prior sd of the log disequilibrium. NEE alone hardly informs it: state it, and look at what a wider one does.
    cycle : Cycle, optional
        Compute the exact equilibrium of all pools under this forcing. Default: the one that the model declares, from means over a run.
    """

    spread: float = 0.5
    cycle: Cycle | None = None

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        where = f" {self.cycle.describe()}," if self.cycle else ""
        return f"periodic equilibrium{where} times exp(d), d ~ N(0, {self.spread:g})"


@dataclass(frozen=True)
class AtEquilibrium:
    """The exact periodic equilibrium: the pool is a function of the parameters, whatever its bounds.

    Parameters
    ----------
    cycle : Cycle
        Forcing under which the pools settle.
    """

    cycle: Cycle = field(default_factory=Cycle)

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        return f"periodic equilibrium {self.cycle.describe()}"


@dataclass(frozen=True)
class AfterDisturbance:
    """Equilibrium, a disturbance at the start of a year, and regrowth until the record begins.

    Parameters
    ----------
    year : float or tuple of float
        When; two numbers are the bounds of a uniform prior. It lies at least a year before the record.
    lost : mapping of str to float or tuple of float
        By pool, the fraction that leaves the ecosystem, between 0 and 0.999; two numbers are the bounds of a uniform prior.
    co2 : float or mapping of float to float, optional
        Mole fraction by year from the disturbance to the record, umol mol-1, interpolated; or one number. Default: that of the cycle.
    cycle : Cycle
        Forcing under which the pools settle, and which repeats while they regrow.
    """

    year: float | tuple[float, float]
    lost: Mapping[str, float | tuple[float, float]]
    co2: float | Mapping[float, float] | None = None
    cycle: Cycle = field(default_factory=Cycle)

    def __post_init__(self) -> None:
        if not self.lost:
            raise ValueError(
                "a disturbance removes something: give the fraction lost of at least one pool, such as lost={'wood_carbon': 0.8}"
            )
        for name, limits in {"year": self.year, **self.lost}.items():
            low, high = bounds_of(limits)
            if low > high or (name != "year" and not 0 <= low <= high <= 0.999):
                raise ValueError(f"{name}={limits!r}: give a number or two that increase; fractions lie between 0 and 0.999")

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        parts = ", ".join(f"{_shown(v)} of {n}" for n, v in self.lost.items())
        return f"periodic equilibrium {self.cycle.describe()}; in {_shown(self.year)} a loss of {parts}, then regrowth"


Initial = Free | InProportion | ShareOf | NearEquilibrium | AtEquilibrium | AfterDisturbance


def bounds_of(value: float | tuple[float, float]) -> tuple[float, float]:
    """Lower and upper bound of a number, or of a range.

    Parameters
    ----------
    value : float or tuple of float
        What the user gave.

    Returns
    -------
    tuple of float
        Equal for a number.
    """
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(low), float(high)


def _shown(value: float | tuple[float, float]) -> str:
    low, high = bounds_of(value)
    return f"{low:g}" if low == high else f"[{low:g}, {high:g}]"


def cycle_of(choice: Initial) -> Cycle | None:
    """Cycle whose exact equilibrium a choice needs.

    Parameters
    ----------
    choice : Initial
        How a pool starts.

    Returns
    -------
    Cycle or None
        None where it needs none.
    """
    return choice.cycle if isinstance(choice, NearEquilibrium | AtEquilibrium | AfterDisturbance) else None


def is_derived(choice: Initial) -> bool:
    """Whether a pool follows from the parameters, so that it has no coordinate of its own.

    Parameters
    ----------
    choice : Initial
        How the pool starts.

    Returns
    -------
    bool
        True at the equilibrium and after a disturbance.
    """
    return isinstance(choice, AtEquilibrium | AfterDisturbance)


def initial_of(
    model: ProcessModel, choices: Mapping[str, Initial] | Initial, fixed: Sequence[str] = (), held: Sequence[str] = ()
) -> dict[str, Initial]:
    """Complete the user's choices by free pools, and check them.

    Parameters
    ----------
    model : ProcessModel
        The model.
    choices : mapping of str to Initial, or Initial
        By state; or one for all states that are neither fixed nor held.
    fixed, held : sequence of str
        States that keep a value, and those that no balance determines.

    Returns
    -------
    dict
        One for each state.

    Raises
    ------
    KeyError
        For a name that is no state, or a parameter that does not exist.
    ValueError
        When the model declares no equilibrium for a pool, when a pool that no balance determines is to be at equilibrium, and when choices
        differ in the cycle or the disturbance, of which a calibration has one.
    """
    if not isinstance(choices, Mapping):
        choices = dict.fromkeys((n for n in model.state_parameters if n not in fixed and n not in held), choices)
    possible: set[str] = set()
    if model.equilibrium is not None:
        symbols = model.parameters(*[pt.dscalar(n) for n in model.parameters._fields])  # type: ignore[attr-defined]
        possible = set(model.equilibrium.pools({n: pt.dscalar(n) for n in model.equilibrium.needs}, symbols))
    for name, choice in choices.items():
        if name not in model.state_parameters:
            raise KeyError(f"{model.name}: {unknown('state', name, model.state_parameters)}")
        if isinstance(choice, InProportion) and choice.to not in model.parameter_table:
            raise KeyError(f"{model.name}: initial {name}: {unknown('parameter', choice.to, model.parameter_table)}")
        if isinstance(choice, ShareOf):
            _check_share(model, name, choice, choices, fixed)
        if isinstance(choice, NearEquilibrium) and choice.cycle is None and name not in possible:
            raise ValueError(
                f"{model.name} declares no equilibrium of {name!r}; it does for {', '.join(sorted(possible)) or 'no pool'}. "
                "Use Free(), or NearEquilibrium(cycle=Cycle()) for the exact one."
            )
        if cycle_of(choice) is not None and name in held:
            raise ValueError(f"{model.name}: no balance determines {name!r}, so it has no equilibrium; use Free() or fix it")
    for what, found in (
        ("cycle", [cycle_of(k) for k in choices.values()]),
        ("disturbance", [k for k in choices.values() if isinstance(k, AfterDisturbance)]),
    ):
        several = [k for k in found if k is not None]
        if any(k != several[0] for k in several):
            raise ValueError(f"the pools of a calibration share one {what}; got {' and '.join(sorted({k.describe() for k in several}))}")
    for choice in choices.values():
        for name in choice.lost if isinstance(choice, AfterDisturbance) else ():
            if name not in model.state_parameters:
                raise KeyError(f"{model.name}: {unknown('state to disturb', name, model.state_parameters)}")
    return {name: choices.get(name, Free()) for name in model.state_parameters}


def _check_share(model: ProcessModel, name: str, choice: ShareOf, choices: Mapping[str, Initial], fixed: Sequence[str]) -> None:
    if choice.pool not in model.state_parameters:
        raise KeyError(f"{model.name}: initial {name}: {unknown('state', choice.pool, model.state_parameters)}")
    other = choices.get(choice.pool, Free())
    if choice.pool in fixed or not isinstance(other, InProportion):
        found = "fixed" if choice.pool in fixed else other.describe()
        raise ValueError(f"{model.name}: {name!r} is to share with {choice.pool!r}, which is {found}; let it start InProportion")
    if sum(isinstance(k, ShareOf) and k.pool == choice.pool for k in choices.values()) > 1:
        raise ValueError(f"{model.name}: several pools are to share with {choice.pool!r}; one can")


def in_proportion(factor: Any, parameter: Any, bounds: tuple[float, float]) -> Any:
    """Pool as a parameter times a factor, kept inside the bounds of the pool.

    Parameters
    ----------
    factor, parameter : tensor
        What is multiplied.
    bounds : tuple of float
        Bounds of the pool.

    Returns
    -------
    tensor
        gC m-2.
    """
    return pt.exp(_inside(pt.log(parameter * factor), bounds)[0])


def near_equilibrium(name: str, z: Any, equilibrium: Any, choice: NearEquilibrium, bounds: tuple[float, float]) -> Any:
    """Pool near its equilibrium, kept inside its bounds.

    Parameters
    ----------
    name : str
        Of the pool.
    z : tensor
        Standard normal: disequilibrium over its prior sd.
    equilibrium : tensor
        gC m-2.
    choice : NearEquilibrium
        Prior sd.
    bounds : tuple of float
        Bounds of the pool.

    Returns
    -------
    tensor
        gC m-2. Where the equilibrium lies outside the bounds the pool stays inside, and the prior of the disequilibrium is that
        of the pool which the run starts with: parameters whose equilibrium the bounds forbid are as unlikely as that says.
    """
    log_equilibrium = pt.log(equilibrium)
    log_pool, log_slope = _inside(log_equilibrium + choice.spread * z, bounds)
    ratio = (log_pool - log_equilibrium) / choice.spread
    # The density of z turned into that of the ratio that the run starts with; without the slope it would be improper.
    pm.Potential(f"{name}_disequilibrium_prior", pt.sum(0.5 * (z**2 - ratio**2) + log_slope))
    return pt.exp(log_pool)


def _inside(log_value: Any, bounds: tuple[float, float], width: float = 0.05) -> tuple[Any, Any]:
    """Keep a logarithm between bounds, smoothly within a few per cent of them; return it and the log of the slope."""
    low, high = math.log(bounds[0]), math.log(bounds[1])
    above = (log_value - low) / width
    raised = low + width * pt.softplus(above)
    below = (high - raised) / width
    return high - width * pt.softplus(below), -pt.softplus(-above) - pt.softplus(-below)
