"""Declaration of an observation operator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ObservationOperator:
    """Maps a trajectory to what an instrument reports at each step.

    Parameters
    ----------
    name : str
        Name of the stream that it simulates, a quantity of the vocabulary.
    inputs : tuple of str
        Fluxes or states of the process model that it reads.
    function : callable
        ``function(series) -> series``, where ``series`` maps each input to an array or tensor whose last dimension is time.
    citation : str
        Source of the equation.
    """

    name: str
    inputs: tuple[str, ...]
    function: Callable[[Mapping[str, Any]], Any]
    citation: str = ""
