"""BETHY, biosphere energy transfer hydrology: photosynthesis, energy and water of hours, phenology, soil water and litter of days.

Knorr (2000), doi 10.1046/j.1365-2699.2000.00159.x (model); Knorr et al. (2010), doi 10.1029/2009JG001119 (phenology); details and
priors as in the public source of CCDAS: BETHY. Carbon is gC m-2, water mm.

The hour has no memory. Three layers of leaves of equal area absorb light by the two-flux approximation. A first photosynthesis, with
internal CO2 in a fixed ratio to ambient, gives stomata without water stress; what the air demands and roots supply at midday sets how dry air
closes them all day; a second one at the resulting conductance and at canopy temperature gives the fluxes. Sensible heat is what net
radiation leaves. The day advances snow, canopy water, the bucket, leaves (three kinds, see `processes.knorr_phenology`) and litter.

What is done by the day and what is not: hours are a course made of daily drivers (`bethy`), or observed (`bethy_hourly`, where the
response to dry air is set each hour). Latent heat of interception, snow and soil belong to the same hours as their
water: the mean of the hours is the day. What a store may lose within a day is at most what it held at its start.

Traps. (1) Soil carbon: the slow pool is so large that its respiration does not depend on it; litter follows shed leaves, and carbon in
vegetation only adds up what is not shed. (2) Internal CO2 without stress is 0.65 of ambient (C4: 0.37) in the source, and how much water a
forest uses for its carbon depends on it: declared, and held unless a prior is given.
(3) Of ice and water the properties of air have a step at 0 degC, where snow and rain, heat of vaporisation and saturation change. It is in the
weather, not in the parameters. (4) Growth respiration is negative at night. (5) Melting snow takes no heat from the air.

`bethy_original` is the source: hard maxima, and its slips. They are switches of `bethy_step.Form`: snow counted again as rain; rain that
falls between leaves counted as intercepted; a store below zero filled up by more soil evaporation; latent heat of ice 3.834e6 J kg-1; less
light in the course of a day than its mean under clouds; albedo of snow with the sun of twelve hours before; growth counted as litter;
nitrogen below zero in dense canopies. Its daily budgets of water do not close; daily latent heat is that of hours before interception is shared
out. In the default none of this is so, and sublimation takes from soil evaporation the energy that it uses.

Plant functional types: `bethy_types.values` and `priors` give parameters, `of_type` the process model. `bethy` has the structure of the
trees and shrubs of cold climates, `bethy_warm` that of warm climates, `bethy_grass` and `bethy_c4_grass` those of grass, crops and swamps.
"""

from functools import cache
from typing import Any

from lsm_bayes.declare import Budget, Nested, ProcessModel
from lsm_bayes.land import bethy_types
from lsm_bayes.land.bethy_day import day_of
from lsm_bayes.land.bethy_declared import (
    C4Parameters,
    DailyC4Parameters,
    DailyForcing,
    DailyParameters,
    DayForcing,
    FastFluxes,
    Fluxes,
    HourlyForcing,
    Nothing,
    Parameters,
    State,
    WithinDayForcing,
)
from lsm_bayes.land.bethy_step import SOURCE, Form, Structure, hour_of


def _no_store(x: Any, p: Any) -> Any:
    return 0.0 * x.plant_available_water


@cache
def bethy(name: str, title: str, structure: Structure, form: Form | None = None) -> ProcessModel:
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
    parameters: dict[tuple[str, bool], Any] = {
        ("c3", True): Parameters,
        ("c4", True): C4Parameters,
        ("c3", False): DailyParameters,
        ("c4", False): DailyC4Parameters,
    }
    water = Budget(("plant_available_water", "snow_water", "canopy_water"), ("precipitation",), ("evapotranspiration", "runoff"))
    carbon = Budget(("litter_carbon", "vegetation_carbon", "slow_soil_carbon"), ("gpp",), ("reco",))
    energy = Budget((), ("net_radiation",), ("latent_heat", "sensible_heat", "ground_heat"), _no_store)
    return ProcessModel(
        name=name,
        title=title,
        step=day_of(structure, form),
        parameters=parameters[structure.pathway, structure.observed_hours],
        state=State,
        forcing=DayForcing if structure.observed_hours else DailyForcing,
        fluxes=Fluxes,
        nested=Nested(
            hour_of(structure, form),
            Nothing,
            HourlyForcing if structure.observed_hours else WithinDayForcing,
            FastFluxes,
            24,
            finite_branches=True,
        ),
        citations=(
            "Knorr (2000), Global Ecology and Biogeography 9, 225-252, doi 10.1046/j.1365-2699.2000.00159.x: model",
            "Knorr et al. (2010), JGR Biogeosciences 115, G04017, doi 10.1029/2009JG001119: phenology",
            "Rayner et al. (2005), Global Biogeochemical Cycles 19, GB2026, doi 10.1029/2004GB002254: soil carbon and priors",
        ),
        budgets={"carbon": carbon, "energy": energy} | ({} if form.water_of_source else {"water": water}),
    )


BETHY = bethy("bethy", "BETHY, trees and shrubs of cold climates, hours made of daily drivers", Structure())
BETHY_ORIGINAL = bethy("bethy_original", "BETHY as in the source of CCDAS: BETHY", Structure(), SOURCE)
BETHY_WARM = bethy("bethy_warm", "BETHY, trees and shrubs of warm climates", Structure(phenology="evergreen"))
BETHY_GRASS = bethy("bethy_grass", "BETHY, C3 grass, crops and swamps", Structure(phenology="grass"))
BETHY_C4_GRASS = bethy("bethy_c4_grass", "BETHY, C4 grass", Structure("c4", "grass"))
BETHY_HOURLY = bethy("bethy_hourly", "BETHY, trees and shrubs of cold climates, observed hours", Structure(observed_hours=True))


@cache
def of_type(number: int, *, observed_hours: bool = False, original: bool = False) -> ProcessModel:
    """Return the process model of a plant functional type; its parameters are `bethy_types.values`.

    Parameters
    ----------
    number : int
        1 to 13, as in the source.
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
    structure = bethy_types.structure(number, observed_hours=observed_hours)
    kind = {"summergreen": "", "evergreen": "_warm", "grass": "_c4_grass" if structure.pathway == "c4" else "_grass"}[structure.phenology]
    name = f"bethy{kind}{'_hourly' if observed_hours else ''}{'_original' if original else ''}"
    declared = {m.name: m for m in (BETHY, BETHY_ORIGINAL, BETHY_WARM, BETHY_GRASS, BETHY_C4_GRASS, BETHY_HOURLY)}
    return declared.get(name) or bethy(
        name, f"{BETHY.title.split(',')[0]}, {name.removeprefix('bethy_').replace('_', ' ')}", structure, SOURCE if original else None
    )
