"""Vegetation optical depth of passive microwaves: water in leaves and wood attenuates."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.observations.leaf_area import mid_step
from lsm_bayes.observations.operator import ObservationOperator

KILOGRAM = 1e-3  # kg in 1 g

# One parameter a line.
# fmt: off
Drying = Annotated[float, Parameter("1", (0.01, 0.8), "fraction of the optical depth that is lost when plant-available soil water is used up", Prior("normal", 0.2, 0.1), level="pft")]


class WaterContent(NamedTuple):
    """Water of plants; only the products with the attenuation are seen by this stream."""

    attenuation: Annotated[float, Parameter("m2 kg-1", (0.02, 0.5), "optical depth per water content (b), which grows with frequency", Prior("log_normal", 0.1, 0.3), level="pft")] = 0.1
    leaf_water: Annotated[float, Parameter("kg m-2", (0.05, 1.5), "water in leaves and green stems per leaf area", Prior("log_normal", 0.4, 0.4), level="pft")] = 0.4
    wood_water: Annotated[float, Parameter("kg kgC-1", (0.1, 3.0), "water in wood above ground per carbon in all wood", Prior("log_normal", 0.8, 0.4), level="pft")] = 0.8


class Biomass(NamedTuple):
    """Attenuation by wood and leaves."""

    per_wood: Annotated[float, Parameter("m2 kgC-1", (0.005, 0.3), "optical depth per carbon in wood", Prior("log_normal", 0.05, 0.5), level="pft")] = 0.05
    per_leaf_area: Annotated[float, Parameter("1", (0.005, 0.3), "optical depth per leaf area index", Prior("log_normal", 0.04, 0.5), level="pft")] = 0.04
    drying: Drying = 0.2


class Leaves(NamedTuple):
    """Attenuation by leaves above a constant rest."""

    rest: Annotated[float, Parameter("1", (0.0, 0.8), "optical depth without leaves: branches and stems", Prior("normal", 0.15, 0.1), level="pft")] = 0.15
    per_leaf_area: Annotated[float, Parameter("1", (0.02, 0.6), "optical depth per leaf area index", Prior("log_normal", 0.15, 0.4), level="pft")] = 0.15
    drying: Drying = 0.2
# fmt: on


def water_content(series: Mapping[str, Any], p: WaterContent) -> Any:
    """Return the optical depth of a water content.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step, and ``wood_carbon``, gC m-2.
    p : WaterContent
        Attenuation and water of leaves and wood; both are as wet at all times.

    Returns
    -------
    tensor
        tau = b VWC, VWC in kg m-2 (Jackson & Schmugge 1991, as Schmidt et al. 2023, doi 10.5194/bg-20-1027-2023, repeat it; number of the
        equation not checked).
    """
    return p.attenuation * (p.leaf_water * mid_step(series["lai"]) + p.wood_water * KILOGRAM * series["wood_carbon"])


def _moistened(dry: Any, wetness: Any, drying: Any) -> Any:
    """Optical depth of plants that lose water with the soil."""
    return dry * (1.0 - drying * (1.0 - wetness))


def biomass(series: Mapping[str, Any], p: Biomass) -> Any:
    """Return the optical depth of wood and leaves that dry with the soil, at long wavelengths.

    Parameters
    ----------
    series : mapping of str to tensor
        ``wood_carbon``, gC m-2; ``lai``, m2 m-2, at the start of each step; ``soil_wetness``, 0 to 1.
    p : Biomass
        Attenuation and drying.

    Returns
    -------
    tensor
        (a C_wood + b LAI) (1 - c (1 - wetness)), at L-band. The equation of D&B was not checked, and the factor of water is a stand-in.
        Scholze et al. (2019) add a function of biomass and a term linear in leaf area, as Schmidt et al. (2023) describe it.
    """
    dry = p.per_wood * KILOGRAM * series["wood_carbon"] + p.per_leaf_area * mid_step(series["lai"])
    return _moistened(dry, series["soil_wetness"], p.drying)


def leaves(series: Mapping[str, Any], p: Leaves) -> Any:
    """Return the optical depth of leaves that dry with the soil, at short wavelengths.

    Parameters
    ----------
    series : mapping of str to tensor
        ``lai``, m2 m-2, at the start of each step, and ``soil_wetness``, 0 to 1: it stands for the water potential of leaves before dawn.
    p : Leaves
        Attenuation and drying.

    Returns
    -------
    tensor
        (a + b LAI) (1 - c (1 - wetness)), at X-band. Momen et al. (2017) predict it from leaf area and leaf water potential; their equation
        was not checked.
    """
    return _moistened(p.rest + p.per_leaf_area * mid_step(series["lai"]), series["soil_wetness"], p.drying)


_LAI = (0.0, 8.0)
_WOOD = (0.0, 25000.0)
_ERROR = "normal, sd 0.05 to 0.1, correlated over a season, and a gain by product"

VOD_WATER_CONTENT = ObservationOperator(
    "vod_water_content",
    {"lai": _LAI, "wood_carbon": _WOOD},
    water_content,
    WaterContent,
    quantity="vegetation_optical_depth",
    citation="Jackson & Schmugge (1991), Remote Sens. Environ. 36, 203-212, doi 10.1016/0034-4257(91)90057-D: optical depth b VWC",
    error=_ERROR,
)
VOD_BIOMASS = ObservationOperator(
    "vod_biomass",
    {"wood_carbon": _WOOD, "lai": _LAI, "soil_wetness": (0.0, 1.0)},
    biomass,
    Biomass,
    quantity="vegetation_optical_depth",
    citation="after D&B, Knorr et al. (2025), Geosci. Model Dev. 18, 2137-2159, doi 10.5194/gmd-18-2137-2025, with soil wetness for its water stress",
    error=_ERROR,
)
VOD_LEAF = ObservationOperator(
    "vod_leaf",
    {"lai": _LAI, "soil_wetness": (0.0, 1.0)},
    leaves,
    Leaves,
    quantity="vegetation_optical_depth",
    citation="after Momen et al. (2017), J. Geophys. Res. Biogeosci. 122, 3031-3046, doi 10.1002/2017JG004145, with soil wetness for leaf water potential",
    error=_ERROR,
)
