"""Parameters that press against a bound: the data, or the missing physics, ask for values outside it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lsm_bayes.diagnostics.result import limits, scale_of, variable_of

NEAR = 0.01  # fraction of the range that counts as being at the bound
MASS = 0.05  # posterior mass there that counts as pressing; a flat posterior has 0.01
PEAK = 1.5  # density at the bound, relative to a flat one, from which a rising density counts
_GRID = np.linspace(0, 0.3, 31)


@dataclass(frozen=True)
class Pressing:
    """A parameter that presses against a bound.

    Parameters
    ----------
    parameter : str
        Label of the scalar.
    side : str
        ``"lower"`` or ``"upper"``.
    bound : float
        Value of the bound, in the parameter's unit.
    mass : float
        Posterior mass within 1 % of the range of the bound.
    rising : bool
        Whether the density still rises towards the bound.
    reported : str
        Sentence of the model card, or an empty string.
    """

    parameter: str
    side: str
    bound: float
    mass: float
    rising: bool
    reported: str


def pressing(draws: dict[str, np.ndarray], card: dict[str, Any], reported: dict[str, str]) -> tuple[Pressing, ...]:
    """Find the parameters that press against their bounds.

    A parameter presses when more than 5 % of its posterior lies within 1 % of the range of a bound, or when its
    density still rises towards the bound and is there at least 1.5 times that of a flat posterior. The range is
    taken on the log scale for rates and pools (see `lsm_bayes.diagnostics.result.scale_of`); circular parameters
    have no bound.

    Parameters
    ----------
    draws : dict
        Label to draws of shape (chain, draw).
    card : dict
        Model card, whose ``parameters`` give the bounds.
    reported : dict
        Parameter or label to a sentence.

    Returns
    -------
    tuple of Pressing
        In the order of `draws`.
    """
    found = []
    for label, values in draws.items():
        entry = card.get("parameters", {}).get(variable_of(label), {})
        lower, upper = limits(entry)
        scale = scale_of(entry)
        if scale == "circular" or not np.isfinite([lower, upper]).all() or not np.isfinite(values).all() or np.ptp(values) == 0:
            continue
        position = _position(values.ravel(), lower, upper, scale)
        for side, bound, distance in (("lower", lower, position), ("upper", upper, 1 - position)):
            mass = float((distance < NEAR).mean())
            rising = _rises(distance)
            if mass > MASS or rising:
                found.append(Pressing(label, side, bound, mass, rising, reported.get(label) or reported.get(variable_of(label)) or ""))
    return tuple(found)


def _position(values: np.ndarray, lower: float, upper: float, scale: str) -> np.ndarray:
    if scale == "log":
        tiny = np.finfo(float).tiny
        return np.log(np.maximum(values, tiny) / lower) / np.log(upper / lower)
    return (values - lower) / (upper - lower)


def _rises(distance: np.ndarray) -> bool:
    """Say whether the density is largest at distance 0; the kernel estimate is reflected there, so that it is not biased low."""
    spread = min(distance.std(), np.subtract(*np.quantile(distance, [0.75, 0.25])) / 1.349)
    width = max(0.9 * spread * distance.size**-0.2, 1e-4)
    near = np.concatenate([distance, -distance])
    near = near[np.abs(near) < _GRID[-1] + 4 * width]
    density = np.exp(-0.5 * ((_GRID[:, None] - near) / width) ** 2).sum(axis=1) / (distance.size * width * np.sqrt(2 * np.pi))
    inside = density[len(_GRID) // 2]  # at 0.15 of the range
    return bool(density[0] >= PEAK and density[0] >= 0.9 * density.max() and density[0] > 1.1 * inside)
