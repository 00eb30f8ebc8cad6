"""Width, carbon-13 and oxygen-18 of tree rings.

A ring is a year, and operators know no calendar: those of width and oxygen-18 take yearly values, and that of carbon-13 either daily
or yearly ones. `annual_mean` makes yearly values of daily ones, weighted with the carbon of each day where a ring records the days on which
it was fixed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator
from lsm_bayes.observations.recursion import linear_recursion

PRESSURE = 1013.25  # hPa; of the air, which the conductance takes up elsewhere
MOLAR_DENSITY = 5.55e4  # mol m-3, liquid water
DIFFUSIVITY = 2.66e-9  # m2 s-1, water with oxygen-18 in water


# One parameter a line.
# fmt: off
class RingWidth(NamedTuple):
    """From carbon to width."""

    width: Annotated[float, Parameter("mm m2 d gC-1", (0.02, 50.0), "width of an old tree's ring per allocation to wood", Prior("log_normal", 1.0, 0.7))] = 1.0
    carry_over: Annotated[float, Parameter("1", (0.0, 0.95), "share of last year's growth in the reserves that this year's is made of", Prior("normal", 0.35, 0.2), level="pft")] = 0.35
    youth: Annotated[float, Parameter("1", (0.02, 10.0), "width in the first year above that of an old tree, relative to it", Prior("log_normal", 0.7, 0.6))] = 0.7
    trend_time: Annotated[float, Parameter("year", (3.0, 300.0), "time over which that falls by a factor of e", Prior("log_normal", 30.0, 0.5))] = 30.0


class RingCarbon(NamedTuple):
    """Discrimination against carbon-13."""

    diffusion: Annotated[float, Parameter("permille", (4.0, 4.8), "fractionation by diffusion through stomata", Prior("normal", 4.4, 0.05), level="global", fixed=True)] = 4.4
    carboxylation: Annotated[float, Parameter("permille", (24.0, 31.0), "fractionation by carboxylation, with that of the mesophyll and of photorespiration", Prior("normal", 27.0, 0.8), level="global")] = 27.0
    after_photosynthesis: Annotated[float, Parameter("permille", (-2.0, 6.0), "carbon-13 of cellulose above that of leaves", Prior("normal", 2.1, 1.2), level="pft")] = 2.1


class RingOxygen(NamedTuple):
    """Enrichment of leaf water, and what reaches cellulose."""

    kinetic: Annotated[float, Parameter("permille", (18.0, 33.0), "fractionation by diffusion of vapour through stomata and boundary layer", Prior("normal", 28.0, 1.5), level="global")] = 28.0
    conductance: Annotated[float, Parameter("mol m-2 s-1", (0.01, 1.5), "conductance of leaves for water vapour", Prior("log_normal", 0.15, 0.4), level="pft")] = 0.15
    path_length: Annotated[float, Parameter("m", (0.001, 0.3), "effective length of the path of water from veins to stomata", Prior("log_normal", 0.02, 0.5), level="pft")] = 0.02
    exchange: Annotated[float, Parameter("1", (0.1, 0.8), "share of oxygen that exchanges with water of the xylem when cellulose is made", Prior("normal", 0.4, 0.07), level="pft")] = 0.4
    biological: Annotated[float, Parameter("permille", (24.0, 31.0), "oxygen-18 of carbonyl oxygen above that of the water it exchanges with", Prior("normal", 27.0, 0.7), level="global")] = 27.0
# fmt: on


def annual_sum(series: Any, year: Any) -> Any:
    """Add up by year.

    Parameters
    ----------
    series : array or tensor
        (..., time).
    year : array_like of int
        Year of each step, (time,). A ring year that starts in autumn is a label too.

    Returns
    -------
    array or tensor
        (..., year), in ascending order of the labels. The unit is that of the series times its step: of gC m-2 d-1 by day, gC m-2.
    """
    labels, place = np.unique(np.asarray(year), return_inverse=True)
    if isinstance(series, Variable):
        return pt.inc_subtensor(pt.zeros((*(series.shape[i] for i in range(series.type.ndim - 1)), labels.size))[..., place], series)
    total = np.zeros((*np.shape(series)[:-1], labels.size))
    np.add.at(total.T, place, np.asarray(series).T)
    return total


def annual_mean(series: Any, year: Any, weight: Any = None) -> Any:
    """Average by year.

    Parameters
    ----------
    series : array or tensor
        (..., time).
    year : array_like of int
        Year of each step, (time,).
    weight : array or tensor, optional
        Such as ``allocation_to_wood`` or ``gpp``, gC m-2 d-1, not negative: discrimination of a ring is the mean over the carbon in it.

    Returns
    -------
    array or tensor
        (..., year), in the unit of the series; NaN for a year without weight.
    """
    if weight is None:
        return annual_sum(series, year) / np.unique(np.asarray(year), return_counts=True)[1]
    return annual_sum(series * weight, year) / annual_sum(weight, year)


def width(series: Mapping[str, Any], p: RingWidth) -> Any:
    """Return ring width: reserves carry growth over, and rings narrow with age.

    Parameters
    ----------
    series : mapping of str to tensor
        ``allocation_to_wood``, the mean of each *year*, gC m-2 d-1.
    p : RingWidth
        Of raw widths; for an index from which the trend has been taken out, fix `youth` at its lower bound.

    Returns
    -------
    tensor
        w g(t) (1 + y exp(-t / tau)), mm, t in years from the first, with growth g(t) = (1 - c) A(t) + c g(t - 1) that starts with the first
        allocation: climate, persistence and age of the linear aggregate model (after Cook 1985), age as a negative exponential (after Fritts
        1976). Neither was looked up: growth that mixes linearly with that of the year before is a choice of this operator.
    """
    allocation = series["allocation_to_wood"]
    growth = linear_recursion(p.carry_over, (1.0 - p.carry_over) * allocation, allocation[..., 0])
    years = pt.arange(allocation.shape[-1])
    return p.width * growth * (1.0 + p.youth * pt.exp(-years / p.trend_time))


def carbon_discrimination(series: Mapping[str, Any], p: RingCarbon) -> Any:
    """Return discrimination against carbon-13 of cellulose.

    Parameters
    ----------
    series : mapping of str to tensor
        ``ci_to_ca``, 0 to 1: of yearly values, `annual_mean` with the weight of photosynthesis or growth.
    p : RingCarbon
        The equation sees a + b ci/ca of three numbers, so two of them rest on their priors.

    Returns
    -------
    tensor
        a + (b - a) ci/ca - d, permille (Farquhar et al. 1982, 1989, the short form; numbers of equations not checked), with d from leaves to
        cellulose: 2.1 with an uncertainty of 1.2 permille in Frank et al. (2015), as pyrealm gives it.
    """
    leaf = p.diffusion + (p.carboxylation - p.diffusion) * series["ci_to_ca"]
    return leaf - p.after_photosynthesis


def cellulose_oxygen(series: Mapping[str, Any], p: RingOxygen) -> Any:
    """Return oxygen-18 of cellulose: Craig-Gordon enrichment of leaf water, Péclet effect, exchange on the way to the ring.

    Parameters
    ----------
    series : mapping of str to tensor
        ``source_water_oxygen_18``, permille; ``relative_humidity``, percent, and ``air_temperature``, degC, of daylight in the season of growth.
    p : RingOxygen
        Conductance and path length act through their product. Leaves are as warm as the air, and vapour of the air is in equilibrium with the
        source water, which fails after dry weeks.

    Returns
    -------
    tensor
        Permille. Delta_e = (1 + e+) (1 + e_k + (Delta_v - e_k) e_a/e_i) - 1 with Delta_v = 1 / (1 + e+) - 1; Delta_L = Delta_e (1 - exp(-P)) / P
        with P = E L / (C D); Delta = Delta_L (1 - p_ex p_x) + e_o (Barbour et al. 2004, as a public code of their model has it; numbers of
        equations not checked); e+ after Majoube (1971).
    """
    temperature, humidity = series["air_temperature"], series["relative_humidity"] / 100.0
    kelvin = temperature + 273.15
    equilibrium = 1000.0 * pt.expm1(1137.0 / kelvin**2 - 0.4156 / kelvin - 0.0020667)
    deficit = 6.11 * pt.exp(17.502 * temperature / (temperature + 240.97)) * (1.0 - humidity)  # hPa
    # What is left of the product with vapour in equilibrium; without its last term it would be 0.2 permille too low in dry air.
    sites = (equilibrium + p.kinetic + equilibrium * p.kinetic / 1000.0) * (1.0 - humidity)
    peclet = p.conductance * deficit / PRESSURE * p.path_length / (MOLAR_DENSITY * DIFFUSIVITY)
    # At saturation both the enrichment and the Péclet number are zero.
    leaf = sites * pt.switch(pt.eq(peclet, 0.0), 1.0, -pt.expm1(-peclet) / pt.switch(pt.eq(peclet, 0.0), 1.0, peclet))
    above_source = leaf * (1.0 - p.exchange) + p.biological
    source = series["source_water_oxygen_18"]
    return source + above_source * (1.0 + source / 1000.0)


RING_WIDTH = ObservationOperator(
    "ring_width",
    {"allocation_to_wood": (0.0, 10.0)},
    width,
    RingWidth,
    citation="after Cook (1985), dissertation, University of Arizona; Fritts (1976), Tree Rings and Climate; simulated rings: "
    "Barichivich et al. (2021), doi 10.5194/bg-18-3781-2021",
    error="log-normal, AR(1); correlations with simulated growth of about 0.5",
)

RING_DISCRIMINATION = ObservationOperator(
    "ring_discrimination",
    {"ci_to_ca": (0.3, 0.95)},
    carbon_discrimination,
    RingCarbon,
    citation="Farquhar, O'Leary & Berry (1982), doi 10.1071/PP9820121; Farquhar, Ehleringer & Hubick (1989), doi 10.1146/annurev.pp.40.060189.002443; "
    "d: Frank et al. (2015), doi 10.1038/nclimate2614",
    error="normal, 0.3 to 0.5 permille, and an offset by site",
)

RING_OXYGEN_18 = ObservationOperator(
    "ring_oxygen_18",
    {"source_water_oxygen_18": (-25.0, 2.0), "relative_humidity": (15.0, 100.0), "air_temperature": (0.0, 38.0)},
    cellulose_oxygen,
    RingOxygen,
    citation="Barbour et al. (2004), doi 10.1007/s00442-003-1449-3; Majoube (1971), doi 10.1051/jcp/1971681423",
    error="normal, 0.3 to 0.5 permille, and an offset by site",
)
