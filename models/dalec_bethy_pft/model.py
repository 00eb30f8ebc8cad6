"""D&B at towers of one plant functional type: traits in common, soil and stores by site."""

from collections.abc import Mapping, Sequence

import pymc as pm
import xarray as xr
from lsm_bayes.models.bethy_tower.model import CLOSURE, PRIORS, STREAMS, bethy_type, prepared, streams_of

from lsm_bayes.calibration import InProportion, Pooling, build_model
from lsm_bayes.declare import Prior, ProcessModel
from lsm_bayes.land import bethy_types, dalec_bethy

SITES = ("FI-Hyy", "CH-Dav")
LAND: dict[str, ProcessModel] = {"summergreen": dalec_bethy.DALEC_BETHY_HOURLY, "evergreen": dalec_bethy.DALEC_BETHY_WARM_HOURLY}
"""Process model by kind of phenology."""
# Heterotrophic respiration is a rate times a pool, and a few years tell neither apart: the pool is calibrated. Nothing that is observed
# depends on wood within them.
FIXED = ("soil_mineralisation", "decomposition_rate", "wood_turnover", "root_turnover", "wood_carbon", "root_carbon")
CARBON = {
    # Needles are counted by the year of their shoot: three to six years at such sites. Without that, three fluxes take half a year.
    "leaf_lifespan": Prior("log_normal", 4.0, 0.2),
    "soil_carbon": Prior("log_normal", 9000.0, 0.8),
    "litter_carbon": Prior("log_normal", 250.0, 0.7),
    "labile_carbon": Prior("log_normal", 150.0, 0.7),
}


def build(
    data: xr.Dataset,
    sites: Sequence[str] = SITES,
    *,
    streams: Sequence[str] = STREAMS,
    withheld_years: int = 2,
    pooling: Mapping[str, Pooling] | None = None,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Complete daily drivers and fluxes, such as ``callmip-towers``; coordinate ``pft``.
    sites : sequence of str
        Sites of one plant functional type.
    streams : sequence of str
        Which of NEE, latent and sensible heat are fitted.
    withheld_years : int
        Calendar years at the end that are not fitted.
    pooling : mapping of str to Pooling, optional
        In place of the declared levels: traits by type, soil by site.

    Returns
    -------
    pymc.Model
        The first year of each site is a warm-up.

    Raises
    ------
    KeyError
        For a type whose phenology D&B does not have here.
    ValueError
        For sites of several types.
    """
    names = [str(s) for s in sites]
    number = bethy_type(data, names)
    kind = bethy_types.structure(number).phenology
    if kind not in LAND:
        raise KeyError(
            f"D&B is declared here for the phenology of {', '.join(LAND)} plants; {bethy_types.plant_type(number).title} is {kind}"
        )
    land, chosen = LAND[kind], prepared(data, names)
    known = {n: v for n, v in bethy_types.values(number).items() if n in land.parameter_table}
    still = {n: v for n, v in known.items() if land.parameter_table[n][0].fixed}
    priors = {n: p for n, p in bethy_types.priors(number).items() if n in land.parameter_table}
    return build_model(
        land,
        chosen,
        streams_of(chosen, streams),
        withheld_years=withheld_years,
        pooling=pooling,
        initial={"foliage_carbon": InProportion("leaf_mass_area", (0.3, 8.0))},
        priors=priors | PRIORS | CARBON | {f"{n}_closure": CLOSURE for n in streams if n != "nee"},
        fixed=still | {n: land.calibrated[n][1] for n in FIXED},
    )
