"""Hours made of days: a course within the day of what only daily means and extremes are known of."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from lsm_bayes.datasets.preparation import KELVIN, saturation_vapour_pressure
from lsm_bayes.vocabulary import SUBSTEP

NEEDED = ("air_temperature", "air_temperature_min", "air_temperature_max", "shortwave_down")
AFTER_NOON, NIGHT, LOWEST = 1.86, 2.20, -0.17  # h, 1, h after sunrise: Parton & Logan (1981), air at 1.5 m
STEADY = ("air_pressure", "wind_speed")
STEPS = 24


def with_diurnal_course(data: xr.Dataset, steps: int = STEPS) -> xr.Dataset:
    """Give daily drivers a course within the day, for process models that step within it.

    Shortwave radiation follows the height of the sun. Temperature follows a sine by day and falls exponentially by night (Parton & Logan
    1981, doi 10.1016/0002-1571(81)90105-9, equations 1 and 2), with the range of the day, about its mean. Vapour pressure stays constant,
    where the air is not saturated. Longwave radiation follows the fourth power of temperature. Pressure and wind stay constant. The mean
    of each day is that of the data.

    Parameters
    ----------
    data : xarray.Dataset
        Dims ``(site, time)``, daily, coordinate ``latitude``: ``air_temperature`` with its minimum and maximum, ``shortwave_down``, and
        what there is of ``vapour_pressure_deficit``, ``longwave_down``, ``air_pressure`` and ``wind_speed``.
    steps : int
        Substeps of a day: ``model.nested.steps``. The first begins at solar midnight.

    Returns
    -------
    xarray.Dataset
        These variables with dims ``(site, time, substep)`` in place of daily means of the same name. Shortwave radiation stays in its unit,
        as a rate.

    Raises
    ------
    KeyError
        When a variable or the latitude is missing.
    ValueError
        For fewer than two steps a day.
    """
    absent = [n for n in NEEDED if n not in data] + ([] if "latitude" in data.coords else ["latitude"])
    if absent:
        raise KeyError(f"hours are made from {', '.join(NEEDED)} and latitude; {', '.join(absent)} not in the data")
    if steps < 2:
        raise ValueError(f"steps is {steps}; a course within the day has two or more")
    hour = (np.arange(steps) + 0.5) * (24.0 / steps)
    daily = {
        str(n): v.transpose("site", "time").values.astype(float)[..., None]
        for n, v in data.data_vars.items()
        if set(v.dims) == {"site", "time"}
    }
    cosine, length = _sun(data["time"].dt.dayofyear.values, np.atleast_1d(data["latitude"].values), hour)
    light = _mean_one(np.maximum(cosine, 0.0))
    lowest, highest = daily["air_temperature_min"], daily["air_temperature_max"]
    shape = _temperature_shape(length, hour)
    celsius = daily["air_temperature"] + (highest - lowest) * (shape - shape.mean(axis=-1, keepdims=True))
    made = {"air_temperature": celsius, "shortwave_down": daily["shortwave_down"] * light}
    if "vapour_pressure_deficit" in daily:
        made["vapour_pressure_deficit"] = _deficit(celsius, daily["vapour_pressure_deficit"])
    if "longwave_down" in daily:
        made["longwave_down"] = daily["longwave_down"] * _mean_one((celsius + KELVIN) ** 4)
    made |= {n: np.broadcast_to(daily[n], celsius.shape).copy() for n in STEADY if n in daily}
    comment = "course within the day made from daily values"
    arrays = {n: (("site", "time", SUBSTEP), v, data[n].attrs | {"comment": comment}) for n, v in made.items()}
    return data.drop_vars(list(made)).assign(arrays)


def _mean_one(values: NDArray) -> NDArray:
    """Divide by the mean of the day; where all of it is dark, all falls at noon."""
    mean = values.mean(axis=-1, keepdims=True)
    noon = np.zeros(values.shape[-1])
    noon[values.shape[-1] // 2] = values.shape[-1]
    return np.where(mean > 0, values / np.where(mean > 0, mean, 1.0), noon)


def _sun(day: NDArray, latitude: NDArray, hour: NDArray) -> tuple[NDArray, NDArray]:
    """Cosine of the zenith angle, (site, time, substep), and day length in h, (site, time, 1)."""
    declination = 0.409 * np.sin(2 * np.pi * day / 365.0 - 1.39)[None, :, None]
    angle = np.radians(latitude)[:, None, None]
    sine, cosine = np.sin(angle) * np.sin(declination), np.cos(angle) * np.cos(declination)
    length = 24.0 / np.pi * np.arccos(np.clip(-sine / cosine, -1.0, 1.0))
    return sine - cosine * np.cos(np.pi * hour / 12.0), length


def _temperature_shape(length: NDArray, hour: NDArray) -> NDArray:
    """Temperature within the day, 0 at its lowest and 1 at its highest, (site, time, substep)."""
    length = np.clip(length, 2.0, 22.0)  # h; without night or day the form does not hold
    since = np.mod(hour - (12.0 - 0.5 * length + LOWEST), 24.0)
    lit = length - LOWEST
    by_day = np.sin(np.pi * since / (length + 2 * AFTER_NOON))
    dusk = np.sin(np.pi * lit / (length + 2 * AFTER_NOON))
    dark = 24.0 - lit
    by_night = dusk * np.exp(-NIGHT * (since - lit) / dark)
    return np.where(since < lit, by_day, by_night)


def _deficit(celsius: NDArray, mean: NDArray) -> NDArray:
    """Vapour pressure deficit of constant vapour pressure, with the mean of the day, hPa."""
    saturated = saturation_vapour_pressure(celsius)
    vapour = saturated.mean(axis=-1, keepdims=True) - mean
    dry = np.maximum(saturated - vapour, 0.0)
    total = dry.mean(axis=-1, keepdims=True)
    return np.where(total > 0, dry * mean / np.where(total > 0, total, 1.0), np.broadcast_to(mean, dry.shape))
