"""DALEC 1100 (CARDAMOM version 3): photosynthesis of Liu et al., phenology of Knorr et al., water and heat of three soil layers, methane.

CARDAMOM's source, version 3; Liu et al. (2021): canopy; Knorr et al. (2010), doi 10.1029/2009JG001119: leaf area; Ma et al. (2022):
decomposition and methane. Seven carbon pools (gC m-2), water of three layers and snow (mm), heat of three layers (J m-2), and two
memories of phenology. Everything follows from the state at the start of a step; removal, fire, death and turnover act one after the
other on what the step leaves.

States of soil are water per pore volume and energy per mass of water, so that bounds of the initial values hold for soils of any
depth; ``dalec_1100_soil.soil_of`` gives water, heat, temperature and ice of the layers.

`DEFAULT` and `SOURCE` are two forms of the equations. In the C source, which `variant` with `SOURCE` repeats: (1) heat and water flow
between layers with temperatures and potentials at the start of the step, which diverges in layers thinner than about 0.5 m with
months, 0.2 m with days; here with those that the step makes of them (linearly implicit). (2) The gradient of the water potential is
multiplied by 1e-9 / 9.8, so that only gravity is left; here by 1e3 / 9.8, the metres of water per MPa. (3) A layer can lose more water
than it has, after which its moisture is undefined; here no more than its liquid water, without a change to photosynthesis. (4) What
layer 2 cannot hold runs off with the heat of layer 1; here with its own. (5) Soil that freezes or melts has 273.15 K; here 273.16 K,
the melting point of its energies, and the heat of liquid water has no jump there. (6) Of a yield Y and a disturbance D, 2 Y + D is
taken from the vegetation, and Y left as litter; here Y + D is taken and exported. (7) Snow that melts, water that drains, tissue that
dies of starvation or hydraulic failure, and the demands of roots and wood are fractions of one step, whatever its length; here those
of a month, so that months are as there, and days do not melt, drain and kill thirty times as fast; a month leaves at least 1e-6, and
demands of carbon are larger by 1e-6 gC m-2 d-1, so that dead plants are not a matter of rounding. In saturated soil the moisture
response is 0 / 0 there; its limit is taken here, in both forms. Most points inside the bounds leave the domain of the source within a
few steps; from there on `SOURCE` has other numbers, which mean nothing either.

Traps. Turnover is linear in the step: with months a litter turnover above 1/30 per day empties the pool and more. The latent heat of
the canopy (2.26e6 J kg-1) is not that of the energy balance (2.501e6), as in the source. Soil evaporates only in steps with
precipitation. A canopy dies within days where labile carbon runs out, and grows again from 1e-9 m2 m-2, if at all.

Gradients. `mortality_suction` and `mortality_steepness` act only in steps in which the upper two layers hold no ice at all: a jump, of
which the derivative with respect to everything that freezes soil knows nothing; with ``DEFAULT._replace(thaw_width=0.1)`` mortality
sets in over the last tenth of the ice. Temperature has no gradient while soil water melts, snow no gradient to `melt_slope` while it
melts completely, and `cold_stress_full`, `cold_stress_none`, `stress_suction` and `stress_steepness` act only while they are the
smaller factor.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lsm_bayes.declare import Budget, DerivedForcing, Equilibrium, ProcessModel
from lsm_bayes.land.dalec_1100_constraints import CONSTRAINTS
from lsm_bayes.land.dalec_1100_declared import Fluxes, Forcing, Parameters, State
from lsm_bayes.land.dalec_1100_soil import Form, soil_of
from lsm_bayes.land.dalec_1100_step import POOLS, step
from lsm_bayes.processes import soil_heat

DEFAULT = Form()
SOURCE = Form(
    pi=3.1415927,
    heat=soil_heat.Constants(zero_energy=56.79, seen_at_melting=273.15),
    implicit=False,
    metres_per_mpa=1e-9 / 9.8,
    limited=False,
    misbooked_overflow=True,
    period=None,
    least_demand=0.0,
    yield_residue=1.0,
)
CITATIONS = (
    "Liu et al. (2021): photosynthesis, transpiration and evaporation",
    "Knorr et al. (2010), JGR Biogeosciences 115, G04017, doi 10.1029/2009JG001119: phenology",
    "Ma et al. (2022): heterotrophic respiration and methane",
    "CARDAMOM framework, version 3, model 1100, revision 952d8c0d",
)
_SNOW_BELOW, _RAIN_ABOVE = 0.0, 2.0  # degC


def equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Return the dead pools at which inputs and losses balance.

    Parameters
    ----------
    means : mapping
        Means over whole years of the four litterfalls (gC m-2 d-1) and of the aerobic and anaerobic factor.
    p : Parameters
        Parameters.

    Returns
    -------
    dict
        Woody debris, litter and soil, gC m-2, without fire. Living pools are not among them: how much is allocated depends on them.
    """
    factor = means["aerobic_factor"] + means["anaerobic_factor"]
    wood = means["wood_litterfall"]
    other = means["leaf_litterfall"] + means["root_litterfall"] + means["labile_litterfall"]
    return {
        "woody_debris_carbon": wood / (p.woody_debris_turnover * factor),
        "litter_carbon": other / (p.litter_turnover * factor),
        "soil_carbon": (wood * p.woody_debris_to_soil + other * p.litter_to_soil) / (p.soil_turnover * factor),
    }


