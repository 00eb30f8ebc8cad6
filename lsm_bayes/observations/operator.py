"""Declaration of an observation operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

from lsm_bayes.declare import Parameter, checked_parameters
from lsm_bayes.vocabulary import QUANTITIES, unknown

Range = tuple[float, float]


@dataclass(frozen=True)
class ObservationOperator:
    """Maps a trajectory to what an instrument reports at each step.

    Parameters
    ----------
    name : str
        Identifier; that of the quantity unless there are several operators for it.
    inputs : mapping of str to tuple of float
        What it reads, by names of the vocabulary, each with the range in which the equation holds, in the unit of the
        vocabulary. Fluxes and states of the process model where it has them (states as means of the start and the end of each step),
        else variables of the data set.
    function : callable
        ``function(series) -> series``, or ``function(series, parameters) -> series`` with parameters: symbolic expressions. ``series``
        maps each input to a tensor whose last dimension is time; a parameter broadcasts against it.
    parameters : NamedTuple class, optional
        Its own parameters, declared as those of a process model.
    quantity : str, optional
        Quantity of the vocabulary that it simulates; default `name`.
    citation : str
        Source of the equation, with its number.
    error : str
        The usual error of the instrument, in words.
    spread : callable, optional
        Standard deviation of the operator itself, of the signature of `function`: of a learned operator, away from its training. It is
        part of the likelihood.
    """

    name: str
    inputs: Mapping[str, Range]
    function: Callable[..., Any]
    parameters: type | None = None
    quantity: str = ""
    citation: str = ""
    error: str = ""
    spread: Callable[..., Any] | None = None
    parameter_table: dict[str, tuple[Parameter, float]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.quantity:
            object.__setattr__(self, "quantity", self.name)
        for name in (self.quantity, *self.inputs):
            if name not in QUANTITIES:
                raise KeyError(f"observation operator {self.name!r}: {unknown('quantity', name, QUANTITIES)}")
        for name, (low, high) in self.inputs.items():
            if not low < high:
                raise ValueError(
                    f"observation operator {self.name!r}: the range ({low}, {high}) of {name!r} is empty; give (lowest, highest)"
                )
        table = checked_parameters(f"observation operator {self.name!r}", "parameter", self.parameters) if self.parameters else {}
        object.__setattr__(self, "parameter_table", table)

    def __call__(self, series: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> Any:
        """Apply to tensors.

        Parameters
        ----------
        series : mapping of str to tensor
            One for each input, time last.
        parameters : mapping of str to tensor, optional
            Values that broadcast against the series; the declared defaults for the rest.

        Returns
        -------
        tensor
            What is observed, time last.

        Raises
        ------
        KeyError
            For a parameter that is not declared, or an input that is missing.
        """
        for name in self.inputs:
            if name not in series:
                raise KeyError(f"observation operator {self.name!r} needs {name!r}; given are {', '.join(sorted(series))}")
        chosen = {n: series[n] for n in self.inputs}
        if self.parameters is None:
            return self.function(chosen)
        given = dict(parameters or {})
        for name in given:
            if name not in self.parameter_table:
                raise KeyError(f"observation operator {self.name!r}: {unknown('parameter', name, self.parameter_table)}")
        # PyTensor would take a number that single precision holds for one of single precision.
        values = {n: given.get(n, pt.constant(default, dtype="float64")) for n, (_, default) in self.parameter_table.items()}
        return self.function(chosen, self.parameters(**values))

    def evaluate(self, series: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> np.ndarray:
        """Apply to numbers.

        Parameters
        ----------
        series : mapping of str to array_like
            One for each input, time last.
        parameters : mapping of str to array_like, optional
            Values that broadcast against the series; the declared defaults for the rest.

        Returns
        -------
        numpy.ndarray
            What is observed, time last.

        Raises
        ------
        KeyError
            For a parameter that is not declared, or an input that is missing.
        """
        arrays = {n: np.asarray(series[n], dtype=float) for n in self.inputs if n in series}
        values = {n: np.asarray(v, dtype=float) for n, v in (parameters or {}).items()}
        # Dimensions of length one are kept, all but time: they broadcast.
        symbols = {
            n: pt.tensor(n, dtype="float64", shape=(*(1 if k == 1 else None for k in a.shape[:-1]), None)) for n, a in arrays.items()
        }
        numbers = {n: pt.tensor(n, dtype="float64", shape=tuple(1 if k == 1 else None for k in v.shape)) for n, v in values.items()}
        output = self(symbols, numbers)
        # Interpreted: called once for each stream and site, and compiling would take longer.
        compute = pytensor.function([*symbols.values(), *numbers.values()], output, mode=Mode("py", None), on_unused_input="ignore")
        return np.asarray(compute(*arrays.values(), *values.values()))

    @cached_property
    def of_spread(self) -> "ObservationOperator | None":
        """Operator that gives the standard deviation of this one; None where it is taken as certain."""
        if self.spread is None:
            return None
        return replace(self, name=f"{self.name}_sd", function=self.spread, quantity=self.quantity, spread=None)

    @cached_property
    def defaults(self) -> dict[str, float]:
        """Declared default of each parameter."""
        return {n: default for n, (_, default) in self.parameter_table.items()}
