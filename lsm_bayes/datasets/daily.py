"""Half-hourly or hourly data to days, with a stated rule of completeness."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from lsm_bayes.datasets import uncertainty as un
from lsm_bayes.datasets.marks import leave_out
from lsm_bayes.vocabulary import QUANTITIES

FLUXES = ("nee", "nbe", "gpp", "reco", "evapotranspiration", "latent_heat", "sensible_heat", "ground_heat")
MEMBERS = ("_ustar16", "_ustar84")
_DAYLIGHT = 10 * 0.0864  # 10 W m-2 in MJ m-2 d-1


@dataclass(frozen=True)
class Completeness:
    """When a day counts.

    A flux that is measured by day only is biased, because what is missing is the respiration of calm nights. So a daily flux is
    either the sum of the gap-filled series (as in FLUXNET), when enough of the day was measured; or, where the series is not
    filled, the mean of day and night, each weighted by its length, when both were measured.

    Parameters
    ----------
    present : float
        Fraction of the steps that must have a value, measured or filled, for a plain mean.
    measured_flux : float
        Fraction of the steps of the day that must be measured (QC 0), for a flux.
    measured_day : float
        The same among the steps with daylight (shortwave above 10 W m-2).
    measured_night : float
        The same among the steps without daylight. Zero by default: u* filtering leaves 10-20 % of the nights, and filled nights
        rest on measured nights of similar weather.
    measured_meteorology : float
        Fraction of the steps that must be measured, for meteorology. Zero by default: forcing must be complete.
    present_day_night : float
        Fraction of the steps with a value in the day and in the night, for a series that is not filled.
    """

    present: float = 0.9
    measured_flux: float = 0.25
    measured_day: float = 0.25
    measured_night: float = 0.0
    measured_meteorology: float = 0.0
    present_day_night: float = 0.5

    def sentence(self) -> str:
        """Say the rule in words.

        Returns
        -------
        str
            One sentence, kept in the attributes of the daily data.
        """
        return (
            f"fluxes: mean of the day if at least {self.present:.0%} of the steps have a value, else of day and night weighted by length "
            f"if at least {self.present_day_night:.0%} of each has one; at least {self.measured_flux:.0%} of the steps measured, "
            f"{self.measured_day:.0%} by day, {self.measured_night:.0%} by night; meteorology: at least {self.present:.0%} with a value, "
            f"{self.measured_meteorology:.0%} measured"
        )


def to_daily(data: xr.Dataset, rule: Completeness | None = None) -> xr.Dataset:
    """Aggregate sub-daily data to days.

    Parameters
    ----------
    data : xarray.Dataset
        Data of a reader: dims ``(site, time)``, `time` the start of each step in local standard time, units of the vocabulary
        (rates per day, so the mean over a day is the daily sum), optionally ``<name>_coverage``, ``<name>_uncertainty`` and the
        u* members ``<name>_ustar16`` and ``<name>_ustar84``.
    rule : Completeness, optional
        When a day counts.

    Returns
    -------
    xarray.Dataset
        Daily data with ``<name>_coverage`` (fraction of the steps that was measured), ``<name>_dropped`` (why a day was left out;
        see `dropped_days` for a table), ``<name>_uncertainty`` of the fluxes, and daily minimum and maximum air temperature.

    Raises
    ------
    ValueError
        If the data are not sub-daily.
    """
    rule = rule or Completeness()
    per_day = un.steps_per_day(data["time"].values)
    if per_day == 1:
        raise ValueError("the data are daily already; to_daily takes half-hourly or hourly data")
    data = whole_days(data, per_day)
    days = data["time"].values[::per_day].astype("datetime64[D]").astype("datetime64[ns]")
    shape = (data.sizes["site"], len(days), per_day)

    def steps(name: str) -> np.ndarray:
        return data[name].transpose("site", "time").values.reshape(shape)

    light = _daylight(data, shape)
    coords = {key: value for key, value in data.coords.items() if "time" not in value.dims}
    daily = xr.Dataset(coords=coords | {"time": days}, attrs=data.attrs | {"completeness": rule.sentence()})
    for name in _values(data):
        values, attrs = steps(name), data[name].attrs
        measured = (steps(f"{name}_coverage") >= 1) if f"{name}_coverage" in data else np.ones(shape, dtype=bool)
        measured &= np.isfinite(values)
        mean, masks = _day(name, values, measured, light, rule)
        daily[name] = (("site", "time"), mean, attrs)
        daily[f"{name}_coverage"] = (
            ("site", "time"),
            measured.mean(axis=-1),
            {"units": "1", "long_name": f"fraction of the day with measured {name}"},
        )
        daily = leave_out(daily, name, masks)
        if name == "air_temperature":
            few = masks["too few steps with a value"]
            for label, extreme in (("air_temperature_min", np.min), ("air_temperature_max", np.max)):
                # A day of NaN only would warn, so it is given a number that the mask takes away.
                found = extreme(np.where(few[..., None], 0.0, np.where(np.isfinite(values), values, mean[..., None])), axis=-1)
                daily[label] = (("site", "time"), np.where(few, np.nan, found), QUANTITIES[label].attrs())
    for name in (str(n) for n in data.data_vars if str(n).endswith(MEMBERS)):
        values = steps(name)
        daily[name] = (("site", "time"), _mean(values, np.isfinite(values)), data[name].attrs)
    return un.attach(daily, _random_errors(data, daily, shape))


def _values(data: xr.Dataset) -> list[str]:
    endings = ("_coverage", "_uncertainty", "_dropped", *MEMBERS)
    return [str(v) for v in data.data_vars if set(data[v].dims) == {"site", "time"} and not str(v).endswith(endings)]


def whole_days(data: xr.Dataset, per_day: int) -> xr.Dataset:
    """Complete the first and last day and fill absent times with NaN.

    Parameters
    ----------
    data : xarray.Dataset
        Sub-daily data.
    per_day : int
        Steps in a day.

    Returns
    -------
    xarray.Dataset
        On a regular axis of whole days.

    Raises
    ------
    ValueError
        When times repeat, do not ascend or lie off the steps.
    """
    time = data["time"].values
    if not (np.diff(time) > np.timedelta64(0, "ns")).all():
        raise ValueError("the time axis is not ascending or has a time twice; sort it and remove duplicates first")
    step = np.timedelta64(86400 // per_day, "s")
    first, last = time[0].astype("datetime64[D]"), time[-1].astype("datetime64[D]")
    full = np.arange(first.astype("datetime64[s]"), (last + np.timedelta64(1, "D")).astype("datetime64[s]"), step).astype("datetime64[ns]")
    off = ~np.isin(time, full)
    if off.any():
        raise ValueError(
            f"{off.sum()} times, such as {time[off][0]}, do not lie on steps of {step}; the time must be the start of each step"
        )
    return data.reindex(time=full)


def _daylight(data: xr.Dataset, shape: tuple[int, ...]) -> np.ndarray:
    if "shortwave_down" in data:
        return data["shortwave_down"].transpose("site", "time").values.reshape(shape) > _DAYLIGHT
    hour = np.arange(shape[-1]) * 24 / shape[-1]
    return np.broadcast_to((hour >= 6) & (hour < 18), shape)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    count = where.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, np.where(where, values, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def _fraction(true: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Fraction of the steps `among` where `true` holds; 1 where there are none (polar day or night)."""
    count = among.sum(axis=-1)
    return np.where(count > 0, (true & among).sum(axis=-1) / np.maximum(count, 1), 1.0)


