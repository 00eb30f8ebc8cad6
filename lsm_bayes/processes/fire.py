"""Fire losses of one pool (Bloom et al. 2016, doi 10.1073/pnas.1515160113, supplement; CARDAMOM source)."""

from typing import Any


def combustion(pool: Any, burned_area: Any, completeness: Any, step_length: Any) -> Any:
    """Return the carbon emitted from a pool.

    Parameters
    ----------
    pool : tensor
        gC m-2.
    burned_area : tensor
        Fraction of the area that burns during the step.
    completeness : float or tensor
        Fraction of the carbon on burned ground that is emitted.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        gC m-2 d-1.
    """
    return pool * burned_area * completeness / step_length


def mortality(pool: Any, burned_area: Any, completeness: Any, resilience: Any, step_length: Any) -> Any:
    """Return the carbon of a pool that fire kills without emitting it.

    Parameters
    ----------
    pool : tensor
        gC m-2.
    burned_area : tensor
        Fraction of the area that burns during the step.
    completeness : float or tensor
        Fraction of the carbon on burned ground that is emitted.
    resilience : float or tensor
        Fraction of the remainder that survives.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        gC m-2 d-1.
    """
    return pool * burned_area * (1.0 - completeness) * (1.0 - resilience) / step_length
