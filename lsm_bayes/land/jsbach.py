"""JSBACH, the land of the MPI Earth System Model, for one column and one plant functional type.

Reick et al. (2021), JSBACH 3, doi 10.17617/2.3279802; Schuermann et al. (2016), doi 10.5194/gmd-9-2999-2016, and Maekelae et al. (2019), doi
10.5194/gmd-12-4075-2019 (calibration); public source of ICON-Land. Carbon is gC m-2, water mm, temperature degC.

The hour: three layers of leaves absorb light by the two-flux approximation. Photosynthesis without water stress, with internal CO2 in a
fixed ratio to ambient, gives stomatal conductance; soil water reduces it, and photosynthesis follows at the reduced one. Leaves are as warm
as the air. Surface temperature, which is that of the uppermost layer, of heat flows into five layers of soil, and of evaporation from snow,
wet leaves, plants and soil, is one implicit step in closed form, with drag that depends on stability. Snow melts with the energy above
0 degC and insulates. Water percolates, diffuses and drains in five layers.

The day: leaf area by LoGro-P (five kinds, each a process model), net primary production to green, wood and reserve pools (CBALANCE), litter
and humus by YASSO07, two sizes of litter.

The day's leaves and pools use the means of that day, where the source uses those of the day before on the next. Left out: snow on leaves,
ice in the soil, organic layers, fire, wind throw, land use, nitrogen. Priors: published ones where they are known, those of CCDAS: BETHY for
what is the same; otherwise a spread of about 20 %, which is ours.

Traps. (1) A heat sum may begin only on 1 January (1 July south of the equator). (2) The widths that make phases differentiable blur dates
by a few days. (3) Soil water has a capacity but no pores beyond: what exceeds field capacity drains. (4) With daily drivers wind is a
parameter and clouds follow from light. (5) Evaporation of wet leaves is as fast as the air takes
it up, above rough forests more than net radiation: winters and rainy days lose too much. (6) Dead carbon at the start decides heterotrophic respiration for years.

`jsbach_original` has hard limits and what the source does otherwise: switches of `jsbach_step.Form`. There are tables of its leaf, phenology
and soil carbon to compare with, but no run of the whole: its water and energy follow the same equations with other numerical details.

Plant functional types: `jsbach_types.values` and `priors` give parameters, `of_type` the process model.
"""

from functools import cache
from typing import Any

from lsm_bayes.declare import Budget, Nested, ProcessModel
from lsm_bayes.land import jsbach_types
from lsm_bayes.land.jsbach_day import KINDS, day_of
from lsm_bayes.land.jsbach_declared import (
    STATES,
    DailyForcing,
    DayForcing,
    FastFluxes,
    FastState,
    Fluxes,
    HourlyForcing,
    WithinDayForcing,
)
from lsm_bayes.land.jsbach_parameters import parameters
from lsm_bayes.land.jsbach_step import HEAT, LAYERS, SOURCE, WATER, Form, Structure, hour_of

DAY = 86400.0
DEAD = tuple(f"{size}_{kind}_{place}" for size in ("leaf", "wood") for kind in KINDS for place in ("above", "below"))


def heat(x: Any, p: Any) -> Any:
    """Return the heat of the soil above that at 0 degC, W m-2 d.

    Parameters
    ----------
    x : NamedTuple
        States.
    p : NamedTuple
        Parameters.

    Returns
    -------
    tensor
        Snow holds none.
    """
    return p.soil_heat_capacity / DAY * sum(d * getattr(x, n) for d, n in zip(LAYERS, HEAT, strict=True))


