"""Temperature of a surface, of snow or soil, that exchanges heat and vapour with the air and heat with the soil below, all implicit.

JSBACH: Schulz et al. (2001), doi 10.1175/1520-0450(2001)040<0642:OTLSAC>2.0.CO;2 (implicit coupling), Louis (1979), doi
10.1007/BF00117978 (drag), Roesch et al. (2001), doi 10.1007/s003820100153 (snow cover), Reick et al. (2021), doi 10.17617/2.3279802, and
the public source of ICON-Land. The balance is linearised at the temperature of the start of the step, so that it has a closed form. Heat
fluxes are W m-2, evaporation is kg m-2 s-1.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.processes import soil_heat
from lsm_bayes.processes.smoothing import positive_part
from lsm_bayes.processes.thresholds import smaller

MELTING = 273.15  # K
STEFAN_BOLTZMANN = 5.6704e-8  # W m-2 K-4
EMISSIVITY = 0.996
AIR_HEAT = 1004.64  # J kg-1 K-1
DRY_AIR = 287.04  # J kg-1 K-1
VAPOUR_RATIO = 0.62197
VAPORISATION, SUBLIMATION, FUSION = 2.5008e6, 2.8345e6, 3.337e5  # J kg-1
GRAVITY, VON_KARMAN = 9.80665, 0.4
DAY = 86400.0
SNOW_DENSITY, SNOW_CONDUCTIVITY = 330.0, 0.31  # kg m-3, W m-1 K-1
FULL_COVER, COVER_SCALE, ROUGH = 0.95, 0.1, 0.15  # largest snow cover, mm-1, mm per m of orography
NOTHING = 1e-9


class Balance(NamedTuple):
    """What happens in a step."""

    temperatures: tuple[Any, ...]  # at its end, before melting, degC
    net_radiation: Any
    sensible_heat: Any
    evaporation: tuple[Any, ...]  # of the parts of the surface


def neutral_drag(height: Any, roughness: Any, heat_ratio: float = 3.0) -> Any:
    """Return the drag coefficient for heat in neutral air.

    Parameters
    ----------
    height : tensor
        Of wind and temperature above the zero plane, m.
    roughness : tensor
        Roughness length for momentum, m.
    heat_ratio : float
        Of the roughness lengths for momentum and heat.

    Returns
    -------
    tensor
        1.
    """
    above = pt.log1p(height / roughness)
    return VON_KARMAN**2 / (above * (above + pt.log(pt.as_tensor(heat_ratio))))


def drag(neutral: Any, richardson: Any, height: Any, roughness: Any, heat_ratio: float = 3.0) -> Any:
    """Return the drag coefficient for heat (Louis 1979).

    Parameters
    ----------
    neutral : tensor
        In neutral air.
    richardson : tensor
        Bulk Richardson number: positive in stable air.
    height, roughness : tensor
        As of `neutral_drag`, m.
    heat_ratio : float
        As of `neutral_drag`.

    Returns
    -------
    tensor
        1, with a continuous derivative.
    """
    stable = positive_part(richardson)
    free = stable - richardson
    mixed = 75.0 * neutral * pt.sqrt((free + 1e-10) * (1.0 + height * heat_ratio / roughness))
    return neutral * (1.0 + 15.0 * free / (1.0 + mixed)) / (1.0 + 15.0 * stable * pt.sqrt(1.0 + 5.0 * stable))


def specific_humidity(celsius: Any, pressure: Any) -> tuple[Any, Any]:
    """Return the specific humidity of saturated air over water, and its slope.

    Parameters
    ----------
    celsius : tensor
        degC.
    pressure : tensor
        Pa.

    Returns
    -------
    tuple of tensor
        kg kg-1 and kg kg-1 K-1 (Magnus). Over ice as well: no step at 0 degC.
    """
    vapour = 610.78 * pt.exp(17.269 * celsius / (237.3 + celsius))
    dry = pressure - (1.0 - VAPOUR_RATIO) * vapour
    saturated = VAPOUR_RATIO * vapour / dry
    return saturated, saturated * (17.269 * 237.3) / (237.3 + celsius) ** 2 * pressure / dry


def snow_cover(snow: Any, roughness: Any) -> Any:
    """Return the fraction of the ground that snow covers (Roesch et al. 2001).

    Parameters
    ----------
    snow : tensor
        mm.
    roughness : tensor
        Standard deviation of the height of the ground, m.

    Returns
    -------
    tensor
        0 to 0.95.
    """
    lying = snow + 1e-6
    return FULL_COVER * pt.tanh(COVER_SCALE * snow) * pt.sqrt(lying / (lying + ROUGH * roughness))


def available(wanted: Any, there: Any, width: float) -> Any:
    """Return a loss that a store can bear.

    Parameters
    ----------
    wanted : tensor
        Loss; a gain is negative.
    there : tensor
        Content of the store, not negative, in the same unit.
    width : float
        Of the kink, relative to the content; zero: exact.

    Returns
    -------
    tensor
        At most the content.
    """
    if not width:
        return smaller(wanted, there)
    over = width * there + NOTHING
    return wanted - over * pt.softplus((wanted - there) / over)


def balance(
    temperatures: Sequence[Any],
    capacities: Sequence[Any],
    conductances: Sequence[Any],
    absorbed: Any,
    longwave: Any,
    exchange: Any,
    air: Any,
    saturation: tuple[Any, Any],
    wet: Sequence[tuple[Any, Any, float]],
    seconds: float,
) -> Balance:
    """Solve the balance of energy of a surface and of the layers below it.

    Parameters
    ----------
    temperatures : sequence of tensor
        Of the surface and the layers below it, at the start, degC.
    capacities : sequence of tensor
        J m-2 K-1.
    conductances : sequence of tensor
        Between each layer and the next, W m-2 K-1.
    absorbed : tensor
        Shortwave radiation.
    longwave : tensor
        Incoming.
    exchange : tensor
        Density of air times drag and wind, kg m-2 s-1.
    air : tensor
        Temperature at which air at the surface would take up no heat, degC.
    saturation : tuple of tensor
        Specific humidity of saturated air at the surface at the start, and its slope.
    wet : sequence of (tensor, tensor, float)
        Of each part of the surface that evaporates: the factor of the saturated humidity of the surface, what is subtracted from it,
        and the latent heat in J kg-1. Evaporation is `exchange` times the difference.
    seconds : float
        Step length.

    Returns
    -------
    Balance
        Fluxes are those of the temperature at the end of the step. Energy is conserved to rounding.
    """
    surface = temperatures[0]
    kelvin = surface + MELTING
    emitted = EMISSIVITY * STEFAN_BOLTZMANN * kelvin**3
    net, slope = absorbed + EMISSIVITY * longwave - emitted * kelvin, 4.0 * emitted
    humid, steep = saturation
    heat, vapour_slope = exchange * AIR_HEAT, exchange * steep
    evaporated = [exchange * (f * humid - taken) for f, taken, _ in wet]
    latent = sum(h * e for (_, _, h), e in zip(wet, evaporated, strict=True))
    sensible = heat * (surface - air)
    damping = slope + heat + vapour_slope * sum(h * f for f, _, h in wet)
    outside = [(damping, surface + (net - sensible - latent) / damping)]
    warmed = soil_heat.implicit_warming(temperatures, capacities, outside, conductances, conductances, seconds / DAY)
    return Balance(
        tuple(t + w for t, w in zip(temperatures, warmed, strict=True)),
        net - slope * warmed[0],
        sensible + heat * warmed[0],
        tuple(e + vapour_slope * f * warmed[0] for (f, _, _), e in zip(wet, evaporated, strict=True)),
    )
