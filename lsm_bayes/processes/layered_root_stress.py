"""Factor of stomatal conductance with soil water and temperature, and what each layer gives to the roots, as in BEPS.

Ju et al. (2006), doi 10.1016/j.agrformet.2006.08.014, equations 11 to 13, with suction in metres of water.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import larger

LEAST = 0.1
NO_ROOTS = 1e-6  # sum of weights below which nothing is taken up
TEMPERATURE_WIDTH = 0.2  # K
SUCTION_WIDTH = 0.3  # m
FACTOR_WIDTH = 0.01


class Stress(NamedTuple):
    """Factor, and the share of transpiration that each layer gives."""

    factor: Any
    uptake: tuple[Any, ...]


def suction(water: Any, porosity: Any, saturated: Any, exponent: Any) -> Any:
    """Return the suction of a layer (Campbell 1974, doi 10.1097/00010694-197406000-00001).

    Parameters
    ----------
    water, porosity : tensor
        m3 m-3.
    saturated : tensor
        Suction of saturated soil, m: the least there is.
    exponent : tensor
        Retention exponent b.

    Returns
    -------
    tensor
        m.
    """
    return larger(saturated, saturated * (water / porosity) ** -exponent)


def layered_stress(
    suctions: Sequence[Any], temperatures: Sequence[Any], roots: Sequence[Any], onset: Any, steepness: Any, soft: float = 0.0
) -> Stress:
    """Return the factor of a profile.

    Parameters
    ----------
    suctions, temperatures, roots : sequence of tensor
        Suction (m), temperature (degC) and fraction of the roots of each layer.
    onset : tensor
        Suction from which stress begins, m.
    steepness : tensor
        Exponent of the response to suction; below 1 the response is infinitely steep where it begins.
    soft : float
        Widths of what begins at the onset and above 0 degC, and of the least factor, as multiples of those of this module; 0: exact.

    Returns
    -------
    Stress
        Factor between 0.1 and 1. In frozen soil the factor is 0.1 and nothing is taken up, whatever transpires.
    """
    weights, fits = [], []
    for s, t, root in zip(suctions, temperatures, roots, strict=True):
        beyond = (s - onset) / onset
        if soft > 0:
            above = positive_part(beyond, SUCTION_WIDTH * soft / 10.0)
            warmth = positive_part(t, TEMPERATURE_WIDTH * soft)
        else:
            above = pt.switch(beyond > 0, beyond, 0.0)
            warmth = pt.switch(t > 0, t, 0.0)
        there = above > 0
        dry = 1.0 / (1.0 + pt.switch(there, pt.switch(there, above, 1.0) ** steepness, 0.0))
        fit = dry * (1.0 - pt.exp(-0.02 * warmth**2))
        fits.append(fit)
        weights.append(fit * root)
    total = sum(weights)
    none = total < NO_ROOTS
    whole = pt.switch(none, 1.0, total)
    uptake = tuple(pt.switch(none, 0.0, w / whole) for w in weights)
    return Stress(larger(sum(f * u for f, u in zip(fits, uptake, strict=True)), LEAST, FACTOR_WIDTH * soft), uptake)
