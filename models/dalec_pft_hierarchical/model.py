"""DALEC-CDEA at several sites at once: physiology by plant functional type, phenology and pools by site."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import InProportion, NearEquilibrium, Pooling, Stream, build_model, complete, date_prior, none, partial
from lsm_bayes.calibration.initial import Initial
from lsm_bayes.calibration.phenology import observed_turning_days
from lsm_bayes.land import get

SITES = ("DE-Hai", "US-MMS", "FI-Hyy", "RU-Fyo", "DE-Tha", "FR-Pue")
YEARS = 4
CONSTRAINT_WIDTH = 0.2  # log ratio
FEWEST_DAYS = 180  # with observed NEE, in a year that counts

POOLING: dict[str, Pooling] = {
    "temperature_exponent": complete(),
    **{
        name: partial("site", within="pft")
        for name in (
            "canopy_efficiency",
            "f_auto",
            "f_roots",
            "labile_release_period",
            "leaf_fall_period",
            "root_turnover",
            "wood_turnover",
        )
    },
    # Soil and litter are not those of a plant functional type. The lifespan of deciduous leaves is a little more than a year, and no data
    # tell how little: pooled, it made a ridge with the spread within types (effective sample size 21 of 3,200 draws).
    **{
        name: none("site")
        for name in (
            "f_foliage",
            "f_labile",
            "leaf_mass_area",
            "leaf_lifespan",
            "leaf_onset_day",
            "leaf_fall_day",
            "litter_mineralisation",
            "soil_mineralisation",
            "decomposition_rate",
        )
    },
}
INITIAL: dict[str, Initial] = {
    **{pool: NearEquilibrium(0.5) for pool in ("root_carbon", "wood_carbon", "litter_carbon", "soil_carbon")},
    "foliage_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
    "labile_carbon": InProportion("leaf_mass_area", (0.2, 10.0)),
}


def first_years(data: xr.Dataset, years: int) -> xr.Dataset:
    """Keep of each site the first run of years in which NEE was observed.

    Parameters
    ----------
    data : xarray.Dataset
        Dimensions ``site`` and ``time``.
    years : int
        How many calendar years.

    Returns
    -------
    xarray.Dataset
        On the same time axis, missing outside the years of each site.

    Raises
    ------
    ValueError
        When a site has no such run.
    """
    kept = []
    by_site = data[[n for n, v in data.data_vars.items() if "site" in v.dims]]
    for site in by_site["site"].values:
        one = by_site.sel(site=[site])
        year = one["time"].dt.year.values
        observed = np.isfinite(one["nee"].transpose("site", "time").values[0])
        good = {int(y) for y in np.unique(year) if observed[year == y].sum() >= FEWEST_DAYS}
        starts = [y for y in sorted(good) if good.issuperset(range(y, y + years))]
        if not starts:
            raise ValueError(
                f"{site} has no {years} years in a row with NEE on {FEWEST_DAYS} days or more (it has {sorted(good)}); "
                "leave the site out, or ask for fewer years"
            )
        window = slice(str(starts[0]), str(starts[0] + years - 1))
        kept.append(one.sel(time=window).reindex(time=data["time"]))
    joined = xr.concat(kept, dim="site", data_vars="minimal", coords="minimal", compat="override", join="exact")
    return joined.assign({n: data[n] for n in data.data_vars if n not in joined})


def build(
    data: xr.Dataset,
    sites: Sequence[str] = SITES,
    *,
    years: int | None = YEARS,
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
    years : int, optional
        How many years of each site to use, the first with observed NEE; None for the whole record.
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
        chosen = first_years(chosen, years)
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
        constraints=CONSTRAINT_WIDTH,
    )
