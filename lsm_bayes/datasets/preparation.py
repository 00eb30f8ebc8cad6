"""What land surface models need beside what a tower measures: longwave radiation, the part of precipitation that is snow, solar time."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.datasets import uncertainty as un
from lsm_bayes.vocabulary import QUANTITIES

STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
SOLAR_CONSTANT = 1361.0  # W m-2
KELVIN = 273.15
FEWEST_COMPARED = 30
DARK = 10.0  # W m-2 outside the atmosphere, mean of a day: below it clouds cannot be seen
MJ_PER_DAY = 0.0864  # of 1 W m-2
TYPICAL_ERROR = "RMSE of daily means 14 to 18 W m-2 and bias -8 to +5 W m-2 at CH-Dav, FI-Hyy and FR-Pue (FLUXNET2015, reanalysis in gaps)"
SNOW_THRESHOLDS = (-1.1, 3.3)  # degC (Wigmosta et al. 1994)


def with_longwave(data: xr.Dataset) -> xr.Dataset:
    """Fill incoming longwave radiation from temperature, humidity and shortwave radiation.

    Clear sky after Brutsaert (1975, doi 10.1029/WR011i005p00742, equation 11); clouds after Crawford & Duchon (1999, doi
    10.1175/1520-0450(1999)038<0474:AIPFEE>2.0.CO;2, equation 5), their fraction being 1 less the ratio of shortwave radiation to that of a
    clear day (Allen et al. 1998, FAO 56, equation 37), by day; where the sun hardly shines that of the nearest days.

    Parameters
    ----------
    data : xarray.Dataset
        Dims ``(site, time)``, coordinate ``latitude``: ``air_temperature``, ``vapour_pressure_deficit``, ``shortwave_down``, and what there
        is of ``longwave_down``. Steps of a day or less.

    Returns
    -------
    xarray.Dataset
        With ``longwave_down`` where it was missing, and ``longwave_down_reconstructed`` (1 there). The attributes ``reconstruction_rmse``
        and ``reconstruction_bias`` (W m-2) compare it with what was measured; without at least 30 measured values they are absent, and
        ``comment`` says what the error was elsewhere.

    Raises
    ------
    KeyError
        When a variable or the latitude is missing.
    """
    needed = ("air_temperature", "vapour_pressure_deficit", "shortwave_down")
    absent = [n for n in needed if n not in data] + ([] if "latitude" in data.coords else ["latitude"])
    if absent:
        raise KeyError(f"longwave radiation is made from {', '.join(needed)} and latitude; {', '.join(absent)} not in the data")
    celsius, deficit = (data[n].transpose("site", "time").values.astype(float) for n in needed[:2])
    kelvin = celsius + KELVIN
    vapour = np.maximum(saturation_vapour_pressure(celsius) - deficit, 0.05)
    clear = 1.24 * (vapour / kelvin) ** (1.0 / 7.0)
    cloud = _cloud_fraction(data)
    made = (cloud + (1.0 - cloud) * clear) * STEFAN_BOLTZMANN * kelvin**4
    measured = data["longwave_down"].transpose("site", "time").values if "longwave_down" in data else np.full(made.shape, np.nan)
    missing = ~np.isfinite(measured)
    attrs: dict[str, Any] = QUANTITIES["longwave_down"].attrs() | {
        "source": "measured; where missing, from temperature, humidity and sunshine (Brutsaert 1975, Crawford & Duchon 1999)"
    }
    both = ~missing & np.isfinite(made)
    if both.sum() >= FEWEST_COMPARED:
        error = (made - measured)[both]
        attrs |= {"reconstruction_rmse": float(np.sqrt(np.mean(error**2))), "reconstruction_bias": float(np.mean(error))}
        attrs["comment"] = f"error of the reconstruction where it was measured ({int(both.sum())} values) in attributes"
    else:
        attrs["comment"] = f"the reconstruction cannot be compared here; {TYPICAL_ERROR}"
    filled = np.where(missing, made, measured)
    flag = {"units": "1", "long_name": "whether longwave radiation is reconstructed"}
    return data.assign(
        longwave_down=(("site", "time"), filled, attrs),
        longwave_down_reconstructed=(("site", "time"), (missing & np.isfinite(made)).astype(float), flag),
    )


def saturation_vapour_pressure(celsius: Any) -> Any:
    """Return saturation vapour pressure over water.

    Parameters
    ----------
    celsius : array_like
        degC.

    Returns
    -------
    array
        hPa (Allen et al. 1998, FAO 56, equation 11).
    """
    return 6.108 * np.exp(17.27 * celsius / (celsius + 237.3))


def _cloud_fraction(data: xr.Dataset) -> NDArray:
    """Cloud fraction of each step, that of its day, shape (site, time)."""
    per_day = un.steps_per_day(data["time"].values) if data.sizes["time"] > 1 else 1
    shortwave = data["shortwave_down"].transpose("site", "time")
    watts = shortwave.values / (MJ_PER_DAY if shortwave.attrs.get("units", QUANTITIES["shortwave_down"].unit) == "MJ m-2 d-1" else 1.0)
    frame = pd.DataFrame(watts.T, index=pd.DatetimeIndex(data["time"].values))
    groups = frame.groupby(frame.index.normalize())
    mean, counts = groups.mean(), groups.count()
    mean = mean.where(counts >= max(1, per_day // 2))
    latitude = np.atleast_1d(data["latitude"].values).astype(float)
    outside = mean_extraterrestrial(mean.index.day_of_year.values[:, None], latitude[None, :])
    elevation = (
        np.nan_to_num(np.atleast_1d(data["elevation"].values).astype(float)) if "elevation" in data.coords else np.zeros(latitude.size)
    )
    clear = (0.75 + 2e-5 * elevation)[None, :] * outside
    lit = outside > DARK
    fraction = pd.DataFrame(np.where(lit, 1.0 - mean.values / np.where(lit, clear, 1.0), np.nan), index=mean.index).clip(0.0, 1.0)
    return fraction.interpolate(limit_direction="both").reindex(frame.index.normalize()).values.T


def mean_extraterrestrial(day_of_year: Any, latitude: Any) -> Any:
    """Return the mean shortwave radiation of a day outside the atmosphere.

    Parameters
    ----------
    day_of_year : array_like
        1 on 1 January.
    latitude : array_like
        Degrees, positive northwards.

    Returns
    -------
    array
        W m-2 (Allen et al. 1998, FAO 56, equations 21 to 25).
    """
    turn = 2 * np.pi * np.asarray(day_of_year) / 365.0
    distance, declination = 1.0 + 0.033 * np.cos(turn), 0.409 * np.sin(turn - 1.39)
    angle = np.radians(latitude)
    sunset = np.arccos(np.clip(-np.tan(angle) * np.tan(declination), -1.0, 1.0))
    part = sunset * np.sin(angle) * np.sin(declination) + np.cos(angle) * np.cos(declination) * np.sin(sunset)
    return SOLAR_CONSTANT / np.pi * distance * part


def with_snowfall(data: xr.Dataset, *, by: str = "air") -> xr.Dataset:
    """Divide precipitation into rain and snow.

    Parameters
    ----------
    data : xarray.Dataset
        ``precipitation``, ``air_temperature``, and for the wet bulb ``vapour_pressure_deficit``.
    by : {"air", "wet_bulb"}
        Temperature that decides. ``air``: all snow below -1.1 degC, all rain above 3.3 degC, linear between (Wigmosta et al. 1994, doi
        10.1029/94WR00436). ``wet_bulb``: a logistic function of the wet-bulb temperature (Wang et al. 2019, doi 10.1029/2019GL085722),
        which is nearer to observations in dry air.

    Returns
    -------
    xarray.Dataset
        With ``snowfall``, in the unit of precipitation.

    Raises
    ------
    KeyError
        When a variable is missing.
    ValueError
        For another way to decide.
    """
    if by not in ("air", "wet_bulb"):
        raise ValueError(f"by is {by!r}; choose 'air' or 'wet_bulb'")
    needed = ("precipitation", "air_temperature", *(("vapour_pressure_deficit",) if by == "wet_bulb" else ()))
    absent = [n for n in needed if n not in data]
    if absent:
        raise KeyError(f"snowfall by {by} is made from {', '.join(needed)}; {', '.join(absent)} not in the data")
    celsius = data["air_temperature"]
    if by == "air":
        low, high = SNOW_THRESHOLDS
        share = ((high - celsius) / (high - low)).clip(0.0, 1.0)
    else:
        share = 1.0 / (1.0 + 6.99e-5 * np.exp(2.0 * (wet_bulb(celsius, data["vapour_pressure_deficit"]) + 3.97)))
    unit = data["precipitation"].attrs.get("units", QUANTITIES["precipitation"].unit)
    attrs = QUANTITIES["snowfall"].attrs() | {"units": unit, "source": f"share of precipitation by the {by.replace('_', '-')} temperature"}
    return data.assign(snowfall=(share * data["precipitation"]).assign_attrs(attrs))


def wet_bulb(celsius: Any, deficit: Any) -> Any:
    """Return the wet-bulb temperature at sea level.

    Parameters
    ----------
    celsius : array_like
        degC.
    deficit : array_like
        Vapour pressure deficit, hPa.

    Returns
    -------
    array
        degC (Stull 2011, doi 10.1175/JAMC-D-11-0143.1, equation 1; for 5 to 99 % relative humidity and -20 to 50 degC).
    """
    humidity = 100.0 * (1.0 - deficit / saturation_vapour_pressure(celsius))
    humidity = np.clip(humidity, 5.0, 99.0)
    return (
        celsius * np.arctan(0.151977 * np.sqrt(humidity + 8.313659))
        + np.arctan(celsius + humidity)
        - np.arctan(humidity - 1.676331)
        + 0.00391838 * humidity**1.5 * np.arctan(0.023101 * humidity)
        - 4.686035
    )


def solar_hour(time: Any, longitude: float, utc_offset: float) -> NDArray:
    """Return local solar time.

    Parameters
    ----------
    time : array_like of datetime64
        Local standard time.
    longitude : float
        Degrees, positive eastwards.
    utc_offset : float
        Local standard time less UTC, h. Not a matter of longitude alone: many towers keep the time of a capital.

    Returns
    -------
    numpy.ndarray
        h, 0 to 24, 12 when the sun is highest (equation of time of Spencer 1971, to half a minute).
    """
    stamp = pd.DatetimeIndex(np.atleast_1d(time))
    clock = (stamp - stamp.normalize()) / pd.Timedelta(hours=1)
    turn = 2 * np.pi * (stamp.day_of_year.values - 1) / 365.0
    minutes = 229.18 * (
        7.5e-5 + 1.868e-3 * np.cos(turn) - 3.2077e-2 * np.sin(turn) - 1.4615e-2 * np.cos(2 * turn) - 4.0849e-2 * np.sin(2 * turn)
    )
    return np.asarray(np.mod(clock.values + longitude / 15.0 - utc_offset + minutes / 60.0, 24.0))
