"""Initial pools: free inside their bounds, in proportion to a parameter, or near the model's periodic equilibrium."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
class NearEquilibrium:
    """The periodic equilibrium of the pool times exp(d), d ~ N(0, spread).

    Parameters
    ----------
    spread : float
        Prior sd of the log disequilibrium. NEE alone hardly informs it: state it, and look at what a wider one does.
    """

    spread: float = 0.5

    def describe(self) -> str:
        """Say it in words.

        Returns
        -------
        str
            The choice.
        """
        return f"periodic equilibrium times exp(d), d ~ N(0, {self.spread:g})"


Initial = Free | InProportion | NearEquilibrium


def initial_of(model: ProcessModel, choices: Mapping[str, Initial]) -> dict[str, Initial]:
    """Complete the user's choices by free pools, and check them.

    Parameters
    ----------
    model : ProcessModel
        The model.
    choices : mapping of str to Free, InProportion or NearEquilibrium
        By state.

    Returns
    -------
    dict
        One for each state.

    Raises
    ------
    KeyError
        For a name that is no state, or a parameter that does not exist.
    ValueError
        When the model declares no equilibrium for a pool.
    """
    possible: set[str] = set()
    if model.equilibrium is not None:
        symbols = model.parameters(*[pt.dscalar(n) for n in model.parameters._fields])  # type: ignore[attr-defined]
        possible = set(model.equilibrium.pools({n: pt.dscalar(n) for n in model.equilibrium.needs}, symbols))
    for name, choice in choices.items():
        if name not in model.state_parameters:
            raise KeyError(f"{model.name}: {unknown('state', name, model.state_parameters)}")
        if isinstance(choice, InProportion) and choice.to not in model.parameter_table:
            raise KeyError(f"{model.name}: initial {name}: {unknown('parameter', choice.to, model.parameter_table)}")
        if isinstance(choice, NearEquilibrium) and name not in possible:
            raise ValueError(
                f"{model.name} declares no equilibrium of {name!r}; it does for {', '.join(sorted(possible)) or 'no pool'}. Use Free()."
            )
    return {name: choices.get(name, Free()) for name in model.state_parameters}


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
