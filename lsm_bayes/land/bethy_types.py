"""The thirteen plant functional types of BETHY: structure, parameters and priors of the list of 101 parameters of CCDAS: BETHY.

Knorr et al. (2010), doi 10.1029/2009JG001119; Rayner et al. (2005), doi 10.1029/2004GB002254; public source of CCDAS: BETHY.
"""

from typing import NamedTuple

from lsm_bayes.declare import Prior
from lsm_bayes.land.bethy_step import Structure
from lsm_bayes.processes.knorr_phenology import Kind
from lsm_bayes.vocabulary import unknown


class PlantType(NamedTuple):
    """One plant functional type: prior means in the units of `bethy_declared`."""

    title: str
    phenology: Kind
    vcmax25: float
    jmax_ratio: float
    leaf_temperature: float
    leaf_temperature_range: float
    leaf_shedding_rate: float
    water_use_time: float
    specific_leaf_area: float
    vegetation_height: float
    nitrogen_decline: float
    pathway: str = "c3"


TYPES: dict[int, PlantType] = {
    1: PlantType("tropical evergreen tree", "evergreen", 60.0, 1.96, 10.0, 2.0, 0.1, 180.0, 9.9, 30.0, 1.0),
    2: PlantType("tropical deciduous tree", "evergreen", 90.0, 1.99, 10.0, 2.0, 0.1, 90.0, 14.1, 15.0, 1.0),
    3: PlantType("temperate evergreen broadleaf tree", "evergreen", 41.0, 2.0, 10.0, 2.0, 0.1, 180.0, 5.7, 15.0, 1.0),
    4: PlantType("temperate deciduous tree", "summergreen", 35.0, 2.0, 10.0, 2.0, 0.1, 90.0, 11.5, 15.0, 1.0),
    5: PlantType("evergreen conifer", "summergreen", 29.0, 1.79, 10.0, 2.0, 3e-3, 90.0, 4.1, 15.0, 1.0),
    6: PlantType("deciduous conifer", "summergreen", 53.0, 1.79, 10.0, 2.0, 0.1, 90.0, 11.3, 15.0, 1.0),
    7: PlantType("evergreen shrub", "evergreen", 52.0, 1.96, 10.0, 2.0, 0.1, 180.0, 6.9, 1.0, 1.0),
    8: PlantType("deciduous shrub", "summergreen", 160.0, 1.66, 8.0, 2.0, 0.1, 90.0, 11.5, 1.0, 1.0),
    9: PlantType("C3 grass", "grass", 42.0, 1.9, 2.0, 0.5, 0.1, 30.0, 16.9, 1.0, 0.0),
    10: PlantType("C4 grass", "grass", 8.0, 1.9, 2.0, 0.5, 0.1, 30.0, 16.9, 1.0, 0.0, "c4"),
    11: PlantType("tundra", "summergreen", 20.0, 1.85, 10.0, 2.0, 3e-3, 90.0, 6.9, 0.3, 0.0),
    12: PlantType("swamp", "grass", 20.0, 1.85, 2.0, 0.5, 0.1, 30.0, 16.9, 0.3, 0.0),
    13: PlantType("crop", "grass", 117.0, 1.88, 15.0, 2.0, 0.1, 30.0, 25.3, 0.6, 1.0),
}
"""Numbers of the source, 1 to 13."""

SPREADS = {90.0: 60.0 / 180.0, 180.0: 60.0 / 180.0, 30.0: 0.5}  # of the logarithm of `water_use_time`


def plant_type(number: int) -> PlantType:
    """Return a plant functional type.

    Parameters
    ----------
    number : int
        As in the source, 1 to 13.

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
        1 to 13.
    observed_hours : bool
        Drivers are hourly.

    Returns
    -------
    Structure
        For `bethy`.
    """
    found = plant_type(number)
    return Structure("c4" if found.pathway == "c4" else "c3", found.phenology, observed_hours)


def values(number: int) -> dict[str, float]:
    """Return the parameters of a plant functional type that differ between types: prior means.

    Parameters
    ----------
    number : int
        1 to 13.

    Returns
    -------
    dict
        Name to value in the declared unit.
    """
    found = plant_type(number)
    table = found._asdict()
    names = [n for n in PlantType._fields if n not in ("title", "phenology", "pathway")]
    kept = {n: table[n] for n in names if not (n == "jmax_ratio" and found.pathway == "c4")}
    return kept | ({"pep_slope": 0.14} if found.pathway == "c4" else {})


def priors(number: int) -> dict[str, Prior]:
    """Return the published priors of the parameters of a plant functional type that differ between types.

    Parameters
    ----------
    number : int
        1 to 13.

    Returns
    -------
    dict
        Name to prior: means of `values`; 20 % for vcmax25, 5 % for the ratio of jmax, half a degree (one for crops) for the temperature of
        leaves, and the spreads of Knorr et al. (2010) for the others.
    """
    found = plant_type(number)
    made = {
        "vcmax25": Prior("log_normal", found.vcmax25, 0.2),
        "leaf_temperature": Prior("normal", found.leaf_temperature, 1.0 if number == 13 else 0.5),
        "leaf_temperature_range": Prior("normal", found.leaf_temperature_range, 0.1),
        "leaf_shedding_rate": Prior("normal", found.leaf_shedding_rate, 5e-4 if found.leaf_shedding_rate < 0.05 else 0.05),
        "water_use_time": Prior("log_normal", found.water_use_time, SPREADS[found.water_use_time]),
    }
    if found.pathway == "c4":
        return made | {"pep_slope": Prior("log_normal", 0.14, 0.2)}
    return made | {"jmax_ratio": Prior("normal", found.jmax_ratio, 0.05 * found.jmax_ratio)}
