"""Random uncertainty of a flux: RANDUNC if the file has it, else u* percentiles, else 24-hour differencing."""

import numpy as np
import pandas as pd
import xarray as xr

RANDUNC, PERCENTILES, DIFFERENCING, AS_GIVEN = "RANDUNC", "ustar percentiles", "24-hour differencing", "as given"

# Weather of the two steps of a pair must agree this well; the values of Hollinger & Richardson (2005) for radiation
# (75 umol m-2 s-1 of PPFD, about 40 W m-2), temperature and wind. VPD stands in where there is no wind.
SIMILAR = {"shortwave_down": 40 * 0.0864, "air_temperature": 3.0, "wind_speed": 1.0, "vapour_pressure_deficit": 5.0}
MINIMUM_PAIRS = 100
PARTITIONED = ("gpp", "reco")
_BINS = 12


def from_differences(data: xr.Dataset, name: str) -> xr.DataArray:
    r"""Estimate the random error of each step from pairs of measured values 24 hours apart.

    The standard deviation of a difference of two independent errors is :math:`\sqrt 2` times that of one. It is estimated in
    classes of the expected flux (the mean at that time of day over 15 days) and described by
    :math:`\sigma = s_0 + s_1 |F|`, separately for uptake and release. Filled steps get the error of a measured one under the
    same conditions, as in ONEFlux. What truly changed between the two days counts as error, so the estimate is an upper one.

    Parameters
    ----------
    data : xarray.Dataset
        Sub-daily data, dims ``(site, time)``, regular steps; ``<name>_coverage`` (1 measured, 0 filled) if values are filled.
    name : str
        Flux, such as ``"nee"``.

    Returns
    -------
    xarray.DataArray
        Standard deviation of the random error of one step, in the unit of the flux, dims ``(site, time)``; the coefficients in
        ``attrs["coefficients"]``.

    Raises
    ------
    ValueError
        If the data are daily, or a site has fewer than 100 pairs in similar weather.

    References
    ----------
    Hollinger and Richardson (2005), Tree Physiology 25, 873-885, equations 3 and 4, doi:10.1093/treephys/25.7.873;
    Richardson et al. (2006), Agricultural and Forest Meteorology 136, 1-18, table 4.
    """
    per_day = steps_per_day(data["time"].values)
    if per_day < 2:
        raise ValueError(f"24-hour differencing of {name!r} needs sub-daily data; this data set has one value per day")
    flux = data[name].transpose("site", "time")
    measured = flux
    if f"{name}_coverage" in data:
        measured = flux.where(data[f"{name}_coverage"].transpose("site", "time") >= 1)
    known = [key for key in SIMILAR if key in data and not (key == "vapour_pressure_deficit" and "wind_speed" in data)]
    sd, coefficients = np.full(flux.shape, np.nan), {}
    for i, site in enumerate(data["site"].values):
        weather = {key: data[key].transpose("site", "time").values[i] for key in known}
        try:
            sd[i], coefficients[str(site)] = _one_site(measured.values[i], flux.values[i], weather, per_day)
        except ValueError as error:
            raise ValueError(f"24-hour differencing of {name!r} at {site}: {error}") from error
    attrs = {"units": flux.attrs["units"], "source": DIFFERENCING, "coefficients": str(coefficients)}
    return xr.DataArray(sd, dims=("site", "time"), coords={"site": data["site"], "time": data["time"]}, attrs=attrs)


def _one_site(
    measured: np.ndarray, flux: np.ndarray, weather: dict[str, np.ndarray], per_day: int
) -> tuple[np.ndarray, dict[str, list[float]]]:
    expected = _expected(measured, flux, per_day)
    difference = measured[per_day:] - measured[:-per_day]
    pair = np.isfinite(difference)
    for key, values in weather.items():
        pair &= np.abs(values[per_day:] - values[:-per_day]) <= SIMILAR[key]
    size = ((expected[per_day:] + expected[:-per_day]) / 2)[pair]
    difference = difference[pair]
    if len(difference) < MINIMUM_PAIRS:
        raise ValueError(f"{len(difference)} pairs of measured values in similar weather, at least {MINIMUM_PAIRS} are needed")
    sd, coefficients = np.full(flux.shape, np.nan), {}
    for label, here, there in (("uptake", size < 0, expected < 0), ("release", size >= 0, expected >= 0)):
        if here.sum() < MINIMUM_PAIRS // 4:
            here = np.ones_like(here)
        s0, s1 = _line(np.abs(size[here]), difference[here])
        coefficients[label] = [round(s0, 4), round(s1, 4)]
        sd[there] = s0 + s1 * np.abs(expected[there])
    return sd, coefficients


