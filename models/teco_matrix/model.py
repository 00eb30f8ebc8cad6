"""Carbon turnover of the forest at UMBS (US-UMB) from respiration, growth of wood and two mapped stocks: TECO driven by measured GPP.

An inversion like that of Xu et al. (2006, doi 10.1029/2005GB002468) for a tower whose pools nobody measured one by one.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from lsm_bayes.models import Reference

from lsm_bayes.calibration import NearEquilibrium, Stream, build_model
from lsm_bayes.datasets import load
from lsm_bayes.datasets.sources import LocalFile
from lsm_bayes.errors import ErrorModel, Scale
from lsm_bayes.land import get
from lsm_bayes.vocabulary import QUANTITIES

NAME = "US-UMB"
TECO = get("teco_8pool")
MAPS = LocalFile("fluxval_monthly.nc")
# Of each map: variable of the file, and the pools that it counts.
STOCKS = {
    "biomass_map": ("ABGB", ("foliage_carbon", "wood_carbon", "root_carbon")),
    "soil_carbon_map": ("SOM_PRIOR", ("microbial_carbon", "slow_soil_carbon", "passive_soil_carbon")),
}
FACTOR = 1.5  # standard error of a map as a factor: the file states it for soil carbon, and biomass gets the same
# The forest grows: its wood is not near an equilibrium, and the map says how much there is.
INITIAL = {n: NearEquilibrium(0.5) for n in TECO.state_parameters if n != "wood_carbon"}
# By month: partitioning fits the respiration of some days together, so that neighbouring weeks are not two observations.
RESPIRATION = ErrorModel(discrepancy=None)
GROWTH = ErrorModel(structural=Scale(1.0), envelope=0.0, correlation=None, discrepancy=None)
MOIST = 30.0  # percent: soil water is not known, and this much does not limit turnover
WITHHELD = 3  # years, in the reference


class Fluxes(NamedTuple):
    """Those of TECO, and what enters wood."""

    nee: Any
    gpp: Any
    reco: Any
    npp: Any
    autotrophic_respiration: Any
    heterotrophic_respiration: Any
    decomposition_factor: Any
    leaf_litterfall: Any
    wood_litterfall: Any
    root_litterfall: Any
    allocation_to_wood: Any


def _step(x: Any, f: Any, p: Any) -> tuple[Any, Fluxes]:
    following, fluxes = TECO.step(x, f, p)
    entering = (following.wood_carbon - x.wood_carbon) / f.step_length + fluxes.wood_litterfall
    return following, Fluxes(**fluxes._asdict(), allocation_to_wood=entering)


LAND = replace(TECO, name="teco_8pool_growth", step=_step, fluxes=Fluxes)


def with_stocks(forest: xr.Dataset, weather: xr.Dataset, maps: xr.Dataset) -> xr.Dataset:
    """Put together fluxes and growth, temperature, and mapped stocks of the same sites.

    Parameters
    ----------
    forest : xarray.Dataset
        Daily ``gpp`` without gaps, ``reco`` and ``wood_increment`` with uncertainties; the years with growth are taken.
    weather : xarray.Dataset
        Daily ``air_temperature``; and ``reco``, missing on days without enough measurements, which are left out.
    maps : xarray.Dataset
        The variables of `STOCKS`, gC m-2, one value for each site.

    Returns
    -------
    xarray.Dataset
        Data for `build`.

    Raises
    ------
    ValueError
        When a map has no value at a site.
    """
    found = forest.sel(time=forest["wood_increment"].notnull().any("site"))
    weather = weather.reindex(time=found["time"])
    measured = weather["reco"].notnull()
    temperature = weather["air_temperature"]
    found = found.assign(
        reco=found["reco"].where(measured),
        reco_uncertainty=found["reco_uncertainty"].where(measured),
        air_temperature=temperature,
        soil_water=xr.full_like(temperature, MOIST).assign_attrs(QUANTITIES["soil_water"].attrs()),
    )
    for name, (variable, _) in STOCKS.items():
        values = maps[variable].sel(site=found["site"].values)
        known = (values.max("time") if "time" in values.dims else values).values.astype(float)
        if not np.isfinite(known).all():
            raise ValueError(f"{variable!r} is missing at {', '.join(found['site'].values[~np.isfinite(known)])}; leave these sites out")
        found[name] = ("site", known, {"units": "gC m-2", "source_variable": variable})
    return found


def build(data: xr.Dataset, site: str = NAME, *, withheld_years: int = 0) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        From `with_stocks`.
    site : str
        Which of its sites.
    withheld_years : int
        Calendar years at the end that are not fitted.

    Returns
    -------
    pymc.Model
        20 parameters, eight initial pools, the share of wood that grows above ground, and those of the error models.
    """
    one = data.sel(site=[site])
    streams = [Stream("reco", "month", RESPIRATION), Stream("wood_increment", "year", GROWTH)]
    built = build_model(LAND, one, streams, initial=INITIAL, withheld_years=withheld_years)
    with built:
        for name, (_, pools) in STOCKS.items():
            total = pt.add(*[built[n] for n in pools])
            pm.Normal(name, pt.log(total), np.log(FACTOR), observed=np.log(one[name].item()))
    return built


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        US-UMB, 2000-2010 of ``forest-growth`` with the temperature of ``fluxnet2015-daily``; three more years are withheld.
    """
    forest, weather = load("forest-growth", NAME), load("fluxnet2015-daily", NAME)
    return Reference(with_stocks(forest, weather, xr.load_dataset(MAPS.fetch())), {"withheld_years": WITHHELD})
