"""DALEC-CDEA at the forests and grasslands of FLUXNET2015 together: physiology by plant functional type, dates and pools by site."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import xarray as xr
from lsm_bayes.models.dalec_pft_hierarchical.model import FEWEST_DAYS, INITIAL, first_years

from lsm_bayes.calibration import NearEquilibrium, Pooling, ShareOf, Stream, build_model, complete, date_prior, none, partial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.land import get

YEARS = 4
# Harvest is not in the model, savannas and wetlands are not what it was made for, and mixed forests are no type: their leaves live as long
# as those of pines or of oaks, and the posterior has a mode for each.
TYPES = ("DBF", "EBF", "ENF", "GRA")
# Grasslands of dry climates, which grow when it has rained; the model has one season a year, at the same date, and knows no water.
DRIVEN_BY_RAIN = ("AU-Stp", "US-SRG", "US-Wkg")
FORCING = ("air_temperature_min", "air_temperature_max", "shortwave_down", "co2")
# NEE and GPP hardly tell these from their priors (what is left of the prior variance is 0.77 to 1.00), or only in products with others.
# With all parameters free, by site, the posterior has 1,093 dimensions and a mode for every combination of odd seasons. Without observed
# leaf area, canopy efficiency and the allocation that sets leaf area trade off along a curved ridge.
FIXED = (
    "canopy_efficiency",
    "f_foliage",
    "f_roots",
    "leaf_mass_area",
    "root_turnover",
    "wood_turnover",
    "decomposition_rate",
    "soil_mineralisation",
)
POOLED: dict[str, Pooling] = {
    "temperature_exponent": complete(),
    **{name: none("pft") for name in ("leaf_lifespan", "labile_release_period", "leaf_fall_period", "litter_mineralisation")},
    # What sets leaf area and the share that is respired differs between sites of a type, and each site's own data settle it: sampled
    # centred (`choose_centring`).
    **{name: partial("site", within="pft", spread=1.0, centred=True) for name in ("f_labile", "f_auto")},
    **{name: none("site") for name in ("leaf_onset_day", "leaf_fall_day")},
}
# The soil may be far from equilibrium; roots, wood and litter of four years of NEE need not be.
START = INITIAL | {
    **{pool: NearEquilibrium(0.05) for pool in ("root_carbon", "wood_carbon", "litter_carbon")},
    "labile_carbon": ShareOf("foliage_carbon"),
}
# Weekly means: with the AR(1) of daily values, as slow as the data ask for, the season would be that of the error. No slow discrepancy: its
# monthly knots would be more coordinates than all parameters of all sites together.
NEE = ErrorModel(discrepancy=None)
GPP = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)


def suitable_sites(data: xr.Dataset, years: int = YEARS, types: Sequence[str] = TYPES) -> list[str]:
    """Choose the sites with some years in a row of observed NEE and complete forcing.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data, dimensions ``site`` and ``time``, coordinate ``pft``.
    years : int
        How many calendar years in a row, each with NEE on `FEWEST_DAYS` days.
    types : sequence of str
        Plant functional types to take.

    Returns
    -------
    list of str
        In the order of the data, without those that are remarked to hardly photosynthesise and those `DRIVEN_BY_RAIN`.

    Raises
    ------
    ValueError
        When there are fewer than two.
    """
    found, year = [], data["time"].dt.year.values
    numbers = np.unique(year)
    remarks = data["remark"].values if "remark" in data.coords else np.full(data.sizes["site"], "")
    for i, name in enumerate(map(str, data["site"].values)):
        if str(data["pft"].values[i]) not in types or "hardly photosynthesises" in str(remarks[i]) or name in DRIVEN_BY_RAIN:
            continue
        one = data.isel(site=i)
        forced = np.all([np.isfinite(one[n].values) for n in FORCING], axis=0)
        observed = np.isfinite(one["nee"].values)
        good = {int(y) for y in numbers if observed[year == y].sum() >= FEWEST_DAYS and forced[year == y].all()}
        if any(good.issuperset(range(y, y + years)) for y in good):
            found.append(name)
    if len(found) < 2:
        raise ValueError(
            f"{len(found)} sites of {', '.join(types)} have {years} years in a row with NEE on {FEWEST_DAYS} days and complete "
            f"{', '.join(FORCING)}; ask for fewer years, or name the sites"
        )
    return found


def build(
    data: xr.Dataset,
    sites: Sequence[str] | None = None,
    *,
    years: int = YEARS,
    withheld_years: int = 0,
    pooling: Mapping[str, Pooling] | None = None,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Daily NEE, GPP and drivers of several sites, coordinate ``pft``; such as ``fluxnet2015-daily``.
    sites : sequence of str, optional
        Sites to take; `suitable_sites` without.
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
    """
    chosen = first_years(data.sel(site=list(sites or suitable_sites(data, years))), years)
    land = get("dalec_cdea")
    table = land.parameter_table
    onset, fall = {}, {}
    for site in map(str, chosen["site"].values):
        one = chosen.sel(site=site)
        days = observed_turning_days(one, np.isfinite(one["shortwave_down"].values))
        onset[site], fall[site] = (date_prior(day, 15.0, table["leaf_onset_day"][0]) for day in days)
    return build_model(
        land,
        chosen,
        [Stream("nee", "week", NEE), Stream("gpp", "month", GPP)],
        withheld_years=withheld_years,
        pooling=POOLED | dict(pooling or {}),
        initial=START,
        priors={"leaf_onset_day": onset, "leaf_fall_day": fall},
        fixed={name: table[name][1] for name in FIXED if name not in (pooling or {})},
    )
