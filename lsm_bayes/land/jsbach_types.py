"""The plant functional types of JSBACH: structure, parameters and priors from the land cover library of ICON-Land.

Reick et al. (2021), doi 10.17617/2.3279802; capacities after Kattge et al. (2009), doi 10.1111/j.1365-2486.2008.01744.x.
"""

from typing import NamedTuple

from lsm_bayes.declare import Prior
from lsm_bayes.land.jsbach_parameters import parameters
from lsm_bayes.land.jsbach_step import Structure
from lsm_bayes.vocabulary import unknown

CARBON = 12.01  # g mol-1


class PlantType(NamedTuple):
    """One plant functional type, in the units of the library: SLA m2 mol-1, wood mol m-2."""

    title: str
    phenology: str
    vcmax25: float
    lai_max: float
    sla: float
    roughness: float
    to_wood: float
    to_reserve: float
    wood_time: float
    wood_max: float
    reserve_ratio: float
    grazing: float
    least_shedding: float
    albedo: tuple[float, float]
    litter: tuple[float, float, float]
    nitrogen_decline: float = 1.0
    stem_area: float = 1.5
    pep_slope: float | None = None


_TROPICAL, _NEEDLES, _BROAD, _SHRUB = (0.4651, 0.3040, 0.0942), (0.4076, 0.1887, 0.1279), (0.39, 0.3313, 0.0879), (0.3516, 0.3941, 0.1287)
_GRASS, _CROP, _LARCH = (0.615, 0.173, 0.0602), (0.7357, 0.0676, 0.0337), (0.318, 0.329, 0.099)
_WET = (0.65, 0.07, 0.04)

# fmt: off
TYPES: dict[int, PlantType] = {
    2: PlantType("tropical evergreen tree", "raingreen", 39.0, 7.0, 0.264, 2.0, 0.3, 0.05, 30.0, 2997.25, 2.0, 8.22e-4, 3.42e-4, (0.03, 0.22), _TROPICAL),
    3: PlantType("tropical deciduous tree", "raingreen", 31.0, 7.0, 0.376, 1.0, 0.3, 0.1, 30.0, 2997.25, 2.0, 8.22e-4, 4.56e-4, (0.04, 0.23), _TROPICAL),
    4: PlantType("extra-tropical evergreen tree", "evergreen", 44.0, 5.0, 0.110, 1.0, 0.3, 0.05, 60.0, 2397.8, 2.0, 1.37e-4, 0.0, (0.04, 0.23), _NEEDLES),
    5: PlantType("extra-tropical deciduous tree", "summergreen", 66.0, 5.0, 0.304, 1.0, 0.3, 0.1, 60.0, 1798.3, 2.0, 8.22e-4, 0.0, (0.05, 0.26), _BROAD),
    6: PlantType("temperate broadleaf evergreen tree", "evergreen", 61.4, 6.0, 0.152, 1.0, 0.3, 0.05, 60.0, 2397.8, 2.0, 8.22e-4, 0.0, (0.05, 0.25), _BROAD),
    7: PlantType("temperate broadleaf deciduous tree", "summergreen", 57.7, 5.0, 0.307, 1.0, 0.3, 0.1, 60.0, 1798.3, 2.0, 8.22e-4, 0.0, (0.07, 0.28), _BROAD),
    8: PlantType("coniferous evergreen tree", "evergreen", 62.5, 5.0, 0.110, 1.4, 0.3, 0.05, 60.0, 2397.8, 2.0, 1.37e-4, 0.0, (0.05, 0.26), _NEEDLES),
    9: PlantType("coniferous deciduous tree", "summergreen", 39.1, 5.0, 0.301, 1.4, 0.3, 0.1, 60.0, 1798.3, 2.0, 1.37e-4, 0.0, (0.05, 0.26), _LARCH),
    10: PlantType("raingreen shrub", "raingreen", 61.7, 2.0, 0.184, 0.5, 0.3, 0.1, 12.0, 582.8, 2.0, 1.64e-3, 1.83e-3, (0.05, 0.25), _SHRUB, stem_area=0.0),
    11: PlantType("deciduous shrub", "summergreen", 54.0, 2.0, 0.307, 0.5, 0.3, 0.1, 24.0, 416.2, 2.0, 8.22e-4, 0.0, (0.05, 0.28), _SHRUB, stem_area=0.0),
    12: PlantType("C3 grass", "grass", 78.2, 3.0, 0.451, 0.05, 0.0, 0.15, 1.0, 0.0, 4.0, 1.64e-3, 5.48e-3, (0.08, 0.35), _GRASS, 0.0, 0.0),
    13: PlantType("C4 grass", "grass", 8.0, 3.0, 0.451, 0.05, 0.0, 0.15, 1.0, 0.0, 4.0, 1.64e-3, 5.48e-3, (0.06, 0.33), _GRASS, 0.0, 0.0, 0.14),
    15: PlantType("C3 pasture", "grass", 78.2, 3.0, 0.451, 0.05, 0.0, 0.15, 1.0, 0.0, 4.0, 1.64e-3, 5.48e-3, (0.08, 0.35), _GRASS, 0.0, 0.0),
    16: PlantType("C4 pasture", "grass", 8.0, 3.0, 0.451, 0.05, 0.0, 0.15, 1.0, 0.0, 4.0, 1.64e-3, 5.48e-3, (0.06, 0.33), _GRASS, 0.0, 0.0, 0.14),
    17: PlantType("tundra", "grass", 21.6, 1.5, 0.307, 0.03, 0.3, 0.1, 1.0, 416.2, 2.0, 2.74e-4, 0.0, (0.08, 0.33), _BROAD, 0.0, 0.0),
    18: PlantType("swamp", "grass", 40.6, 3.0, 0.307, 0.05, 0.3, 0.1, 1.0, 416.2, 2.0, 2.74e-4, 0.0, (0.05, 0.25), _WET, 0.0, 0.0),
    20: PlantType("C3 crop", "crop", 100.7, 4.0, 0.451, 0.05, 0.0, 0.2, 1.0, 0.0, 4.0, 8.22e-4, 2.74e-3, (0.08, 0.35), _CROP, 0.0, 0.0),
    21: PlantType("C4 crop", "crop", 39.0, 4.0, 0.451, 0.05, 0.0, 0.2, 1.0, 0.0, 4.0, 8.22e-4, 2.74e-3, (0.08, 0.33), _CROP, 0.0, 0.0, 0.7),
}
"""Numbers of the library. 14 and 19 are means of others, 1 is ice."""
# fmt: on


