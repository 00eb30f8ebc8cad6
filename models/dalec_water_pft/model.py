"""DALEC 1005 at several forests together: carbon and water, physiology by plant functional type and site."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models.dalec_pft_hierarchical.model import SITES, first_years
from lsm_bayes.models.dalec_water_single_site.model import LAND, OFFSET, PRIORS, SEASON, UNSEEN

from lsm_bayes.calibration import InProportion, NearEquilibrium, Pooling, ShareOf, Stream, build_model, complete, date_prior, none, partial
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.declare import Prior
from lsm_bayes.errors import Bias, ErrorModel, LogNormal, SeasonalBias

YEARS = 4
STREAMS = ("nee", "evapotranspiration", "lai")
# Leaf area is observed, leaf carbon is not: leaf mass per area and the allocation to leaves are known as a product. What these streams say
# least about by themselves stays at its default, as in `dalec_pft_fluxnet`.
FIXED = (
    "f_foliage",
    "f_roots",
    "leaf_mass_area",
    "root_turnover",
    "wood_turnover",
    "decomposition_rate",
    "soil_mineralisation",
    "labile_lifespan",
    *UNSEEN,
)
POOLED: dict[str, Pooling] = {
    "temperature_exponent": complete(),
    "precipitation_sensitivity": complete(),
    **{
        name: none("pft")
        for name in ("leaf_lifespan", "labile_release_period", "leaf_fall_period", "litter_mineralisation", "radiation_evaporation")
    },
    **{
        name: partial("site", within="pft", spread=1.0, centred=True)
        for name in ("canopy_efficiency", "f_labile", "f_auto", "underlying_water_use_efficiency")
    },
    **{name: none("site") for name in ("leaf_onset_day", "leaf_fall_day", "available_water_focal_point", "water_stress_threshold")},
}
# Productivity, respiration of plants and water use are seen in two net fluxes. Between their bounds alone, autotrophic respiration and the
# efficiency of canopies went to these, and chains did not mix. Shares of 0.35 to 0.65 of GPP are seen (Collalti & Prentice 2019, doi
# 10.1093/treephys/tpz034).
EFFICIENCIES = {
    "f_auto": Prior("normal", 0.5, 0.1),
    "canopy_efficiency": Prior("log_normal", 20.0, 0.5),
    "available_water_focal_point": Prior("log_normal", 2e4, 1.0),  # of the order of ten times the water that is there
}
INITIAL: dict[str, Initial] = {
    **{pool: NearEquilibrium(0.05) for pool in ("root_carbon", "wood_carbon", "litter_carbon")},
    # Forests that grow take up more than they respire, which is soil below its equilibrium.
    "soil_carbon": NearEquilibrium(1.0),
    "foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
    "labile_carbon": ShareOf("foliage_carbon"),
}


def streams_of(data: xr.Dataset) -> list[Stream]:
    """Choose the streams: weekly means of NEE and evapotranspiration, and leaf area.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data, dimensions ``site`` and ``time``.

    Returns
    -------
    list of Stream
        NEE and evapotranspiration have an AR(1) error from week to week, evapotranspiration also an offset and a seasonal part by site:
        interception and snow are not in the model. No slow discrepancy.
    """
    size = float(np.nanstd(data["evapotranspiration"].values))
    water = ErrorModel(discrepancy=None) + Bias(OFFSET * size) + SeasonalBias(SEASON * size, 2)
    area = Stream("lai").error_model
    return [
        Stream("nee", "week", ErrorModel(discrepancy=None)),
        Stream("evapotranspiration", "week", water),
        Stream("lai", error=area + LogNormal() if float(data["lai"].min()) > 0 else area),
    ]


def build(
    data: xr.Dataset,
    sites: Sequence[str] = SITES,
    *,
    years: int = YEARS,
    withheld_years: int = 0,
    pooling: Mapping[str, Pooling] | None = None,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily NEE, evapotranspiration, leaf area and drivers, with precipitation and vapour pressure deficit, of several sites; coordinate
        ``pft``; such as ``fluxnet-daily-water``.
    sites : sequence of str
        Sites to take.
    years : int
        How many years of each site to use, the first with observed NEE.
    withheld_years : int
        Calendar years at the end that are not fitted.
    pooling : mapping of str to Pooling, optional
        In place of `POOLED`, by parameter; one of `FIXED` is then calibrated.

    Returns
    -------
    pymc.Model
        Dimensions ``site`` and ``pft``.

    Raises
    ------
    ValueError
        When a stream is missing.
    """
    missing = [n for n in STREAMS if n not in data]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} not in the data; this model takes {', '.join(STREAMS)}, dalec_pft_hierarchical takes NEE and leaf area"
        )
    chosen = first_years(data.sel(site=list(sites)), years)
    table = LAND.parameter_table
    onset, fall = {}, {}
    for site in map(str, sites):
        one = chosen.sel(site=site)
        days = observed_turning_days(one, np.isfinite(one["shortwave_down"].values))
        onset[site], fall[site] = (date_prior(day, 15.0, table["leaf_onset_day"][0]) for day in days)
    return build_model(
        LAND,
        chosen,
        streams_of(chosen),
        withheld_years=withheld_years,
        pooling=POOLED | dict(pooling or {}),
        initial=INITIAL,
        priors=PRIORS | EFFICIENCIES | {"leaf_onset_day": onset, "leaf_fall_day": fall},
        fixed={name: LAND.calibrated[name][1] for name in FIXED if name not in (pooling or {})},
    )
