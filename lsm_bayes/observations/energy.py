"""Water vapour and heat of eddy covariance, and the radiometric temperature of the surface."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.angles import cosine
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.processes.water_properties import vaporisation_heat

STEFAN_BOLTZMANN = 5.670374419e-8  # W m-2 K-4
KELVIN = 273.15
DAY = 86400.0  # s


class Closure(NamedTuple):
    """What part of the turbulent energy an eddy-covariance system sees."""

    # One parameter a line.
    # fmt: off
    closure: Annotated[float, Parameter("1", (0.5, 1.2), "energy-balance closure: measured over true turbulent flux", Prior("log_normal", 0.85, 0.1))] = 0.85
    # fmt: on


class Emissivity(NamedTuple):
    """Longwave optics of the surface."""

    # fmt: off
    emissivity: Annotated[float, Parameter("1", (0.9, 1.0), "broadband longwave emissivity", Prior("normal", 0.975, 0.01), level="pft")] = 0.975
    # fmt: on


class ViewedCanopy(NamedTuple):
    """How much of the canopy a radiometer sees."""

    # fmt: off
    extinction: Annotated[float, Parameter("1", (0.15, 0.9), "projection of leaf area towards the sensor times clumping index", Prior("normal", 0.4, 0.1), level="pft")] = 0.4
    view_angle: Annotated[float, Parameter("degree", (0.0, 65.0), "zenith angle of the sensor", Prior("normal", 30.0, 10.0), level="global", fixed=True)] = 30.0
    # fmt: on


def latent_energy(series: Mapping[str, Any]) -> Any:
    """Return the energy that evapotranspiration takes up.

    Parameters
    ----------
    series : mapping of str to tensor
        ``evapotranspiration``, mm d-1, and ``air_temperature``, degC.

    Returns
    -------
    tensor
        W m-2, positive to the atmosphere: evapotranspiration times the latent heat of vaporisation of Henderson-Sellers (1984,
        equation 8 as SPLASH cites it), that of liquid water also below 0 degC.
    """
    return series["evapotranspiration"] * vaporisation_heat(series["air_temperature"]) / DAY


def evaporative_fraction(series: Mapping[str, Any]) -> Any:
    """Return the part of turbulent energy that is latent.

    Parameters
    ----------
    series : mapping of str to tensor
        ``latent_heat`` and ``sensible_heat``, W m-2, positive to the atmosphere.

    Returns
    -------
    tensor
        LE / (LE + H). A closure factor common to both cancels. Infinite where they cancel each other: leave such days out.
    """
    return series["latent_heat"] / (series["latent_heat"] + series["sensible_heat"])


def radiometric_temperature(series: Mapping[str, Any], p: Emissivity) -> Any:
    """Invert the Stefan-Boltzmann law with the reflected part of the sky's radiation.

    Parameters
    ----------
    series : mapping of str to tensor
        ``longwave_up``, reflected part included, and ``longwave_down``, W m-2.
    p : Emissivity
        Of the surface.

    Returns
    -------
    tensor
        K: [(L_up - (1 - eps) L_down) / (eps sigma)]^(1/4).
    """
    emitted = series["longwave_up"] - (1.0 - p.emissivity) * series["longwave_down"]
    return (emitted / (p.emissivity * STEFAN_BOLTZMANN)) ** 0.25


def mixed_temperature(series: Mapping[str, Any], p: ViewedCanopy) -> Any:
    """Mix soil and canopy by what the sensor sees of them (Norman et al. 1995, equation 1).

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_temperature`` and ``canopy_temperature``, degC; ``lai``, m2 m-2, at the start of each step.
    p : ViewedCanopy
        This stream sees only extinction over the cosine of the angle.

    Returns
    -------
    tensor
        K: [f Tc^4 + (1 - f) Ts^4]^(1/4), the form that pyTSEB cites as equation 1, with f = 1 - exp(-k LAI / cos(angle)), whose number was
        not checked. Both surfaces have one emissivity.
    """
    gap = pt.exp(-p.extinction * mid_step(series["lai"]) / cosine(p.view_angle))
    canopy, soil = series["canopy_temperature"] + KELVIN, series["soil_temperature"] + KELVIN
    return ((1.0 - gap) * canopy**4 + gap * soil**4) ** 0.25


_VAPORISATION = "Henderson-Sellers (1984), doi 10.1002/qj.49711046626, equation 8"
_CLOSURE = "closure: Wilson et al. (2002), doi 10.1016/S0168-1923(02)00109-0"
_EDDY = "Laplace, 10 to 20 % plus 5 to 10 W m-2"
_WATER = {"evapotranspiration": (0.0, 12.0), "air_temperature": (-30.0, 40.0)}
_SENSIBLE = {"sensible_heat": (-100.0, 500.0)}

EVAPOTRANSPIRATION = ObservationOperator(
    "evapotranspiration",
    {"evapotranspiration": (-1.0, 15.0)},
    lambda s: s["evapotranspiration"],
    error="Laplace, 10 to 20 % plus 0.2 to 0.4 mm d-1",
)
LATENT_HEAT = ObservationOperator(
    "latent_heat", _WATER, lambda s, p: p.closure * latent_energy(s), Closure, citation=f"{_VAPORISATION}; {_CLOSURE}", error=_EDDY
)
LATENT_HEAT_CLOSED = ObservationOperator(
    "latent_heat_closed", _WATER, latent_energy, quantity="latent_heat", citation=_VAPORISATION, error=_EDDY
)
SENSIBLE_HEAT = ObservationOperator(
    "sensible_heat", _SENSIBLE, lambda s, p: p.closure * s["sensible_heat"], Closure, citation=_CLOSURE, error=_EDDY
)
SENSIBLE_HEAT_CLOSED = ObservationOperator(
    "sensible_heat_closed", _SENSIBLE, lambda s: s["sensible_heat"], quantity="sensible_heat", error=_EDDY
)
EVAPORATIVE_FRACTION = ObservationOperator(
    "evaporative_fraction",
    {"latent_heat": (5.0, 400.0), "sensible_heat": (5.0, 400.0)},
    evaporative_fraction,
    citation="Gentine et al. (2007), Agric. For. Meteorol. 143, 13-29",
    error="normal, sd 0.05 to 0.1; days of little available energy are left out",
)
LAND_SURFACE_TEMPERATURE = ObservationOperator(
    "land_surface_temperature",
    {"longwave_up": (200.0, 650.0), "longwave_down": (120.0, 450.0)},
    radiometric_temperature,
    Emissivity,
    citation="Stefan-Boltzmann law with reflection: Norman & Becker (1995), doi 10.1080/02757259509532284",
    error="normal, sd 1 to 2 K by day, 0.8 to 1.5 K at night, and a bias by hour",
)
LAND_SURFACE_TEMPERATURE_MIXTURE = ObservationOperator(
    "land_surface_temperature_mixture",
    {"soil_temperature": (-10.0, 55.0), "canopy_temperature": (-10.0, 40.0), "lai": (0.0, 8.0)},
    mixed_temperature,
    ViewedCanopy,
    quantity="land_surface_temperature",
    citation="Norman, Kustas & Humes (1995), doi 10.1016/0168-1923(95)02265-Y",
    error="normal, sd 1 to 2 K by day, 0.8 to 1.5 K at night, and a bias by hour",
)