def plant_type(number: int) -> PlantType:
    """Return a plant functional type.

    Parameters
    ----------
    number : int
        As in the library.

    Returns
    -------
    PlantType
        What is known of it.

    Raises
    ------
    KeyError
        For another number; the message lists the types.
    """
    if number not in TYPES:
        raise KeyError(unknown("plant functional type", number, [f"{i} ({t.title})" for i, t in TYPES.items()]))
    return TYPES[number]


def structure(number: int, *, observed_hours: bool = False) -> Structure:
    """Return the structure of a plant functional type.

    Parameters
    ----------
    number : int
        As in the library.
    observed_hours : bool
        Drivers are hourly.

    Returns
    -------
    Structure
        For `jsbach`.
    """
    found = plant_type(number)
    return Structure(found.phenology, "c4" if found.pep_slope else "c3", observed_hours)  # type: ignore[arg-type]


def values(number: int) -> dict[str, float]:
    """Return the parameters of a plant functional type that differ between types.

    Parameters
    ----------
    number : int
        As in the library.

    Returns
    -------
    dict
        Name to value in the declared unit.
    """
    t = plant_type(number)
    named = {
        "vcmax25": t.vcmax25,
        "internal_co2_ratio": 0.67 if t.pep_slope else 0.87,
        "lai_max": t.lai_max,
        "specific_leaf_area": t.sla / CARBON,
        "roughness": t.roughness,
        "allocation_to_wood": t.to_wood,
        "allocation_to_reserve": t.to_reserve,
        "wood_residence_time": t.wood_time,
        "wood_max": t.wood_max * CARBON,
        "reserve_ratio": t.reserve_ratio,
        "grazing": t.grazing,
        "least_shedding": t.least_shedding,
        "canopy_albedo_visible": t.albedo[0],
        "canopy_albedo_infrared": t.albedo[1],
        "nitrogen_decline": t.nitrogen_decline,
        "stem_area": t.stem_area,
        "leaf_litter_acid": t.litter[0],
        "leaf_litter_water": t.litter[1],
        "leaf_litter_ethanol": t.litter[2],
    }
    return named | ({"pep_slope": t.pep_slope} if t.pep_slope else {})


def priors(number: int) -> dict[str, Prior]:
    """Return priors of the calibrated parameters that differ between types.

    Parameters
    ----------
    number : int
        As in the library.

    Returns
    -------
    dict
        Name to prior: the declared spread about the value of the type, where the prior has one.
    """
    kind, given = structure(number), values(number)
    declared = parameters(kind.phenology, kind.pathway, kind.observed_hours).__annotations__
    found = {}
    for name, value in given.items():
        prior = declared[name].__metadata__[0].prior
        if prior.centre is None or not value:
            continue
        spread = prior.spread * (1.0 if prior.distribution == "log_normal" else value / prior.centre)
        found[name] = Prior(prior.distribution, value, spread)
    return found
