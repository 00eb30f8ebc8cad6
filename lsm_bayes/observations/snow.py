"""Fraction of the ground that snow covers, as satellites report it, from the water in the snow pack."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator

FRESH_SNOW_DENSITY = 100.0  # kg m-3, the reference of Niu & Yang (2007)


class HalfCover(NamedTuple):
    """Scale of the hyperbola."""

    # One parameter a line.
    # fmt: off
    half_cover_snow: Annotated[float, Parameter("mm", (0.5, 200.0), "snow water at which half of the ground is covered", Prior("log_normal", 10.0, 0.8))] = 10.0
    # fmt: on


class Depletion(NamedTuple):
    """Depth, and how it covers the roughness of the ground."""

    # fmt: off
    snow_density: Annotated[float, Parameter("kg m-3", (60.0, 500.0), "bulk density of the snow pack", Prior("log_normal", 250.0, 0.3))] = 250.0
    ground_roughness: Annotated[float, Parameter("m", (0.001, 0.1), "roughness length of the ground", Prior("log_normal", 0.01, 0.5))] = 0.01
    melting_factor: Annotated[float, Parameter("1", (0.5, 3.0), "exponent of density: patchiness of old snow", Prior("normal", 1.6, 0.4), level="global")] = 1.6
    # fmt: on


def hyperbolic_cover(series: Mapping[str, Any], p: HalfCover) -> Any:
    """Let cover approach one as a hyperbola.

    Parameters
    ----------
    series : mapping of str to tensor
        ``snow_water``, mm.
    p : HalfCover
        Its scale.

    Returns
    -------
    tensor
        SWE / (SWE + a), 0 to 1 (after Douville et al. 1995; SURFEX, which follows them, has 10 mm. Number of the equation not checked).
    """
    return series["snow_water"] / (series["snow_water"] + p.half_cover_snow)


def depth_cover(series: Mapping[str, Any], p: Depletion) -> Any:
    """Let cover follow depth, less of it for dense, old snow (Niu & Yang 2007, equation 4 as Noah-OWP cites it).

    Parameters
    ----------
    series : mapping of str to tensor
        ``snow_water``, mm.
    p : Depletion
        Density is one value for all of the series; the stream sees one combination of the three.

    Returns
    -------
    tensor
        tanh(d / (2.5 z0 (rho / rho_new)^m)) with d = SWE / rho in m and rho_new = 100 kg m-3, 0 to 1. Land models have m from 1 (CLM) to 2.5
        (Noah-MP).
    """
    depth = series["snow_water"] / p.snow_density  # 1 mm of water is 1 kg m-2
    return pt.tanh(depth / (2.5 * p.ground_roughness * (p.snow_density / FRESH_SNOW_DENSITY) ** p.melting_factor))


_ERROR = "beta or binomial; clouds are taken for snow and the other way round"

SNOW_COVER_FRACTION = ObservationOperator(
    "snow_cover_fraction",
    {"snow_water": (0.0, 400.0)},
    hyperbolic_cover,
    HalfCover,
    citation="Douville, Royer & Mahfouf (1995), doi 10.1007/BF00208760",
    error=_ERROR,
)
SNOW_COVER_FRACTION_TANH = ObservationOperator(
    "snow_cover_fraction_tanh",
    {"snow_water": (0.0, 150.0)},
    depth_cover,
    Depletion,
    quantity="snow_cover_fraction",
    citation="Niu & Yang (2007), doi 10.1029/2007JD008674",
    error=_ERROR,
)
