"""Carbon measured in plots: growth of wood, litter traps, soil cores and soil chambers."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import pytensor.tensor as pt

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.operator import ObservationOperator


# One parameter a line.
# fmt: off
class WoodAboveGround(NamedTuple):
    """How wood is shared between stem and coarse roots."""

    aboveground_fraction: Annotated[float, Parameter("1", (0.5, 0.95), "fraction of the growth of wood that is above ground", Prior("normal", 0.8, 0.05), level="pft")] = 0.8


class LitterTrap(NamedTuple):
    """What falls into a trap."""

    wood_caught: Annotated[float, Parameter("1", (0.01, 0.9), "fraction of wood litterfall that traps catch: twigs, bark, fruits", Prior("log_normal", 0.15, 0.6), level="pft")] = 0.15


class SoilProfile(NamedTuple):
    """Decline of soil carbon with depth."""

    depth_scale: Annotated[float, Parameter("m", (0.05, 3.0), "depth over which the concentration of soil carbon falls by a factor of e", Prior("log_normal", 0.35, 0.4))] = 0.35
    depth: Annotated[float, Parameter("m", (0.05, 3.0), "depth of sampling", Prior("log_normal", 0.3, 0.5), fixed=True)] = 0.3


class Chamber(NamedTuple):
    """What a chamber sees of the footprint of the model."""

    chamber_bias: Annotated[float, Parameter("1", (0.4, 2.5), "flux where the chambers stand over that of the simulated area", Prior("log_normal", 1.0, 0.25))] = 1.0
# fmt: on


def aboveground_growth(series: Mapping[str, Any], p: WoodAboveGround) -> Any:
    """Return the growth of wood above ground, as inventories and dendrometers give it.

    Parameters
    ----------
    series : mapping of str to tensor
        ``allocation_to_wood``, gC m-2 d-1, stems, branches and coarse roots together.
    p : WoodAboveGround
        The default is that of a root-to-shoot ratio of 0.25; Cairns et al. (1997) found 0.26 for upland forests (number not checked).

    Returns
    -------
    tensor
        gC m-2 d-1, positive to wood. Growth of trees that die between two inventories is in it, but not in the inventory
        (Clark et al. 2001).
    """
    return p.aboveground_fraction * series["allocation_to_wood"]


def trapped_litter(series: Mapping[str, Any], p: LitterTrap) -> Any:
    """Return what litter traps collect.

    Parameters
    ----------
    series : mapping of str to tensor
        ``leaf_litterfall`` and ``wood_litterfall``, gC m-2 d-1.
    p : LitterTrap
        Stems and thick branches do not fall into traps, and dead coarse roots are in the simulated litterfall of wood too.

    Returns
    -------
    tensor
        gC m-2 d-1. Leaves count in full: what they lose in the trap before they are collected is left out (Clark et al. 2001).
    """
    return series["leaf_litterfall"] + p.wood_caught * series["wood_litterfall"]


def carbon_to_depth(series: Mapping[str, Any], p: SoilProfile) -> Any:
    """Return the soil carbon above the depth of sampling, with a concentration that falls exponentially with depth.

    Parameters
    ----------
    series : mapping of str to tensor
        ``soil_carbon``, gC m-2, of the whole profile.
    p : SoilProfile
        This stream sees only the ratio of the two: `depth` is known.

    Returns
    -------
    tensor
        C (1 - exp(-depth / z*)), gC m-2. A scale of 0.29 m puts half of the carbon of the upper metre into its upper 0.2 m, as under
        forest in Jobbágy & Jackson (2000; number not checked).
    """
    return -pt.expm1(-p.depth / p.depth_scale) * series["soil_carbon"]


def chamber_flux(flux: Any, p: Chamber) -> Any:
    """Return the flux that chambers measure.

    Parameters
    ----------
    flux : tensor
        Simulated, gC m-2 d-1, positive to the atmosphere.
    p : Chamber
        A factor because chambers stand at few places, which are not the mean of the footprint of the tower: FöBAAR multiplies the
        simulated flux by one for each set of chambers, 1.4 to 1.5 in its calibration.

    Returns
    -------
    tensor
        gC m-2 d-1, positive to the atmosphere.
    """
    return p.chamber_bias * flux


_CLARK = "Clark et al. (2001), Ecological Applications 11, 356-370, doi 10.2307/3060894"
_KEENAN = "Keenan et al. (2012), doi 10.1111/j.1365-2486.2012.02678.x, and FöBAAR 5.2: factor of each set of soil chambers"

WOOD_INCREMENT = ObservationOperator(
    "wood_increment",
    {"allocation_to_wood": (0.0, 20.0)},
    aboveground_growth,
    WoodAboveGround,
    citation=f"{_CLARK}; Cairns et al. (1997), doi 10.1007/s004420050201",
    error="log-normal, 10 to 30 % by year, mostly of allometry and of the choice of plots",
)

ABOVEGROUND_LITTERFALL = ObservationOperator(
    "aboveground_litterfall",
    {"leaf_litterfall": (0.0, 20.0), "wood_litterfall": (0.0, 10.0)},
    trapped_litter,
    LitterTrap,
    citation=_CLARK,
    error="log-normal, 10 to 20 % of the mean of 20 traps",
)

SOIL_CARBON_TO_DEPTH = ObservationOperator(
    "soil_carbon_to_depth",
    {"soil_carbon": (0.0, 1e5)},
    carbon_to_depth,
    SoilProfile,
    citation="exponential profile, after Bernoux et al. (1998), Soil Science 163, 941-951 (not checked in the paper); "
    "Jobbágy & Jackson (2000), doi 10.1890/1051-0761(2000)010[0423:TVDOSO]2.0.CO;2",
    error="log-normal, 10 to 30 % of a plot, bulk density and stones included",
)

SOIL_EFFLUX = ObservationOperator(
    "soil_efflux",
    {"soil_efflux": (0.0, 30.0)},
    lambda s, p: chamber_flux(s["soil_efflux"], p),
    Chamber,
    citation=_KEENAN,
    error="normal, sd proportional to the flux, 10 to 30 %",
)

HETEROTROPHIC_RESPIRATION = ObservationOperator(
    "heterotrophic_respiration",
    {"heterotrophic_respiration": (0.0, 30.0)},
    lambda s, p: chamber_flux(s["heterotrophic_respiration"], p),
    Chamber,
    citation=_KEENAN,
    error="normal, 20 to 40 %: on trenched plots cut roots decompose and the soil is wetter",
)
