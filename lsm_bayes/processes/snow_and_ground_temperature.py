"""Temperature of ground and snow from the balance of heat, without snow, under a thin and under a thick cover, as in BEPS.

The heat that a surface stores is that of 2 cm of soil or of snow; layers exchange heat by conduction (Chen et al. 2007, doi
10.1016/j.ecolmodel.2006.08.023). Traps of the source, all kept: the soil under a thin cover takes the conduction of snow without its depth
(`original`, otherwise with it); under a thick cover the soil is given the heat that enters the snow, not what leaves it.
"""

from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes.smoothing import clip

THIN, THICK = 0.02, 0.05  # m, depths of snow
SKIN = 0.02  # m, that stores heat
ICE = 2228.261  # J kg-1 K-1
LARGEST_CHANGE = 25.0  # K in a step
LARGEST_FLUX = 100.0  # W m-2
FLUX_WIDTH = 1.0  # W m-2


class Temperatures(NamedTuple):
    """degC."""

    ground: Any  # what the air touches
    top: Any  # uppermost soil
    snow: Any
    soil: Any  # surface of the soil without snow
    middle: Any  # of a thick cover
    bottom: Any


class Surroundings(NamedTuple):
    """What acts on the ground in a step."""

    air: Any  # degC
    canopy: Any  # of the understorey, degC
    available: Any  # net radiation less latent heat, W m-2
    exchange: Any  # heat capacity of the air times conductance, W m-2 K-1
    conductivity: Any  # of the uppermost soil, W m-1 K-1
    capacity: Any  # of the uppermost soil, J m-3 K-1
    thickness: Any  # of the uppermost soil, m
    below: Any  # temperature of the second layer of soil, degC
    inside: Any  # temperature of the uppermost layer of soil, degC
    downwards: Any  # flux into the second layer in the step before, W m-2
    depth: Any  # of snow, m
    density: Any  # of snow, kg m-3


def snow_conductivity(density: Any) -> Any:
    """Return the thermal conductivity of snow.

    Parameters
    ----------
    density : tensor
        kg m-3.

    Returns
    -------
    tensor
        W m-1 K-1.
    """
    return 0.021 + 4.2e-4 * density + 2.2e-9 * density**3


def _balanced(last: Any, terms: list[tuple[Any, Any]], stored: Any, available: Any) -> Any:
    """Temperature at which available heat is stored, conducted and exchanged, at most 25 K from the last."""
    total = stored * last + available + sum(c * t for c, t in terms)
    return clip(total / (stored + sum(c for c, _ in terms)) - last, -LARGEST_CHANGE, LARGEST_CHANGE) + last


def step(last: Temperatures, s: Surroundings, seconds: float, *, original: bool = False, soft: float = 0.0) -> tuple[Temperatures, Any]:
    """Return temperatures after a step and the flux into the soil.

    Parameters
    ----------
    last : Temperatures
        Before.
    s : Surroundings
        In the step.
    seconds : float
        Step length.
    original : bool
        Keep the slip of the source under a thin cover.
    soft : float
        Width of the limit of the flux, times `FLUX_WIDTH`; 0: exact.

    Returns
    -------
    tuple
        Temperatures, and W m-2 into the soil, at most 100. Snow that warms above 0 degC is at 0 degC.
    """
    stored = s.capacity * SKIN / seconds
    into_soil = s.conductivity / s.thickness
    snow_heat, lying = snow_conductivity(s.density), pt.switch(s.depth > 0, s.depth, 1.0)

    def limited(flux: Any) -> Any:
        return clip(flux, -LARGEST_FLUX, LARGEST_FLUX, FLUX_WIDTH * soft)

    def melting(now: Any) -> Any:
        return pt.switch(pt.and_(now > 0, last.snow <= 0), 0.0, now)

    bare = _balanced(last.ground, [(s.exchange, s.air), (into_soil, s.below)], stored, s.available)
    bare_flux = limited(2.0 * into_soil * (bare - s.below))

    soil = _balanced(last.soil, [(s.exchange, s.air), (2.0 * into_soil, s.below)], stored, s.available)
    through = snow_heat / lying
    terms = [(s.exchange, s.canopy), (through, s.inside)]
    thin = _balanced(last.snow, terms, ICE * s.density * lying / seconds, s.available)
    given = snow_heat if original else through
    top = (into_soil * s.below + given * thin + stored * s.inside) / (into_soil + through + stored)
    thin_flux = limited(snow_heat / (lying + 0.5 * s.thickness) * (thin - s.below))

    skin = ICE * s.density * SKIN / seconds
    deep = pt.switch(s.depth > THICK, s.depth, 2.0 * THICK)
    terms = [(2.0 * s.exchange, s.air), (snow_heat / SKIN, last.middle)]
    thick = _balanced(last.snow, terms, 2.0 * skin, s.available)
    first = limited(snow_heat * (thick - last.middle) / (2.0 * SKIN))
    second = snow_heat * (last.middle - last.bottom) / (deep - SKIN)
    third = (last.bottom - s.inside) / (0.5 * (deep - 2.0 * SKIN) / snow_heat + SKIN / s.conductivity)
    middle = last.middle + (first - second) / skin
    bottom = last.bottom + (second - third) / (ICE * s.density * (deep - 2.0 * SKIN)) * seconds
    under = s.inside + (third - s.downwards) / stored

    open_ground, shallow = s.depth <= THIN, s.depth <= THICK

    def chosen(a: Any, b: Any, c: Any) -> Any:
        return pt.switch(open_ground, a, pt.switch(shallow, b, c))

    thin, thick = melting(thin), melting(thick)
    return Temperatures(
        chosen(bare, thin, thick),
        chosen(bare, top, under),
        chosen(bare, thin, thick),
        chosen(bare, soil, under),
        chosen(bare, thin, middle),
        chosen(bare, thin, bottom),
    ), chosen(bare_flux, thin_flux, first)
