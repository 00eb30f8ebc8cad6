"""Latent heat at many towers: PT-JPL with parameters by plant functional type and site, and what each tower fails to measure."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr
from lsm_bayes.models import Reference

from lsm_bayes.datasets import load
from lsm_bayes.processes.water_properties import pressure_at, psychrometric_constant, saturation_slope
from lsm_bayes.vocabulary import unknown

PRIESTLEY_TAYLOR = 1.26
RADIATION_TO_LIGHT = 1.2  # extinction of net radiation over that of PAR, 0.6 / 0.5 (Fisher et al. 2008, table 1)
BARE_SOIL_NDVI = 0.05
WATER = "WAT"
DRIVERS = ("net_radiation", "ground_heat", "air_temperature", "relative_humidity", "soil_moisture", "ndvi")
FLUXES = ("latent_heat", "sensible_heat")


def build(data: xr.Dataset, *, withheld: Iterable[str] = ()) -> pm.Model:
    """Build the PyMC model.

    Parameters
    ----------
    data : xarray.Dataset
        Dims ``site`` and ``moment`` as ``lsm_bayes.datasets.load("tower-moments")`` gives them: fluxes and drivers by moment, coordinates
        ``site_of_moment``, ``pft``, ``closure_ratio`` and ``elevation``. Moments at sites of type WAT and with a missing value are left
        out.
    withheld : iterable of str
        Sites whose fluxes are not fitted. Their parameters stay in the model: draws of it are predictions at a site that was not
        measured, which the model built without `withheld` turns into fluxes.

    Returns
    -------
    pymc.Model
        Dims ``pft``, ``site`` and ``moment``; observed ``latent_heat`` and ``sensible_heat``, W m-2.

    Raises
    ------
    ValueError
        When variables are missing, no moment is left, or a withheld site is not in the data.
    """
    absent = [
        n for n in (*DRIVERS, *FLUXES, "site_of_moment", "pft", "closure_ratio", "elevation") if n not in data and n not in data.coords
    ]
    if absent:
        raise ValueError(f"the data have no {', '.join(absent)}; give those of lsm_bayes.datasets.load('tower-moments')")
    names = [str(s) for s, p in zip(data["site"].values, data["pft"].values, strict=True) if str(p) != WATER]
    data = data.sel(site=names)
    complete = np.all([np.isfinite(data[n].values) for n in (*DRIVERS, *FLUXES)], axis=0)
    data = data.isel(moment=complete & np.isin(data["site_of_moment"], names))
    names = [s for s in names if s in set(data["site_of_moment"].values.tolist())]
    if not names:
        raise ValueError("no moment on land has all of " + ", ".join((*DRIVERS, *FLUXES)))
    data = data.sel(site=names)
    left = [str(s) for s in withheld]
    for name in left:
        if name not in names:
            raise ValueError(unknown("site to withhold", name, names))
    types = sorted({str(p) for p in data["pft"].values})
    site = np.array([names.index(str(s)) for s in data["site_of_moment"].values])
    data = data.isel(moment=~np.isin(data["site_of_moment"], left))
    site = site[~np.isin(np.array(names)[site], left)]
    return _model(data, names, types, site)


def _model(data: xr.Dataset, names: list[str], types: list[str], site: np.ndarray) -> pm.Model:
    pft_of_site = np.array([types.index(str(p)) for p in data["pft"].values])
    values = {n: data[n].values.astype(float) for n in (*DRIVERS, *FLUXES)}
    ratio = np.log(data["closure_ratio"].values.astype(float))
    coords = {"pft": types, "site": names, "moment": np.arange(site.size)}
    with pm.Model(coords=coords) as model:
        # Most types have hundreds of moments, most sites few: types are centred where the data speak, sites are not.
        canopy = _pooled("log_canopy_coefficient", 0.0, 0.3, pft_of_site, site_sd=0.3, centred=True)
        soil = _pooled("log_soil_coefficient", 0.0, 0.3, pft_of_site, site_sd=0.3)
        water = _pooled("log_soil_moisture_half", np.log(0.1), 0.5, pft_of_site, centred=True)
        structural = _pooled("log_structural_error", np.log(0.15), 0.5, pft_of_site, centred=True)
        humidity_scale = pm.LogNormal("soil_humidity_scale", 0.0, 0.7)
        deficit_half = pm.LogNormal("deficit_half", np.log(3.0), 0.5)
        optimum = pm.Normal("optimum_temperature", 25.0, 5.0)
        closure, partition = _closure(ratio)

        drivers = {n: pt.as_tensor(values[n]) for n in DRIVERS} | {"elevation": pt.as_tensor(data["elevation"].values[site])}
        latent, potential = evaporation(
            drivers,
            canopy_coefficient=pt.exp(canopy)[site],
            soil_coefficient=pt.exp(soil)[site],
            soil_humidity_scale=humidity_scale,
            deficit_half=deficit_half,
            soil_moisture_half=pt.exp(water)[site],
            optimum_temperature=optimum,
        )
        available = values["net_radiation"] - values["ground_heat"]
        of_latent, of_sensible = pt.exp(closure + partition / 2)[site], pt.exp(closure - partition / 2)[site]
        scale = pm.LogNormal("random_error_scale", 0.0, 0.3)
        excess = pm.Gamma("tail_excess", 2.0, 0.2)
        _likelihood(
            values,
            mean=(of_latent * latent, of_sensible * (available - latent)),
            share=(of_latent, of_sensible),
            structural=pt.exp(structural)[site] * potential,
            random=scale,
            freedom=2.0 + excess,
        )
    return model


def _pooled(name: str, centre: float, width: float, pft_of_site: np.ndarray, *, site_sd: float = 0.0, centred: bool = False) -> Any:
    """Partial pooling: types around a population, sites, non-centred, around their type unless `site_sd` is 0. Returns values by site."""
    population = pm.Normal(f"{name}_population", centre, width)
    between = pm.HalfNormal(f"{name}_sd_pft", 0.3)
    if centred:
        by_pft = pm.Normal(f"{name}_pft", population, between, dims="pft")
    else:
        by_pft = pm.Deterministic(f"{name}_pft", population + between * pm.Normal(f"{name}_z_pft", dims="pft"), dims="pft")
    if not site_sd:
        return by_pft[pft_of_site]
    within = pm.HalfNormal(f"{name}_sd_site", site_sd)
    return pm.Deterministic(f"{name}_site", by_pft[pft_of_site] + within * pm.Normal(f"{name}_z_site", dims="site"), dims="site")


def _closure(log_ratio: np.ndarray) -> tuple[Any, Any]:
    """Log of the share of the turbulent fluxes that a tower measures, and how much more of it is latent than sensible heat, by site."""
    mean = pm.Normal("log_closure_population", np.log(0.8), 0.1)
    slope = pm.Normal("log_closure_slope", 0.5, 0.5)
    spread = pm.HalfNormal("log_closure_sd_site", 0.15)
    closure = mean + slope * (log_ratio - log_ratio.mean()) + spread * pm.Normal("log_closure_z_site", dims="site")
    tilt = pm.Normal("log_partition_population", 0.0, 0.2)
    tilts = tilt + pm.HalfNormal("log_partition_sd_site", 0.15) * pm.Normal("log_partition_z_site", dims="site")
    closure = pm.Deterministic("log_closure_site", closure, dims="site")
    return closure, pm.Deterministic("log_partition_site", tilts, dims="site")


def evaporation(
    drivers: dict[str, Any],
    *,
    canopy_coefficient: Any,
    soil_coefficient: Any,
    soil_humidity_scale: Any,
    deficit_half: Any,
    soil_moisture_half: Any,
    optimum_temperature: Any,
) -> tuple[Any, Any]:
    """Return latent heat after PT-JPL (Fisher et al. 2008, doi 10.1016/j.rse.2007.06.025, table 1), with another stress of the canopy.

    Canopy, soil and wet surfaces each evaporate at the rate of Priestley & Taylor for the radiation that they absorb, times factors
    between 0 and 1. The factors of wetness (RH**4), temperature and soil (RH**(VPD / scale)) are those of the paper, written down from
    its public implementations; in place of its factors of greenness and of the plant's moisture, which need series of satellite
    images, stand a coefficient, a hyperbola in the vapour pressure deficit and one in soil moisture. So does a coefficient of the soil.

    Parameters
    ----------
    drivers : dict
        ``net_radiation`` and ``ground_heat`` in W m-2, ``air_temperature`` in degC, ``relative_humidity`` in percent, ``soil_moisture`` in
        m3 m-3, ``ndvi``, ``elevation`` in m.
    canopy_coefficient : tensor
        Transpiration without stress over equilibrium evaporation.
    soil_coefficient : tensor
        Evaporation of the soil over that of PT-JPL.
    soil_humidity_scale : tensor
        kPa; PT-JPL has 1.
    deficit_half : tensor
        Vapour pressure deficit that halves transpiration, kPa.
    soil_moisture_half : tensor
        Soil moisture at half of the transpiration without water stress, m3 m-3.
    optimum_temperature : tensor
        degC.

    Returns
    -------
    tuple of tensor
        Latent heat, and equilibrium evaporation of all available energy, W m-2.
    """
    temperature, humidity = drivers["air_temperature"], drivers["relative_humidity"] / 100.0
    slope = saturation_slope(temperature)
    equilibrium = slope / (slope + psychrometric_constant(temperature, pressure_at(drivers["elevation"])))
    # Tetens with the constants of saturation_slope, kPa.
    deficit = (1.0 - humidity) * 0.61078 * pt.exp(17.269 * temperature / (temperature + 237.3))
    cover = pt.clip(drivers["ndvi"] - BARE_SOIL_NDVI, 0.0, 0.95)
    radiation, ground = drivers["net_radiation"], drivers["ground_heat"]
    through = (1.0 - cover) ** RADIATION_TO_LIGHT
    to_soil = pt.maximum(radiation * through - ground, 0.0)
    to_canopy = radiation - ground - to_soil
    wet = humidity**4
    stress = (
        pt.exp(-(((temperature - optimum_temperature) / optimum_temperature) ** 2))
        / (1.0 + deficit / deficit_half)
        * drivers["soil_moisture"]
        / (drivers["soil_moisture"] + soil_moisture_half)
    )
    canopy = ((1.0 - wet) * canopy_coefficient * stress + wet * PRIESTLEY_TAYLOR) * to_canopy
    soil = (wet + (1.0 - wet) * soil_coefficient * humidity ** (deficit / soil_humidity_scale)) * PRIESTLEY_TAYLOR * to_soil
    return equilibrium * (canopy + soil), equilibrium * (radiation - ground)


def _likelihood(
    values: dict[str, np.ndarray],
    mean: tuple[Any, Any],
    share: tuple[Any, Any],
    structural: Any,
    random: Any,
    freedom: Any,
) -> None:
    """Bivariate Student-t of latent and sensible heat, as the first and the second given the first.

    Energy that the model wrongly gives to latent heat it takes from sensible heat: the structural error enters both with opposite signs.
    """
    common = share[0] * structural
    first = pt.sqrt((random * (8.8 + 0.13 * pt.abs(mean[0]))) ** 2 + common**2)
    covariance = -common * share[1] * structural
    alone = (random * (8.8 + 0.13 * pt.abs(mean[1]))) ** 2 + (share[1] * structural) ** 2
    pm.StudentT("latent_heat", nu=freedom, mu=mean[0], sigma=first, observed=values["latent_heat"], dims="moment")
    departure = (values["latent_heat"] - mean[0]) / first
    conditional = pt.sqrt((alone - (covariance / first) ** 2) * (freedom + departure**2) / (freedom + 1.0))
    centre = mean[1] + covariance / first * departure
    pm.StudentT("sensible_heat", nu=freedom + 1.0, mu=centre, sigma=conditional, observed=values["sensible_heat"], dims="moment")


def reference() -> Reference:
    """Say what the reference posterior is of.

    Returns
    -------
    Reference
        All towers and moments of ``tower-moments``.
    """
    return Reference(load("tower-moments"))
