"""BEPS, a land model of hourly exchange of carbon, water and energy: two storeys of sunlit and shaded clumped leaves, five layers of soil.

Liu et al. (1997), doi 10.1016/S0034-4257(97)00089-8; Chen et al. (1999), doi 10.1016/S0304-3800(99)00156-8; Ju et al. (2006), doi
10.1016/j.agrformet.2006.08.014; numbers as in the public source, version of 2021 for single sites. An hour has ten steps of 360 s; dead carbon
moves once an hour. Leaf area is prescribed. Carbon is gC m-2, water mm.

`beps` is the form for inference. Kinks have a width (`beps_step.Form`). A step makes one round of the search for leaf temperatures, from those of
the step before; the sensible heat that sets the stability of the air follows with a weight of one half. Where the search of the source does
not converge, which at a warm site is a third of all hours, this finds the mean of what it jumps between. The fluxes of an hour are means
of its steps. Water and heat in the soil move implicitly, with flows in place of clipping; surface, snow and melt share one balance; roots and
evaporation get at most what layers and stores hold. So carbon, water and energy are conserved in every step.

Energy: net radiation is what short waves the overstorey does not reflect and the net long waves of both storeys and of the ground. `ground_heat`
warms the skin of soil or snow, melts snow, and enters the soil; sensible heat is the rest, because leaves of the model do not absorb quite what its
storeys do, and are held between 3 K below and 5 K above the air. Left out: heat that water carries, and the phase of what falls.

`beps_original` is the source, with its slips, round by round (`beps_source`); it has no gradient of photosynthesis, and conserves neither water nor
energy. Dead carbon of the source starts each hour from the initial pools; here it always moves on.

Traps. (1) NEP of the source counts litter twice; here net exchange is heterotrophic respiration less net primary production. (2) Litter follows an
annual production that is given (`Site.annual_npp`). (3) The understorey vanishes where its leaf area would exceed that of the overstorey, at
0.66 m2 m-2: a jump with `lai_scale`. (4) The kinetics of photosynthesis are those of air temperature.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lsm_bayes.declare import Budget, DerivedForcing, Nested, ProcessModel
from lsm_bayes.land import beps_source
from lsm_bayes.land.beps_declared import (
    LAYERS,
    SHRUB_ON_LOAM,
    FastFluxes,
    FastState,
    Fluxes,
    Forcing,
    OriginalState,
    Parameters,
    Site,
    State,
)
from lsm_bayes.land.beps_step import STEPS, Form, fast_step_of, slow_step_of

WATER = ("water_over", "water_under", "snow_over", "snow_under", "snow_water", "pond", *(f"soil_water_{i}" for i in LAYERS))


def _sun(given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284.0 + given["day_of_year"]) / 365.0)
    place, angle = np.radians(given["latitude"]), 2.0 * np.pi * (given["solar_hour"] / 24.0 - 0.5)
    sine = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(angle)
    return {"solar_elevation_sine": sine}


def _humidity(given: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    temperature = given["air_temperature"]
    saturated = 6.1078 * np.exp(17.3 * temperature / (237.3 + temperature))
    return {"relative_humidity": 100.0 * np.clip(1.0 - given["vapour_pressure_deficit"] / saturated, 0.01, 1.0)}


def _no_store(x: Any, p: Any) -> Any:
    return 0.0 * x.coarse_carbon


def beps(name: str, title: str, form: Form | None = None, site: Site = SHRUB_ON_LOAM) -> ProcessModel:
    """Declare BEPS for a site.

    Parameters
    ----------
    name, title : str
        As in `ProcessModel`.
    form : Form, optional
        Widths of the default form; none: the step of the source.
    site : Site
        What the site has.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    budgets = {"carbon": Budget(State._fields, ("litterfall",), ("heterotrophic_respiration",))}
    if form is not None:
        budgets |= {
            "water": Budget(WATER, ("precipitation",), ("evapotranspiration", "runoff")),
            "energy": Budget((), ("net_radiation",), ("latent_heat", "sensible_heat", "ground_heat"), _no_store),
        }
        hour = slow_step_of(form, site)
        nested = Nested(fast_step_of(form, site), FastState, Forcing, FastFluxes, STEPS, finite_branches=True)
    else:
        hour = beps_source.hour_of(site)
        nested = Nested(beps_source.fast_step_of(site), OriginalState, Forcing, FastFluxes, beps_source.SOURCE_STEPS)
    return ProcessModel(
        name=name,
        title=title,
        step=hour,
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        nested=nested,
        citations=(
            "Chen et al. (1999), Ecological Modelling 124, 99-119, doi 10.1016/S0304-3800(99)00156-8: canopy",
            "Ju et al. (2006), Agricultural and Forest Meteorology 140, 171-192, doi 10.1016/j.agrformet.2006.08.014: water and energy",
            "Baldocchi (1994), Tree Physiology 14, 1069-1079, doi 10.1093/treephys/14.7-8-9.1069: leaves",
        ),
        budgets=budgets,
        derived_forcing=(
            DerivedForcing(("solar_elevation_sine",), ("day_of_year", "solar_hour", "latitude"), _sun),
            DerivedForcing(("relative_humidity",), ("vapour_pressure_deficit", "air_temperature"), _humidity),
        ),
    )


BEPS = beps("beps", "BEPS, sunlit and shaded leaves in two storeys, five layers of soil, hourly", Form())
BEPS_ORIGINAL = beps("beps_original", "BEPS as its source steps it")
