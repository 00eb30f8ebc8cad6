"""Rain and snow held on the leaves of a storey, as in BEPS (Ju et al. 2006, doi 10.1016/j.agrformet.2006.08.014)."""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import smaller

CAPACITY = 0.1  # kg m-2 per leaf area, of rain; and of snow that covers a leaf
COVERED = 0.01  # share of the leaf area that full snow changes the albedo of
WIDTH = 0.02  # of the capacity
FRACTION_WIDTH = 0.01


class Held(NamedTuple):
    """Store of a storey, kg m-2, its wet fraction, and what passes, kg m-2 s-1."""

    store: Any
    fraction: Any
    passed: Any


def _intercepted(leaf: Any, clumping: Any) -> Any:
    return 1.0 - pt.exp(-clumping * leaf)


def rain(store: Any, falling: Any, leaf: Any, clumping: Any, seconds: float, *, original: bool = False, soft: float = 0.0) -> Held:
    """Let rain fall on a storey.

    Parameters
    ----------
    store : tensor
        Water on leaves before, kg m-2.
    falling : tensor
        Rain from above, kg m-2 s-1.
    leaf : tensor
        Leaf area index, m2 m-2.
    clumping : tensor
        Clumping index.
    seconds : float
        Step length.
    original : bool
        Water above the capacity of fewer leaves vanishes, as in the source; otherwise it drips.
    soft : float
        Width of the capacity, times `WIDTH`; 0: exact.

    Returns
    -------
    Held
        After the step.
    """
    capacity = CAPACITY * leaf
    kept = capacity * smaller((store + falling * seconds * _intercepted(leaf, clumping)) / capacity, 1.0, WIDTH * soft)
    gained = kept - store
    passed = falling - (positive_part(gained) if original else gained) / seconds
    return Held(kept, kept / capacity, passed)


def snow(store: Any, falling: Any, leaf: Any, clumping: Any, seconds: float, soft: float = 0.0) -> Held:
    """Let snow fall on a storey.

    Parameters
    ----------
    store : tensor
        Snow on leaves before, kg m-2.
    falling : tensor
        Snowfall from above, kg m-2 s-1.
    leaf : tensor
        Leaf area index, m2 m-2.
    clumping : tensor
        Clumping index.
    seconds : float
        Step length.
    soft : float
        Width of full cover, times `FRACTION_WIDTH`; 0: exact.

    Returns
    -------
    Held
        The store has no limit, its fraction has.
    """
    caught = falling * _intercepted(leaf, clumping)
    kept = store + caught * seconds
    return Held(kept, smaller(kept / (CAPACITY * leaf), 1.0, FRACTION_WIDTH * soft), falling - caught)