def _day(
    name: str, values: np.ndarray, measured: np.ndarray, light: np.ndarray, rule: Completeness
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    present = np.isfinite(values)
    full = present.mean(axis=-1) >= rule.present
    mean = _mean(values, present)
    if name.removesuffix("_daytime_partitioned") not in FLUXES:
        few = present.any(axis=-1) & (measured.mean(axis=-1) < rule.measured_meteorology)
        return mean, {"too few steps with a value": ~full, "too few steps measured": few}
    day_length = light.mean(axis=-1)
    parts = [
        np.where(share > 0, share * _mean(values, present & part), 0.0) for share, part in ((day_length, light), (1 - day_length, ~light))
    ]
    both = (_fraction(present, light) >= rule.present_day_night) & (_fraction(present, ~light) >= rule.present_day_night)
    mean = np.where(both & ~full, parts[0] + parts[1], mean)
    return mean, {
        "too few steps with a value": ~full & ~both,
        "too few steps measured": measured.mean(axis=-1) < rule.measured_flux,
        "day or night not measured": (_fraction(measured, light) < rule.measured_day) | (_fraction(measured, ~light) < rule.measured_night),
    }


def _random_errors(data: xr.Dataset, daily: xr.Dataset, shape: tuple[int, ...]) -> dict[str, xr.DataArray]:
    found: dict[str, xr.DataArray] = {}
    for name in FLUXES:
        if name not in daily or name in un.PARTITIONED:
            continue
        if f"{name}_uncertainty" in data:
            steps = data[f"{name}_uncertainty"]
        elif un.has_members(data, name):
            continue
        else:
            try:
                steps = un.from_differences(data, name)
            except ValueError as error:
                daily.attrs["history"] = f"{daily.attrs.get('history', '')}; no uncertainty of {name}: {error}".lstrip("; ")
                continue
        sd = un.daily_from_steps(steps.transpose("site", "time").values.reshape(shape))
        found[name] = xr.DataArray(sd, dims=("site", "time"), attrs={"source": un.AS_GIVEN, **steps.attrs})
    return found
