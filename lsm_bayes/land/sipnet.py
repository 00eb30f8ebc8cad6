"""SIPNET: carbon and water of an ecosystem in steps of half days, with a bucket of soil water, snow and simple phenology.

Braswell et al. (2005), doi 10.1111/j.1365-2486.2005.00897.x: the core; Sacks et al. (2006), doi 10.1111/j.1365-2486.2005.01059.x: snow,
frozen soil, growth of evergreen leaves, litter; Zobitz et al. (2008), doi 10.1007/s10021-007-9120-1: roots. Options and order of evaluation
are those of the public code, version 2 with its default switches. Pools are gC m-2 and mm of water, fluxes per day. All fluxes follow
from the state at the start of a step; steps may differ in length.

Steps of a day, or one for the day and one for the night, need no more than the forcing. NPP is allocated as its mean over the five days
before; the models here remember 12 steps for it. For shorter steps build one that remembers more: ``sipnet_model("sipnet_hourly", "...",
entries=121)``. Calibration keeps what is remembered at the start at zero.

Leaf-on and leaf-off happen once in a calendar year, in the step in which degree days reach `leaf_onset_degree_days`, and in the first
that begins on `leaf_fall_day`. Their dates, and `frozen_soil_threshold`, have zero gradients: keep these parameters fixed, or take
`sipnet_smooth`, in which the events are logistic functions that converge to the steps with their widths (`widths` of `sipnet_model`).
Where a record begins within a year, degree days are counted from there unless the data give them.

Differences. `sipnet_original` follows the code where the others do not: it sets negative pools to zero, drops snow below 1e-5 mm, lets
nearly dry soil take up dew to keep 1e-5 mm, and forgets the leaves that fall when it looks for what leaves can give; its budget of water does
not close. Here such snow melts, dew is zero, and the leaves that turn over and fall are at most all. Allocation fractions are nested as
in DALEC, not shares that must add up to less than one. The light response of the paper is averaged over 50 layers; here, as in the
code, Simpson's rule is taken over six.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lsm_bayes.declare import Budget, DerivedForcing, Equilibrium, ProcessModel
from lsm_bayes.land import sipnet_declared as declared
from lsm_bayes.land.sipnet_step import Variant, Widths, step
from lsm_bayes.processes.series import step_before, sum_since_new_year, window_weights

LIVE = ("foliage_carbon", "wood_carbon", "storage_carbon", "root_carbon", "coarse_root_carbon")
WATER_GAIN = ("rainfall", "snowfall", "irrigation")
WATER_LOSS = ("evapotranspiration", "surface_runoff", "drainage")
SMOOTH = Widths(degree_days=20.0, days=3.0, temperature=0.5)
CITATIONS = (
    "Braswell et al. (2005), Global Change Biology 11, 335-355, doi 10.1111/j.1365-2486.2005.00897.x: SIPNET",
    "Sacks et al. (2006), Global Change Biology 12, 240-259, doi 10.1111/j.1365-2486.2005.01059.x: snow, frozen soil, litter",
    "Zobitz et al. (2008), Ecosystems 11, 250-269, doi 10.1007/s10021-007-9120-1: roots",
)


def _seasons(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    day = series["day_of_year"]
    summed = sum_since_new_year(np.maximum(0.0, series["air_temperature"] * series["step_length"]), day)
    return {"day_of_year_before": step_before(day, day), "degree_days": summed, "degree_days_before": step_before(summed, day)}


def _weights(entries: int, series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    weights = window_weights(series["step_length"], declared.WINDOW, entries)
    return dict(zip(declared.weight_names(entries), weights, strict=True))


def _equilibrium(means: Mapping[str, Any], p: Any) -> dict[str, Any]:
    """Balance soil organic matter, and litter, where there is such a pool."""
    above = means["leaf_litterfall"] + means["wood_litterfall"]
    below = means["root_litterfall"] + means["coarse_root_litterfall"]
    factor = means["decomposition_factor"]
    if "litter_breakdown" not in p._fields:
        return {"soil_carbon": (above + below) / (p.soil_mineralisation * factor)}
    return {
        "litter_carbon": above / (p.litter_breakdown * factor),
        "soil_carbon": (above * (1.0 - p.litter_respired_fraction) + below) / (p.soil_mineralisation * factor),
    }


def sipnet_model(
    name: str,
    title: str,
    *,
    litter: bool = False,
    original: bool = False,
    widths: Widths | None = None,
    entries: int = declared.ENTRIES,
) -> ProcessModel:
    """Declare a SIPNET.

    Parameters
    ----------
    name, title : str
        Of the process model.
    litter : bool
        Whether litter of leaves and wood is a pool of its own; otherwise it goes to soil organic matter.
    original : bool
        Whether to follow the code where it does not conserve carbon or water.
    widths : Widths, optional
        Of the logistic functions in place of events: degree days at leaf-on, days at leaf-off, degC of the freezing of soil.
    entries : int
        Steps remembered for the mean of NPP over five days, at least as many as five days have, and one.

    Returns
    -------
    ProcessModel
        The declaration; equilibrium of soil organic matter, and of litter, from the mean litterfall.
    """
    parameters = declared.extended("Parameters", declared.Parameters, declared.LITTER_PARAMETERS if litter else {})
    state = declared.extended("State", declared.State, declared.LITTER_STATE if litter else {}, declared.remembered(entries))
    fluxes = declared.extended("Fluxes", declared.Fluxes, declared.LITTER_FLUXES if litter else {})
    stock = (*LIVE, "soil_carbon", *(("litter_carbon",) if litter else ()))
    budgets = {"carbon": Budget(stock, ("gpp",), ("reco",))}
    if not original:
        budgets["water"] = Budget(("soil_water_storage", "snow_water"), WATER_GAIN, WATER_LOSS)
    needs = ("leaf_litterfall", "wood_litterfall", "root_litterfall", "coarse_root_litterfall", "decomposition_factor")
    return ProcessModel(
        name=name,
        title=title,
        step=partial(step, Variant(state, fluxes, entries, litter, original, widths)),
        parameters=parameters,
        state=state,
        forcing=declared.extended("Forcing", declared.Forcing, declared.weights(entries)),
        fluxes=fluxes,
        citations=CITATIONS,
        budgets=budgets,
        equilibrium=Equilibrium(needs, _equilibrium, held=("storage_carbon",)),
        folded=("step_length", "irrigation"),
        derived_forcing=(
            DerivedForcing(
                ("day_of_year_before", "degree_days", "degree_days_before"),
                ("air_temperature", "day_of_year", "step_length"),
                _seasons,
            ),
            DerivedForcing(tuple(declared.weight_names(entries)), ("step_length",), partial(_weights, entries)),
        ),
    )


SIPNET = sipnet_model("sipnet", "SIPNET")
SIPNET_LITTER = sipnet_model("sipnet_litter", "SIPNET with a pool of litter", litter=True)
SIPNET_SMOOTH = sipnet_model("sipnet_smooth", "SIPNET with smooth leaf-on, leaf-off and freezing", widths=SMOOTH)
SIPNET_ORIGINAL = sipnet_model("sipnet_original", "SIPNET with the losses of mass of the C source", original=True)
