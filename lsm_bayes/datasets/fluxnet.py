"""FLUXNET2015/ONEFlux, AmeriFlux and ICOS CSV files, half-hourly, hourly or daily, plain or inside a zip."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets import uncertainty
from lsm_bayes.datasets.marks import leave_out
from lsm_bayes.vocabulary import QUANTITIES, convert

_SITE = re.compile(r"(?:^|_)([A-Z]{2}-[A-Za-z0-9]{3})(?=[_.])")
_RESOLUTION = re.compile(r"_(HH|HR|DD|WW|MM|YY)(?=[_.])")
_STEPS = {"HH": 48, "HR": 24, "DD": 1}
# Units of the FLUXNET2015 variable description; P is a sum over the step, so it depends on the resolution as carbon fluxes do.
_UNITS = {
    "air_temperature": "degC",
    "shortwave_down": "W m-2",
    "longwave_down": "W m-2",
    "net_radiation": "W m-2",
    "vapour_pressure_deficit": "hPa",
    "air_pressure": "kPa",
    "wind_speed": "m s-1",
    "co2": "umol mol-1",
    "latent_heat": "W m-2",
    "sensible_heat": "W m-2",
    "ground_heat": "W m-2",
    "soil_water": "percent",
}
_CARBON = ("nee", "gpp", "reco")
# AmeriFlux BASE appends the position of the sensor, and PI_F where the site team filled the gaps.
_QUALIFIERS = ("", "_1_1_1", "_1", "_PI_F", "_PI_F_1_1_1", "_1_1_A", "_2_1_1", "_1_2_1")
_Variable = tuple[tuple[str, str], np.ndarray, dict[str, str]]
# Half the distance of the quartiles to half that of the 16th and 84th percentile, of a normal distribution.
_QUARTILES_TO_SD = 0.9945 / 0.6745


def read_fluxnet(
    path: str | Path,
    *,
    site: str | None = None,
    resolution: str | None = None,
    minimum_quality: float = 0.5,
    latitude: float = np.nan,
    longitude: float = np.nan,
    elevation: float = np.nan,
    pft: str = "",
) -> xr.Dataset:
    """Read a CSV file of FLUXNET2015, ONEFlux, AmeriFlux (FLUXNET or BASE) or ICOS, or a zip that holds one.

    Parameters
    ----------
    path : path-like
        CSV or zip file.
    site : str, optional
        Site; by default from the file name.
    resolution : str, optional
        ``"HH"``, ``"HR"`` or ``"DD"``; by default from the file name or the time stamps. Needed for a zip that holds several.
    minimum_quality : float, optional
        Daily files: days whose flux has a smaller QC (fraction measured or well filled) are left out, with the reason.
    latitude, longitude, elevation : float, optional
        Position, degrees and m; the files do not hold it.
    pft : str, optional
        IGBP class.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)`` at the step of the file, `time` the start of the step in local standard time, units of the vocabulary.
        ``<name>_coverage`` is 1 where measured (QC 0) and 0 where filled; in daily files it is the QC fraction (measured or well
        filled). ``<name>_uncertainty`` is RANDUNC; half-hourly files keep the u* members for `to_daily`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is corrupt, truncated, of an unknown format or resolution, or the site cannot be told.
    """
    path = Path(path)
    table, member = _table(path, resolution)
    site = site or next((m for name in (member, path.name) for m in _SITE.findall(name)), None)
    if site is None:
        raise ValueError(f"the file name {path.name!r} does not hold a site such as FI-Hyy; pass site=")
    time, per_day = _time(table, member, resolution)
    coords = {"site": [site], "time": time, "pft": ("site", [pft])}
    for key, value, unit in (
        ("latitude", latitude, "degrees_north"),
        ("longitude", longitude, "degrees_east"),
        ("elevation", elevation, "m"),
    ):
        coords[key] = ("site", [value], {"units": unit})
    data = xr.Dataset(coords=coords, attrs=_attrs(member))
    for name in (*_UNITS, *_CARBON, "precipitation"):
        data = _add(data, table, name, per_day)
    if not data.data_vars:
        raise ValueError(f"{path.name} has no column that is known; got {', '.join(map(str, table.columns[:12]))}, ...")
    return data if per_day > 1 else _finish_daily(data, minimum_quality)


def _attrs(member: str) -> dict[str, str]:
    return {
        "title": f"eddy covariance, {member}",
        "source": member,
        "licence": "see the data policy of the file's provider (FLUXNET2015, AmeriFlux and ICOS: CC-BY-4.0)",
        "citation": "the site's DOI; Pastorello et al. (2020), Scientific Data 7, 225, doi:10.1038/s41597-020-0534-3",
    }


def _table(path: Path, resolution: str | None) -> tuple[pd.DataFrame, str]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    if path.suffix.lower() == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                member = _member(archive.namelist(), path, resolution)
                content = archive.read(member)
        except zipfile.BadZipFile as error:
            raise ValueError(f"{path} is not a complete zip file ({error}); download it again") from error
    else:
        member, content = path.name, path.read_bytes()
    if not content.strip():
        raise ValueError(f"{member} is empty")
    try:
        text = content.decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), comment="#", na_values=["-9999", "-9999.0", "-6999"], low_memory=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"cannot read {member} as CSV: {error}") from error
    # A file cut in the middle of a row ends without a line break, and its last row lacks values.
    last = text.rstrip("\n").rsplit("\n", 1)[-1]
    if not text.endswith("\n") and last.count(",") + 1 < len(table.columns):
        raise ValueError(f"{member} is truncated: its last row has {last.count(',') + 1} of {len(table.columns)} values; download it again")
    return table, Path(member).name


def _member(names: list[str], path: Path, resolution: str | None) -> str:
    wanted = (resolution,) if resolution else tuple(_STEPS)
    tables = [n for n in names if n.lower().endswith(".csv") and not re.search(r"_(BIF|VARINFO|AUX\w*|ERA\w*)_", n)]
    fit = [n for n in tables if (m := _RESOLUTION.search(Path(n).name)) and m.group(1) in wanted]
    if len(fit) != 1:
        what = "no" if not fit else "more than one"
        raise ValueError(
            f"{path.name} holds {what} CSV of resolution {' or '.join(wanted)}: {', '.join(names)}; pass resolution='HH', 'HR' or 'DD'"
        )
    return fit[0]


def _time(table: pd.DataFrame, member: str, resolution: str | None) -> tuple[np.ndarray, int]:
    column = next((c for c in ("TIMESTAMP_START", "TIMESTAMP") if c in table.columns), None)
    if column is None:
        raise ValueError(
            f"{member} has no column TIMESTAMP_START or TIMESTAMP; its columns start with {', '.join(map(str, table.columns[:5]))}"
        )
    named = resolution or (m.group(1) if (m := _RESOLUTION.search(member)) else None)
    if named is not None and named not in _STEPS:
        raise ValueError(f"{member} has resolution {named}; accepted are {', '.join(_STEPS)}")
    stamp = table[column].astype("string")
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M"}.get(int(stamp.str.len().mode().iloc[0]) if len(stamp) else 0)
    try:
        time = pd.to_datetime(stamp, format=form, errors="raise")
    except (ValueError, TypeError) as error:
        raise ValueError(f"{member}: cannot read the time stamps in {column}: {error}") from error
    values = time.to_numpy().astype("datetime64[ns]")
    if form is None or np.isnat(values).any():
        raise ValueError(
            f"{member}: time stamps in {column} must be YYYYMMDD or YYYYMMDDHHMM, such as 20050101 or 200501010030; got {stamp.iloc[0]!r}"
        )
    per_day = uncertainty.steps_per_day(values) if len(values) > 1 else _STEPS.get(named or "", 0)
    if per_day not in _STEPS.values() or (named is not None and _STEPS[named] != per_day):
        raise ValueError(f"{member}: {per_day} steps per day, but {named or 'HH, HR or DD'} was expected")
    return values, per_day


def _column(table: pd.DataFrame, name: str) -> str | None:
    for alias in QUANTITIES[name].fluxnet:
        for qualifier in _QUALIFIERS:
            if (column := f"{alias}{qualifier}") in table.columns and table[column].notna().any():
                return column
    return None


def _add(data: xr.Dataset, table: pd.DataFrame, name: str, per_day: int) -> xr.Dataset:
    column = _column(table, name)
    if column is None:
        return data
    known = QUANTITIES[name]

    def values(source: str) -> _Variable:
        try:
            numbers = table[source].to_numpy(float)
        except ValueError as error:
            raise ValueError(f"column {source!r} holds something that is not a number: {error}") from error
        if name == "precipitation":
            converted = numbers * per_day
        else:
            unit = ("gC m-2 d-1" if per_day == 1 else "umol m-2 s-1") if name in _CARBON else _UNITS[name]
            converted = convert(numbers, unit, known.unit)
        return ("site", "time"), converted[None], known.attrs() | {"source_variable": source}

    data = data.assign({name: values(column)})
    if column == "FC":
        data[name].attrs["comment"] = "turbulent flux without storage, not filtered for low u*"
    flag = _flag(table, column)
    if flag is not None:
        quality = table[flag].to_numpy(float)
        covered = quality if per_day == 1 else np.where(np.isnan(quality), np.nan, (quality == 0).astype(float))
        meaning = "fraction measured or well filled" if per_day == 1 else "1 where measured (QC 0)"
        data[f"{name}_coverage"] = (("site", "time"), covered[None], {"units": "1", "long_name": meaning, "source_variable": flag})
    random = next(
        (c for c in (f"{column}_RANDUNC", f"{column.removesuffix('_F_MDS')}_RANDUNC") if c in table and table[c].notna().any()), None
    )
    if random is not None:
        dims, sd, attrs = values(random)
        data[f"{name}_uncertainty"] = (dims, np.where(sd > 0, sd, np.nan), attrs | {"source": uncertainty.RANDUNC})
    other = column.replace("_NT_", "_DT_")
    if name in ("gpp", "reco") and other != column and other in table:
        data[f"{name}_daytime_partitioned"] = values(other)
        if flag is not None:
            data[f"{name}_daytime_partitioned_coverage"] = data[f"{name}_coverage"]
    return _add_members(data, table, name, column, values)


def _flag(table: pd.DataFrame, column: str) -> str | None:
    """Name the QC column; partitioned fluxes have that of the NEE they were made from."""
    candidates = (f"{column}_QC", re.sub(r"^(GPP|RECO)_(NT|DT)", "NEE", column) + "_QC")
    return next((c for c in candidates if c in table), None)


def _add_members(data: xr.Dataset, table: pd.DataFrame, name: str, column: str, values: Callable[[str], _Variable]) -> xr.Dataset:
    stem = re.sub(r"_(REF|USTAR50)$", "", column)
    if stem == column:
        return data
    if f"{stem}_16" in table and f"{stem}_84" in table:
        return data.assign({f"{name}_ustar16": values(f"{stem}_16"), f"{name}_ustar84": values(f"{stem}_84")})
    if f"{stem}_25" in table and f"{stem}_75" in table:
        dims, low, attrs = values(f"{stem}_25")
        high = values(f"{stem}_75")[1]
        middle, half = (low + high) / 2, (high - low) / 2 * _QUARTILES_TO_SD
        attrs = attrs | {"comment": "scaled from the quartiles, the file has no 16th and 84th percentile"}
        return data.assign({f"{name}_ustar16": (dims, middle - half, attrs), f"{name}_ustar84": (dims, middle + half, attrs)})
    return data


def _finish_daily(data: xr.Dataset, minimum_quality: float) -> xr.Dataset:
    fluxes = (*_CARBON, "gpp_daytime_partitioned", "reco_daytime_partitioned", "latent_heat", "sensible_heat", "ground_heat")
    for name in fluxes:
        if name in data:
            masks = {"too few steps measured": (data[f"{name}_coverage"] < minimum_quality)} if f"{name}_coverage" in data else {}
            data = leave_out(data, name, masks)
    random = {n: data[f"{n}_uncertainty"] for n in ("nee", "latent_heat", "sensible_heat") if f"{n}_uncertainty" in data}
    return uncertainty.attach(data, random)
