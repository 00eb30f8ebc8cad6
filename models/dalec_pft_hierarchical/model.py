"""DALEC-CDEA at several sites at once: physiology by plant functional type, phenology and pools by site."""

from collections.abc import Mapping, Sequence

import pymc as pm
import xarray as xr

from lsm_bayes.calibration import InProportion, NearEquilibrium, Pooling, Stream, build_model, complete, date_prior, none, partial
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.land import get

SITES = ("DE-Hai", "US-MMS", "FI-Hyy", "RU-Fyo", "FR-Pue", "US-Ton")
YEARS = ("2006", "2009")  # what the water set has at all of them; DE-Tha begins in 2008

POOLING: dict[str, Pooling] = {
    "temperature_exponent": complete(),
    **{
        name: partial("site", within="pft")
        for name in (
            "canopy_efficiency",
            "f_auto",
            "f_roots",
            "leaf_lifespan",
            "labile_release_period",
            "leaf_fall_period",
            "root_turnover",
            "wood_turnover",
            "litter_mineralisation",
            "soil_mineralisation",
            "decomposition_rate",
        )
    },
    **{name: none("site") for name in ("f_foliage", "f_labile", "leaf_mass_area", "leaf_onset_day", "leaf_fall_day")},
}
INITIAL: dict[str, Initial] = {
    **{pool: NearEquilibrium(0.5) for pool in ("root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")},
    "foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
    "labile_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
}


def build(
    data: xr.Dataset,
    sites: Sequence[str] = SITES,
    *,
    years: tuple[str, str] | None = YEARS,
    withheld_years: int = 0,
    pooling: Mapping[str, Pooling] | None = None,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily NEE, leaf area and drivers of several sites, coordinate ``pft``.
    sites : sequence of str
        Sites to take.
    years : tuple of str, optional
        First and last year to use; None for the whole record of each site.
    withheld_years : int
        Calendar years at the end that are not fitted.
    pooling : mapping of str to Pooling, optional
        In place of `POOLING`, by parameter.

    Returns
    -------
    pymc.Model
        Dimensions ``site`` and ``pft``.
    """
    chosen = data.sel(site=list(sites))
    if years is not None:
        chosen = chosen.sel(time=slice(*years))
    land = get("dalec_cdea")
    table = land.parameter_table
    onset, fall = {}, {}
    for site in sites:
        one = chosen.sel(site=site)
        onset[site], fall[site] = (date_prior(day, 15.0, table["leaf_onset_day"][0]) for day in observed_turning_days(one))
    priors = {"leaf_onset_day": onset, "leaf_fall_day": fall}
    return build_model(
        land,
        chosen,
        [Stream("nee"), Stream("lai")],
        withheld_years=withheld_years,
        pooling=POOLING | dict(pooling or {}),
        initial=INITIAL,
        priors=priors,
    )
