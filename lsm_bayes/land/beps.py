"""BEPS, a land model of hourly exchange of carbon, water and energy: two storeys of sunlit and shaded clumped leaves, five layers of soil.

Liu et al. (1997), doi 10.1016/S0034-4257(97)00089-8; Chen et al. (1999), doi 10.1016/S0304-3800(99)00156-8; Ju et al. (2006), doi
10.1016/j.agrformet.2006.08.014; numbers and quirks as in the public source, version of 2021 for single sites. An hour has ten steps of
360 s; dead carbon moves once an hour. Leaf area is prescribed.

`beps` is the form for inference: kinks have a width, leaf temperatures are iterated a fixed number of times from those of the step
before, fluxes of an hour are means, pools move on. `beps_original` follows the source (`lsm_bayes.land.beps_step.Form`); it has no gradient
of photosynthesis. The source reports the flux of the last 360 s as that of the hour: in `beps_original` that is every tenth value of the
fast fluxes. Its pools start each hour from the initial ones; here they always move on.

The source conserves neither energy nor carbon: leaves and ground are held near the air, soil heat under snow is that of the snow surface, NEP
counts litter twice. The fluxes `runoff` and `unsupplied_water` say what water is lost and created where layers are clipped.
"""

import numpy as np

from lsm_bayes.declare import Budget, DerivedForcing, Nested, ProcessModel
from lsm_bayes.land.beps_declared import (
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

ORIGINAL = Form(original=True, soft=0.0, iterations=23, parts=12)


def _sun(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284.0 + given["day_of_year"]) / 365.0)
    place, angle = np.radians(given["latitude"]), 2.0 * np.pi * (given["solar_hour"] / 24.0 - 0.5)
    sine = np.sin(place) * np.sin(declination) + np.cos(place) * np.cos(declination) * np.cos(angle)
    return {"solar_elevation_sine": sine}


def _humidity(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    temperature = given["air_temperature"]
    saturated = 6.1078 * np.exp(17.3 * temperature / (237.3 + temperature))
    return {"relative_humidity": 100.0 * np.clip(1.0 - given["vapour_pressure_deficit"] / saturated, 0.01, 1.0)}


def beps(name: str, title: str, form: Form, site: Site = SHRUB_ON_LOAM) -> ProcessModel:
    """Declare BEPS for a site.

    Parameters
    ----------
    name, title : str
        As in `ProcessModel`.
    form : Form
        Of the equations.
    site : Site
        What the site has.

    Returns
    -------
    ProcessModel
        The declaration.
    """
    fast_state = OriginalState if form.original else FastState
    return ProcessModel(
        name=name,
        title=title,
        step=slow_step_of(form, site),
        parameters=Parameters,
        state=State,
        forcing=Forcing,
        fluxes=Fluxes,
        nested=Nested(fast_step_of(form, site), fast_state, Forcing, FastFluxes, STEPS),
        citations=(
            "Chen et al. (1999), Ecological Modelling 124, 99-119, doi 10.1016/S0304-3800(99)00156-8: canopy",
            "Ju et al. (2006), Agricultural and Forest Meteorology 140, 171-192, doi 10.1016/j.agrformet.2006.08.014: water and energy",
            "Baldocchi (1994), Tree Physiology 14, 1069-1079, doi 10.1093/treephys/14.7-8-9.1069: leaves",
        ),
        budgets={"carbon": Budget(State._fields, ("litterfall",), ("heterotrophic_respiration",))},
        derived_forcing=(
            DerivedForcing(("solar_elevation_sine",), ("day_of_year", "solar_hour", "latitude"), _sun),
            DerivedForcing(("relative_humidity",), ("vapour_pressure_deficit", "air_temperature"), _humidity),
        ),
    )


BEPS = beps("beps", "BEPS, sunlit and shaded leaves in two storeys, five layers of soil, hourly", Form())
BEPS_ORIGINAL = beps("beps_original", "BEPS as its source steps it", ORIGINAL)
