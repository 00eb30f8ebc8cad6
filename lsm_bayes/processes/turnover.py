"""First-order loss of a pool over a step of any length."""

from typing import Any

import pytensor.tensor as pt


def loss_rate(fraction_per_day: Any, step_length: Any) -> Any:
    """Return the mean loss per day, as a fraction of the pool at the start of a step.

    Parameters
    ----------
    fraction_per_day : tensor
        d-1, fraction lost in one day, below 1.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        d-1; times the pool and the step length it is what compounded daily losses remove. Equal to `fraction_per_day`
        for a step of one day (CARDAMOM source, all first-order fluxes). NaN where the fraction exceeds 1 and the step is
        not a whole number of days.
    """
    return (1.0 - (1.0 - fraction_per_day) ** pt.as_tensor(step_length)) / step_length


def literal_loss_rate(fraction_per_day: Any, step_length: Any) -> Any:
    """Return `loss_rate` evaluated as the C source does, with its cancellation: 1 - k is rounded before it is subtracted from 1.

    Parameters
    ----------
    fraction_per_day : tensor
        d-1.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        d-1. For comparison with the source only: relative errors of 1e-16 / k. The switch keeps rewriting from simplifying
        1 - (1 - k).
    """
    kept = pt.switch(pt.isfinite(fraction_per_day), 1.0 - fraction_per_day, fraction_per_day)
    return (1.0 - kept ** pt.as_tensor(step_length)) / step_length
