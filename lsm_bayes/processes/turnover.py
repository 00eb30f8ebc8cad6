"""First-order loss of a pool over a step of any length."""

from collections.abc import Callable
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


def exponential_loss_rate(rate: Any, step_length: Any) -> Any:
    """Return the mean loss per day of a pool that decays continuously, as a fraction of the pool at the start of a step.

    Parameters
    ----------
    rate : tensor
        d-1, decay rate of the pool, constant over the step.
    step_length : tensor
        d.

    Returns
    -------
    tensor
        d-1, ``(1 - exp(-rate step)) / step``: what is left is never negative, however long the step.
    """
    return -pt.expm1(-rate * step_length) / step_length


def forward_loss_rate(rate: Any, step_length: Any) -> Any:
    """Return the loss per day of the explicit Euler method, as a fraction of the pool at the start of a step.

    Parameters
    ----------
    rate : tensor
        d-1.
    step_length : tensor
        d; above ``1 / rate`` the pool turns negative.

    Returns
    -------
    tensor
        d-1, the rate itself. `exponential_loss_rate` converges to it as the step shortens.
    """
    return rate


def integrated(method: str) -> Callable[[Any, Any], Any]:
    """Choose how a decay rate is integrated over a step.

    Parameters
    ----------
    method : {"exponential", "forward"}
        `exponential_loss_rate` or `forward_loss_rate`.

    Returns
    -------
    callable
        ``loss_rate(rate, step_length)``.

    Raises
    ------
    ValueError
        For another method; the message lists the two.
    """
    methods = {"exponential": exponential_loss_rate, "forward": forward_loss_rate}
    if method not in methods:
        raise ValueError(f"unknown integration of decay {method!r}. Known: {', '.join(methods)}.")
    return methods[method]
