"""Nine pools of dead carbon with the flows of CENTURY, for steps of one hour, as in BEPS.

Ju & Chen (2005), doi 10.1002/hyp.5583; Parton et al. (1993), doi 10.1029/93GB02042. Litter comes from biomass in balance with an annual net
primary production: of what a step produces more or less than its share of the year, biomass passes on its turnover.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip
from lsm_bayes.processes.thresholds import larger

HOURS = 365.0 * 24.0
METABOLIC = 0.2  # of litter
LEAST = 0.3  # factors of temperature and moisture


class Pools(NamedTuple):
    """gC m-2."""

    coarse: Any
    surface_structural: Any
    surface_metabolic: Any
    soil_structural: Any
    soil_metabolic: Any
    surface_microbial: Any
    soil_microbial: Any
    slow: Any
    passive: Any


class Inputs(NamedTuple):
    """Share of production and turnover per year of wood, coarse roots, leaves and fine roots."""

    shares: tuple[Any, Any, Any, Any]
    turnovers: tuple[Any, Any, Any, Any]


class Rates(NamedTuple):
    """Flows per year and pool: to the air and to each other pool."""

    coarse: tuple[Any, Any, Any]  # to air, soil microbial, slow
    surface_structural: tuple[Any, Any, Any]  # to air, surface microbial, slow
    surface_metabolic: tuple[Any, Any]  # to air, surface microbial
    soil_structural: tuple[Any, Any, Any]  # to air, soil microbial, slow
    soil_metabolic: tuple[Any, Any]  # to air, soil microbial
    surface_microbial: tuple[Any, Any]  # to air, slow
    soil_microbial: tuple[Any, Any, Any]  # to air, slow, passive
    slow: tuple[Any, Any, Any]  # to air, soil microbial, passive
    passive: tuple[Any, Any]  # to air, soil microbial


def temperature_factor(temperature: Any, width: float = 0.0) -> Any:
    """Return the factor of decomposition with temperature (Lloyd & Taylor 1994, doi 10.2307/2389824).

    Parameters
    ----------
    temperature : tensor
        Of the soil, degC.
    width : float
        Of the limits (`smoothing.clip`).

    Returns
    -------
    tensor
        0.3 to 1, which is reached at 35 degC.
    """
    return clip(pt.exp(308.56 * (1.0 / 81.032 - 1.0 / (temperature + 46.032))), LEAST, 1.0, width)


def moisture_factor(wetness: Any, fine: bool, width: float = 0.0) -> Any:
    """Return the factor of decomposition with moisture.

    Parameters
    ----------
    wetness : tensor
        Relative soil moisture.
    fine : bool
        Fine texture (loam and finer).
    width : float
        Of the least factor.

    Returns
    -------
    tensor
        At least 0.3.
    """
    a, b, c = (5.44, 5.03, 0.472) if fine else (5.63, 4.64, 0.71)
    return larger(a * wetness - b * wetness**2 - c, LEAST, width)


def litter(inputs: Inputs, annual: Any, produced: Any) -> tuple[Any, Any, Any]:
    """Return the litter of an hour.

    Parameters
    ----------
    inputs : Inputs
        Shares and turnovers.
    annual : tensor
        Net primary production of a year, gC m-2.
    produced : tensor
        In this hour, gC m-2.

    Returns
    -------
    tuple of tensor
        Coarse, of leaves and of fine roots, gC m-2.
    """
    excess = produced - annual / HOURS
    wood, coarse, leaf, fine = (s / HOURS * (annual + k * excess) for s, k in zip(inputs.shares, inputs.turnovers, strict=True))
    return wood + coarse, leaf, fine


def step(x: Pools, fallen: tuple[Any, Any, Any], r: Rates, surface: Any, soil: Any) -> tuple[Pools, Any]:
    """Let the pools decompose for an hour.

    Parameters
    ----------
    x : Pools
        Before.
    fallen : tuple of tensor
        `litter`.
    r : Rates
        Per year.
    surface, soil : tensor
        Factors of decomposition at the surface and in the soil.

    Returns
    -------
    tuple
        Pools after it, and the carbon that went to the air, gC m-2. Litter decays in the step it falls in. Receiving pools take from
        the pools at the end of the step what these lost from those at its start: carbon is not conserved to second order in the rates, and
        what went to the air is what is missing.
    """
    s, b = surface / HOURS, soil / HOURS
    wood, leaf, fine = fallen

    def decayed(pool: Any, rates: tuple[Any, ...], factor: Any, gained: Any) -> Any:
        return pool * (1.0 - sum(rates) * factor) + gained

    def buried(pool: Any, rates: tuple[Any, ...], factor: Any, gained: Any) -> Any:
        return decayed(pool, rates, factor, gained / (1.0 + sum(rates) * factor))

    coarse = buried(x.coarse, r.coarse, b, wood)
    structural = buried(x.surface_structural, r.surface_structural, s, (1.0 - METABOLIC) * leaf)
    metabolic = buried(x.surface_metabolic, r.surface_metabolic, s, METABOLIC * leaf)
    soil_structural = buried(x.soil_structural, r.soil_structural, b, (1.0 - METABOLIC) * fine)
    soil_metabolic = buried(x.soil_metabolic, r.soil_metabolic, b, METABOLIC * fine)
    microbial = decayed(
        x.surface_microbial, r.surface_microbial, s, s * (r.surface_structural[1] * structural + r.surface_metabolic[1] * metabolic)
    )
    given = r.soil_structural[1] * soil_structural + r.soil_metabolic[1] * soil_metabolic + r.coarse[1] * coarse
    soil_microbial = decayed(x.soil_microbial, r.soil_microbial, b, b * (given + r.slow[1] * x.slow + r.passive[1] * x.passive))
    given = r.soil_microbial[1] * soil_microbial + r.soil_structural[2] * soil_structural + r.coarse[2] * coarse
    slow = decayed(x.slow, r.slow, b, b * given + s * (r.surface_microbial[1] * microbial + r.surface_structural[2] * structural))
    passive = decayed(x.passive, r.passive, b, b * (r.soil_microbial[2] * soil_microbial + r.slow[2] * slow))
    after = Pools(coarse, structural, metabolic, soil_structural, soil_metabolic, microbial, soil_microbial, slow, passive)
    return after, sum(fallen) - sum(new - old for new, old in zip(after, x, strict=True))
