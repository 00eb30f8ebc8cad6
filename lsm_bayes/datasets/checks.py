"""What data must fulfil before a calibration: said clearly here rather than found as a NaN in the sampler."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.vocabulary import QUANTITIES, parse_unit, quantity, unknown

LONGEST_GAP = 3  # days
# Made from the time axis or the coordinates, not read.
_FROM_TIME = ("day_of_year", "day_number", "step_length")
_FROM_COORDS = ("latitude", "elevation")
# Zero when the data have none.
_ABSENT = {"burned_area": "no fire", "irrigation": "no irrigation"}
# A number outside means another unit than the attribute says: K, W m-2, Pa, hPa. Bounds no place on Earth passes at a daily step.
_POSSIBLE = {
    "air_temperature": (-90.0, 60.0),
    "air_temperature_min": (-95.0, 50.0),
    "air_temperature_max": (-90.0, 65.0),
    "shortwave_down": (-1.0, 48.0),
    "longwave_down": (40.0, 650.0),
    "vapour_pressure_deficit": (-0.5, 120.0),
    "precipitation": (-0.01, 2000.0),
    "air_pressure": (40.0, 115.0),
    "co2": (150.0, 1500.0),
    "wind_speed": (-0.01, 100.0),
    "burned_area": (0.0, 1.0),
    "ppfd_down": (-1.0, 1200.0),
    "fapar": (0.0, 1.0),
    "cloud_fraction": (0.0, 1.0),
}


def validate(
    data: xr.Dataset,
    needed: Iterable[str],
    streams: Iterable[str] = (),
    *,
    sites: Iterable[str] | None = None,
    longest_gap: int = LONGEST_GAP,
) -> xr.Dataset:
    """Check data before a calibration and fill short gaps of the forcing.

    Parameters
    ----------
    data : xarray.Dataset
        Daily data in the convention of the package; or steps of any length with the variable ``step_length``, d.
    needed : iterable of str
        Forcing of the process model. What follows from the time axis or the coordinates is not looked for; without burned area
        there is no fire, without irrigation none.
    streams : iterable of str, optional
        Observed variables; each needs values and ``<name>_uncertainty`` at every site.
    sites : iterable of str, optional
        Sites to take, in that order; by default all.
    longest_gap : int, optional
        Gaps of the forcing up to this many days are filled by linear interpolation, precipitation with zero.

    Returns
    -------
    xarray.Dataset
        Copy with complete forcing; ``attrs["filled_days"]`` of each forcing counts the filled days of all sites, and
        ``attrs["filled_days"]`` of an uncertainty those set to the median of the site.

    Raises
    ------
    KeyError
        If a site is unknown, or a forcing or stream is not in the data.
    ValueError
        If dims, time axis, units or values are wrong, a forcing has a longer gap, a stream has no value, or no uncertainty. The
        message says where.
    """
    _check_axes(data)
    data = choose_sites(data, sites, "the data")
    data = _every_day(data)
    for name in needed:
        if name in _FROM_TIME:
            continue
        data = _coordinate(data, name) if name in _FROM_COORDS and name not in data.data_vars else _forcing(data, name, longest_gap)
    for name in streams:
        data = _stream(data, name)
    return data


def _check_axes(data: xr.Dataset) -> None:
    for dim in ("site", "time"):
        if dim not in data.dims:
            raise ValueError(
                f"the data have no dim {dim!r}; dims are {', '.join(map(str, data.dims))}; "
                "readers in lsm_bayes.datasets return (site, time)"
            )
    time = data["time"].values
    if time.dtype.kind != "M":
        raise ValueError(f"the coordinate 'time' is {time.dtype}; it must be datetime64")
    if len(time) < 2:
        raise ValueError(f"the data have {len(time)} day; at least two are needed")
    steps = np.diff(time)
    backward = steps <= np.timedelta64(0, "ns")
    if backward.any():
        raise ValueError(f"the time axis is not ascending or has a day twice, near {_day(time[np.argmax(backward)])}; sort it first")
    if "step_length" not in data and (steps < np.timedelta64(1, "D")).any():
        raise ValueError(
            "the data are sub-daily; aggregate them first with lsm_bayes.datasets.to_daily, or give the variable 'step_length' (d) for a "
            "process model that takes steps of different length"
        )


def _day(time: np.datetime64) -> str:
    return str(time)[:10]


def _every_day(data: xr.Dataset) -> xr.Dataset:
    if "step_length" in data:
        return data
    time = data["time"].values
    full = np.arange(time[0], time[-1] + np.timedelta64(1, "D"), np.timedelta64(1, "D"))
    return data if len(full) == len(time) else data.reindex(time=full)


def _unit(data: xr.Dataset, name: str, variable: str) -> None:
    wanted = quantity(name).unit
    unit = data[variable].attrs.get("units")
    accepted = f"accepted is {wanted!r}; set attrs['units'] and use lsm_bayes.datasets.from_xarray, which converts"
    if unit is None:
        raise ValueError(f"{variable!r} has no units; {accepted}")
    if unit != wanted and parse_unit(unit) != parse_unit(wanted):
        raise ValueError(f"{variable!r} has units {unit!r}; {accepted}")


def _present(data: xr.Dataset, name: str, kind: str) -> None:
    if name not in data:
        known = [str(v) for v in data.data_vars if v in QUANTITIES]
        raise KeyError(unknown(f"{kind} in the data:", name, known) + f" The {kind} {name!r} is needed by the model; add it to the data.")
    if set(data[name].dims) != {"site", "time"}:
        raise ValueError(f"{name!r} has dims {data[name].dims}; it must have (site, time)")


def _coordinate(data: xr.Dataset, name: str) -> xr.Dataset:
    if name not in data.coords:
        raise KeyError(f"the coordinate {name!r} is needed by the model, but the data have only: {', '.join(map(str, data.coords))}")
    bad = data["site"].values[~np.isfinite(data[name].values.astype(float))]
    if bad.size:
        raise ValueError(f"the coordinate {name!r} is missing at {', '.join(bad)}; set it with data.assign_coords({name}=('site', [...]))")
    return data


def _forcing(data: xr.Dataset, name: str, longest_gap: int) -> xr.Dataset:
    if name in _ABSENT and name not in data:
        attrs = QUANTITIES[name].attrs() | {"source": f"none in the data: {_ABSENT[name]}"}
        return data.assign({name: (("site", "time"), np.zeros((data.sizes["site"], data.sizes["time"])), attrs)})
    _present(data, name, "forcing")
    _unit(data, name, name)
    values = data[name].transpose("site", "time").values.astype(float)
    filled, days = np.empty_like(values), data["time"].values
    count = 0
    for i, site in enumerate(data["site"].values):
        row = values[i]
        gaps = _gaps(row)
        if len(gaps) == 1 and gaps[0] == (0, len(row)):
            raise ValueError(f"forcing {name!r} has no value at {site}")
        for begin, end in gaps:
            if end - begin > longest_gap or begin == 0 or end == len(row):
                first, last = _day(days[begin]), _day(days[end - 1])
                where = (
                    "at the edge of the period, where nothing can be interpolated"
                    if begin == 0 or end == len(row)
                    else f"longer than {longest_gap} days"
                )
                raise ValueError(
                    f"forcing {name!r} is missing at {site} from {first} to {last} ({end - begin} days), {where}; "
                    "choose another period or fill it"
                )
        index, known = np.arange(len(row)), np.isfinite(row)
        # A gap between two wet days is not a wet spell: interpolated rain would be.
        filled[i] = np.where(known, row, 0.0) if name == "precipitation" else np.interp(index, index[known], row[known])
        count += int((~known).sum())
        _possible(name, filled[i], str(site))
    return data.assign({name: (("site", "time"), filled, data[name].attrs | {"filled_days": count})})


def _possible(name: str, values: np.ndarray, site: str) -> None:
    if name not in _POSSIBLE:
        return
    low, high = _POSSIBLE[name]
    if values.min() < low or values.max() > high:
        raise ValueError(
            f"forcing {name!r} at {site} ranges from {values.min():.4g} to {values.max():.4g}; in {QUANTITIES[name].unit!r} it lies "
            f"between {low:g} and {high:g}. Is it in another unit than attrs['units'] says?"
        )


def _gaps(values: np.ndarray) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate([[0], (~np.isfinite(values)).astype(int), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def _stream(data: xr.Dataset, name: str) -> xr.Dataset:
    _present(data, name, "stream")
    _unit(data, name, name)
    sd_name = f"{name}_uncertainty"
    if sd_name not in data:
        raise ValueError(
            f"stream {name!r} has no uncertainty: there is no variable {sd_name!r}. Add one in {QUANTITIES[name].unit!r}; "
            "for sub-daily data lsm_bayes.datasets.to_daily estimates it"
        )
    _unit(data, name, sd_name)
    values, sd = (data[v].transpose("site", "time").values.astype(float) for v in (name, sd_name))
    sd = np.where(np.isfinite(values), sd, np.nan)
    count = 0
    for i, site in enumerate(data["site"].values):
        known = np.isfinite(values[i])
        if not known.any():
            raise ValueError(
                f"stream {name!r} has no value at {site} from {_day(data['time'].values[0])} to {_day(data['time'].values[-1])}"
            )
        if np.isinf(values[i]).any():
            raise ValueError(f"stream {name!r} has infinite values at {site}; missing values must be NaN")
        if not np.isfinite(sd[i]).any():
            raise ValueError(f"stream {name!r} has no uncertainty at {site}: {sd_name!r} is missing on all {known.sum()} days with a value")
        if (sd[i] <= 0).any():
            raise ValueError(
                f"{sd_name!r} is zero or negative at {site} on {(sd[i] <= 0).sum()} days; set those to NaN or to a standard deviation"
            )
        without = known & ~np.isfinite(sd[i])
        sd[i, without] = np.nanmedian(sd[i])
        count += int(without.sum())
    return data.assign({sd_name: (("site", "time"), sd, data[sd_name].attrs | {"filled_days": count})})