def _line(size: np.ndarray, difference: np.ndarray) -> tuple[float, float]:
    groups = np.array_split(np.argsort(size), max(1, min(_BINS, len(size) // 50)))
    x = np.array([size[g].mean() for g in groups])
    y = np.array([difference[g].std() for g in groups]) / np.sqrt(2)
    if len(groups) < 3:
        return float(y.mean()), 0.0
    s1, s0 = np.polyfit(x, y, 1, w=np.sqrt([len(g) for g in groups]) / y.clip(min=1e-12))
    # A line through noisy classes may fall: a random error does not, so the mean takes over.
    return (float(s0), float(s1)) if s1 > 0 and s0 > 0 else (float(y.mean()), 0.0)


def _expected(measured: np.ndarray, flux: np.ndarray, per_day: int) -> np.ndarray:
    days = -(-len(flux) // per_day)
    padded = np.full(days * per_day, np.nan)
    padded[: len(flux)] = measured
    by_hour = pd.DataFrame(padded.reshape(days, per_day))
    mean = by_hour.rolling(15, center=True, min_periods=3).mean()
    # Where an hour is hardly ever measured (calm nights) the filled series says what to expect.
    padded[: len(flux)] = flux
    mean = mean.fillna(pd.DataFrame(padded.reshape(days, per_day)).rolling(15, center=True, min_periods=1).mean())
    return np.asarray(mean.to_numpy().ravel()[: len(flux)])


def from_percentiles(data: xr.Dataset, name: str) -> xr.DataArray:
    """Uncertainty that the choice of the u* threshold leaves: half the distance of the 16th and 84th percentile members.

    The distance is zero by chance on single days although the threshold is as uncertain as on the day before, so its root mean
    square over 15 days is taken.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data with ``<name>_ustar16`` and ``<name>_ustar84``.
    name : str
        Flux.

    Returns
    -------
    xarray.DataArray
        One standard deviation, in the unit of the flux.
    """
    half = (data[f"{name}_ustar84"] - data[f"{name}_ustar16"]) / 2
    smooth = (half**2).rolling(time=15, center=True, min_periods=1).mean() ** 0.5
    return smooth.assign_attrs(units=data[name].attrs["units"], source=PERCENTILES)


def has_members(data: xr.Dataset, name: str) -> bool:
    """Say whether the members of both u* percentiles are there.

    Parameters
    ----------
    data : xarray.Dataset
        Data.
    name : str
        Flux.

    Returns
    -------
    bool
        Whether both are.
    """
    return f"{name}_ustar16" in data and f"{name}_ustar84" in data


def attach(daily: xr.Dataset, random: dict[str, xr.DataArray]) -> xr.Dataset:
    """Add the uncertainty of each flux and replace the u* members by their spread.

    GPP and RECO are the difference of NEE and a modelled flux: they inherit its random error, and their own u* spread is added
    in quadrature. For the other fluxes the u* spread is the uncertainty only where there is no random error: it is a slow error.

    Parameters
    ----------
    daily : xarray.Dataset
        Daily data, optionally with u* members.
    random : dict
        Random error by flux, dims ``(site, time)``, with ``attrs["source"]``.

    Returns
    -------
    xarray.Dataset
        With ``<name>_uncertainty`` and, where there are members, ``<name>_ustar_spread``.
    """
    found = dict(random)
    for name in [stem for n in daily.data_vars if (stem := str(n).removesuffix("_ustar16")) != n and has_members(daily, stem)]:
        spread = from_percentiles(daily, name)
        long_name = (
            "half the distance of the members of the u* 84th and 16th percentile, 15-day root mean square: a slow error, not a random one"
        )
        daily[f"{name}_ustar_spread"] = spread.assign_attrs(long_name=long_name)
        if name in PARTITIONED and "nee" in random:
            both = np.sqrt(random["nee"].variable ** 2 + spread.transpose("site", "time").variable ** 2)
            found[name] = xr.DataArray(both, attrs={"source": f"{random['nee'].attrs['source']} of NEE and {PERCENTILES}"})
        elif name not in found:
            found[name] = spread
        daily = daily.drop_vars([f"{name}_ustar16", f"{name}_ustar84"])
    for name in PARTITIONED:
        if name in daily and name not in found and "nee" in found:
            found[name] = found["nee"].assign_attrs(source=f"{found['nee'].attrs['source']} of NEE")
    for name, sd in found.items():
        attrs = {**sd.attrs, "units": daily[name].attrs["units"], "long_name": f"standard deviation of the error of daily {name}"}
        values = np.where(daily[name].transpose("site", "time").notnull(), sd.transpose("site", "time").values, np.nan)
        daily[f"{name}_uncertainty"] = (("site", "time"), values, attrs)
    return daily


def daily_from_steps(sd: np.ndarray, axis: int = -1) -> np.ndarray:
    """Give the standard deviation of the mean of the steps of a day, errors of the steps being independent.

    Parameters
    ----------
    sd : numpy.ndarray
        Standard deviation of each step; steps without one count with the mean variance of the others.
    axis : int, optional
        Axis of the steps.

    Returns
    -------
    numpy.ndarray
        Standard deviation of the mean; NaN where no step has one.
    """
    known = np.isfinite(sd)
    count = known.sum(axis=axis)
    total = np.where(known, sd, 0.0) ** 2
    with np.errstate(invalid="ignore"):
        variance = np.where(count > 0, total.sum(axis=axis) / np.maximum(count, 1), np.nan)
    return np.asarray(np.sqrt(variance / sd.shape[axis]))


def steps_per_day(time: np.ndarray) -> int:
    """Count the steps of a day.

    Parameters
    ----------
    time : array_like of datetime64
        Start of each step.

    Returns
    -------
    int
        48 for half-hourly, 24 for hourly, 1 for daily data.

    Raises
    ------
    ValueError
        If the most common distance does not divide a day.
    """
    if len(time) < 2:
        raise ValueError(f"a time axis of {len(time)} value has no step length; at least two are needed")
    distances, counts = np.unique(np.diff(np.asarray(time, dtype="datetime64[s]")), return_counts=True)
    step = distances[np.argmax(counts)]
    day = np.timedelta64(1, "D").astype("timedelta64[s]")
    if step <= np.timedelta64(0, "s") or day % step != np.timedelta64(0, "s"):
        raise ValueError(f"the time axis has steps of {step}; accepted are steps that divide a day, in ascending order")
    return int(day // step)