@cache
def jsbach(name: str, title: str, structure: Structure, form: Form | None = None) -> ProcessModel:
    """Declare a variant of the model.

    Parameters
    ----------
    name, title : str
        As in `ProcessModel`.
    structure : Structure
        Plants and drivers.
    form : Form, optional
        Widths and quirks; default smooth and without quirks.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    form = form or Form()
    observed = structure.observed_hours
    harvest = ("harvested_carbon",) if structure.phenology == "crop" else ()
    living = "green_carbon", "wood_carbon", "reserve_carbon", *harvest
    return ProcessModel(
        name=name,
        title=title,
        step=day_of(structure, form),
        parameters=_parameters(structure),
        state=STATES[structure.phenology],
        forcing=DayForcing if observed else DailyForcing,
        fluxes=Fluxes,
        nested=Nested(
            hour_of(structure, form), FastState, HourlyForcing if observed else WithinDayForcing, FastFluxes, 24, finite_branches=True
        ),
        citations=(
            "Reick et al. (2021), JSBACH 3 - The land component of the MPI Earth System Model, doi 10.17617/2.3279802: model",
            "Knorr (2000), Global Ecology and Biogeography 9, 225-252, doi 10.1046/j.1365-2699.2000.00159.x: photosynthesis",
            "Hagemann and Stacke (2015), Climate Dynamics 44, 1731-1750, doi 10.1007/s00382-014-2221-6: soil water",
            "Goll et al. (2015), Global Biogeochemical Cycles 29, doi 10.1002/2014GB004988: soil carbon",
        ),
        budgets={
            "carbon": Budget((*living, *DEAD, "leaf_humus", "wood_humus"), ("gpp",), ("reco",)),
            "water": Budget(("skin_water", "snow_water", *WATER), ("precipitation",), ("evapotranspiration", "runoff")),
            "energy": Budget(HEAT, ("net_radiation",), ("latent_heat", "sensible_heat", "melt_heat"), heat),
        },
    )


@cache
def _parameters(structure: Structure) -> Any:
    return parameters(structure.phenology, structure.pathway, structure.observed_hours)


JSBACH = jsbach("jsbach", "JSBACH, evergreens, hours made of daily drivers", Structure())
JSBACH_ORIGINAL = jsbach("jsbach_original", "JSBACH, evergreens, with hard limits as in the source", Structure(), SOURCE)
JSBACH_SUMMERGREEN = jsbach("jsbach_summergreen", "JSBACH, summergreens", Structure("summergreen"))
JSBACH_RAINGREEN = jsbach("jsbach_raingreen", "JSBACH, raingreens", Structure("raingreen"))
JSBACH_GRASS = jsbach("jsbach_grass", "JSBACH, C3 grass", Structure("grass"))
JSBACH_C4_GRASS = jsbach("jsbach_c4_grass", "JSBACH, C4 grass", Structure("grass", "c4"))
JSBACH_CROP = jsbach("jsbach_crop", "JSBACH, C3 crops", Structure("crop"))
JSBACH_HOURLY = jsbach("jsbach_hourly", "JSBACH, evergreens, observed hours", Structure(observed_hours=True))


@cache
def of_type(number: int, *, observed_hours: bool = False, original: bool = False) -> ProcessModel:
    """Return the process model of a plant functional type; its parameters are `jsbach_types.values`.

    Parameters
    ----------
    number : int
        2 to 21, as in the source.
    observed_hours : bool
        Hours are given, not made of daily drivers.
    original : bool
        As in the source.

    Returns
    -------
    ProcessModel
        The same object for types of one structure.

    Raises
    ------
    KeyError
        For another number; the message lists the types.
    """
    structure = jsbach_types.structure(number, observed_hours=observed_hours)
    kind = "" if structure.phenology == "evergreen" else f"_{'c4_' if structure.pathway == 'c4' else ''}{structure.phenology}"
    name = f"jsbach{kind}{'_hourly' if observed_hours else ''}{'_original' if original else ''}"
    made = (JSBACH, JSBACH_ORIGINAL, JSBACH_SUMMERGREEN, JSBACH_RAINGREEN, JSBACH_GRASS, JSBACH_C4_GRASS, JSBACH_CROP, JSBACH_HOURLY)
    declared = {m.name: m for m in made}
    title = f"JSBACH, {name.removeprefix('jsbach').replace('_', ' ').strip() or 'evergreens'}"
    return declared.get(name) or jsbach(name, title, structure, SOURCE if original else None)