def _snowfall(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    mean = 0.5 * (series["air_temperature_min"] + series["air_temperature_max"])
    frozen = np.clip((_RAIN_ABOVE - mean) / (_RAIN_ABOVE - _SNOW_BELOW), 0.0, 1.0)
    return {"snowfall": frozen * series["precipitation"], "skin_temperature": mean}


def _undisturbed(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {n: np.zeros_like(series["precipitation"]) for n in ("disturbance_removal", "yield_removal")}


DERIVED = (
    # Precipitation is snow below 0 degC, rain above 2 degC; the skin is as warm as the air.
    DerivedForcing(("snowfall",), ("air_temperature_min", "air_temperature_max", "precipitation"), _snowfall),
    DerivedForcing(("skin_temperature",), ("air_temperature_min", "air_temperature_max", "precipitation"), _snowfall),
    DerivedForcing(("disturbance_removal", "yield_removal"), ("precipitation",), _undisturbed),
)


def _water_stock(form: Form, x: Any, p: Any) -> Any:
    return x.snow_water + sum(soil_of(form, x, p).water)


def _heat_stock(form: Form, x: Any, p: Any) -> Any:
    return sum(soil_of(form, x, p).energy)


def variant(form: Form, name: str, title: str) -> ProcessModel:
    """Declare the model with other choices in its equations.

    Parameters
    ----------
    form : Form
        `DEFAULT`, `SOURCE`, or one of them with something replaced.
    name, title : str
        Of the model.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    soil = tuple(n for n in State._fields if n.startswith(("relative_moisture", "water_energy")))
    return ProcessModel(
        name=name,
        title=title,
        step=partial(step, form),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        citations=CITATIONS,
        budgets={
            "carbon": Budget(
                tuple(f"{n}_carbon" for n in POOLS), ("gpp",), ("reco", "methane_emission", "fire_emission", "biomass_removal")
            ),
            "water": Budget(
                ("snow_water", *soil[:3]), ("rainfall", "snowfall"), ("evapotranspiration", "runoff"), partial(_water_stock, form)
            ),
            "heat": Budget(soil, ("soil_heat_gain", "infiltration_heat"), ("water_loss_heat",), partial(_heat_stock, form)),
        },
        equilibrium=Equilibrium(
            ("leaf_litterfall", "root_litterfall", "labile_litterfall", "wood_litterfall", "aerobic_factor", "anaerobic_factor"),
            equilibrium,
        ),
        constraints=CONSTRAINTS,
        folded=("step_length", "burned_area", "disturbance_removal", "yield_removal"),
        derived_forcing=DERIVED,
    )


DALEC_1100 = variant(DEFAULT, "dalec_1100", "DALEC 1100: canopy of Liu, phenology of Knorr, three soil layers (CARDAMOM 1100)")
