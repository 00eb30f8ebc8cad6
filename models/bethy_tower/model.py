"""BETHY at towers of one plant functional type: daily NEE, latent and sensible heat together."""

from collections.abc import Mapping, Sequence

import numpy as np
import pymc as pm
import xarray as xr

from lsm_bayes.calibration import Pooling, Stream, build_model
from lsm_bayes.datasets import with_diurnal_course
from lsm_bayes.declare import Prior
from lsm_bayes.errors import Bias, ErrorModel, SeasonalBias
from lsm_bayes.land import bethy, bethy_types

TYPES = {"ENF": 5, "DNF": 6, "EBF": 3, "DBF": 4, "GRA": 9, "CRO": 13, "OSH": 8, "CSH": 7}
"""Number of the type of BETHY by that of the IGBP."""
WINDOWS = {"CH-Dav": (1999, 2004), "FI-Hyy": (2005, 2010), "FR-Pue": (2005, 2010)}
"""First and last year that are used, by site: most days with both heat fluxes."""
STREAMS = ("nee", "latent_heat", "sensible_heat")
# The eddies that a tower sees carry a part of the energy that the surface gives off: 0.85 is typical (Wilson et al. 2002, doi
# 10.1016/S0168-1923(02)00109-0), in steep valleys it is less. The air below stores some: an offset, as a share of the sd of the series.
CLOSURE, OFFSET = Prior("log_normal", 0.85, 0.15), 0.1
# Snow in crowns evaporates, and trunks and soil store heat; the model has neither: two harmonics of the season. With errors as small in
# winter as fluxes are (exponent 0.7 of the envelope), parameters served the winter, and latent heat was 40 % too low in summer.
ENVELOPE, HARMONICS = 0.35, 2
# The published priors are those of a type over the globe. Trees of one site have a leaf area and a climate of their own. Internal CO2 is
# held at 0.65 of ambient in the source; together NEE and latent heat say what it is. Holm oaks keep their leaves through a drought:
# the time for which leaves make water last is 7.6 published sd below the published one.
PRIORS = {
    "lai_max": Prior("normal", 4.0, 1.0),
    "leaf_temperature": Prior("normal", 9.0, 2.0),
    "internal_co2_ratio": Prior("normal", 0.7, 0.07),
    "water_use_time": Prior("log_normal", 90.0, 1.0),
}
# What happened before the first year is gone after it; it is not fitted.
WARM_UP = 1
# Few nights of a few years do not tell litter from older carbon: one pool and its answer to warmth and water are calibrated.
FIXED = (
    *("snow_water", "plant_available_water", "litter_carbon"),
    *("litter_q10", "litter_turnover", "slow_fraction", "litter_per_shed_leaf"),
)

FINDINGS = {
    "soil_albedo_dry": "dark forest floors: the range is that of bare soils",
    "soil_albedo_wet": "dark forest floors: the range is that of bare soils",
    "leaf_shedding_rate": "needles are shed all year; the prior knows rates of cold months only",
    "nee_phi": "at the cap of the correlation of daily errors: the season of NEE is not fitted",
    "latent_heat_phi": "at the cap of the correlation of daily errors: the season of latent heat is not fitted",
}
"""What presses against a bound at these sites, and why."""


def bethy_type(data: xr.Dataset, sites: Sequence[str]) -> int:
    """Find the type of BETHY of some sites.

    Parameters
    ----------
    data : xarray.Dataset
        With the coordinate ``pft``.
    sites : sequence of str
        Sites.

    Returns
    -------
    int
        For `lsm_bayes.land.bethy.of_type`.

    Raises
    ------
    ValueError
        When they differ, or BETHY has none.
    """
    found = {s: str(data["pft"].sel(site=s).values) for s in sites}
    if len(set(found.values())) > 1:
        raise ValueError(f"one process model for one plant functional type; got {found}; choose sites of one type")
    (pft,) = set(found.values())
    if pft not in TYPES:
        raise ValueError(f"no type of BETHY for {pft!r}; there are {', '.join(TYPES)}")
    return TYPES[pft]


def prepared(data: xr.Dataset, sites: Sequence[str]) -> xr.Dataset:
    """Cut sites to their years, make hours of days, and leave the first year without observations.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data, such as ``callmip-towers``.
    sites : sequence of str
        Sites; those that `WINDOWS` does not name keep their record.

    Returns
    -------
    xarray.Dataset
        Missing outside the years of a site.
    """
    kept = []
    for site in sites:
        one = data.sel(site=[site])
        driven = one["time"].values[np.isfinite(one["shortwave_down"].values[0])]
        first, last = WINDOWS.get(site, tuple(driven[[0, -1]].astype("datetime64[Y]").astype(int) + 1970))
        one = one.sel(time=slice(str(first), str(last)))
        fitted = one["time"].dt.year >= first + WARM_UP
        one = one.assign({n: one[n].where(fitted).assign_attrs(one[n].attrs) for n in STREAMS if n in one})
        kept.append(with_diurnal_course(one))
    return xr.concat(kept, dim="site", join="outer", data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")


def streams_of(data: xr.Dataset, names: Sequence[str] = STREAMS) -> list[Stream]:
    """Choose the streams, by day.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data.
    names : sequence of str
        Which of NEE, latent and sensible heat.

    Returns
    -------
    list of Stream
        The heat fluxes have a closure, an offset and a season by site, because measured ones do not add up to the energy that is available.
    """
    chosen = []
    for name in names:
        error = ErrorModel(discrepancy=None)
        if name != "nee":
            size = OFFSET * float(np.nanstd(data[name].values))
            error = ErrorModel(discrepancy=None, envelope=ENVELOPE) + Bias(size) + SeasonalBias(size, HARMONICS)
        chosen.append(Stream(name, error=error))
    return chosen


def build(
    data: xr.Dataset,
    site: str | None = None,
    *,
    sites: Sequence[str] | None = None,
    streams: Sequence[str] = STREAMS,
    withheld_years: int = 2,
    pooling: Mapping[str, Pooling] | None = None,
) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Complete daily drivers (temperature with its extremes, shortwave and longwave radiation, vapour pressure deficit, pressure, wind,
        precipitation, CO2) and fluxes, such as ``callmip-towers``; coordinate ``pft``.
    site : str, optional
        One site; by default FI-Hyy.
    sites : sequence of str, optional
        In its place, several sites of one plant functional type. Parameters of the type and of the process are then common, those of the
        soil and its stores by site.
    streams : sequence of str
        Which streams are fitted.
    withheld_years : int
        Calendar years at the end that are not fitted.
    pooling : mapping of str to Pooling, optional
        In place of the declared levels.

    Returns
    -------
    pymc.Model
        The first year of each site is a warm-up.

    Raises
    ------
    ValueError
        For sites of several types.
    """
    names = [str(s) for s in (sites or (site or "FI-Hyy",))]
    number = bethy_type(data, names)
    chosen = prepared(data, names)
    values = bethy_types.values(number)
    land = bethy.of_type(number, observed_hours=True)
    still = {n: v for n, v in values.items() if land.parameter_table[n][0].fixed}
    return build_model(
        land,
        chosen if len(names) > 1 else chosen.isel(time=np.isfinite(chosen["co2"].values[0])),
        streams_of(chosen, streams),
        withheld_years=withheld_years,
        pooling=pooling,
        priors=bethy_types.priors(number) | PRIORS | {f"{n}_closure": CLOSURE for n in streams if n != "nee"},
        fixed=still | {n: land.calibrated[n][1] for n in FIXED},
    )
