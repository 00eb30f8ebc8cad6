"""CH-Dav (Davos, spruce forest), 2013-2022, half-hourly file to the daily data convention."""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets import co2, daily, marks, uncertainty
from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.daily import Completeness, to_daily
from lsm_bayes.datasets.sources import NotAvailableError, WheelMember, cache_folder
from lsm_bayes.vocabulary import QUANTITIES, convert

SOURCE = WheelMember(
    package="diive",
    version="0.92.0",
    member="diive/configs/exampledata/exampledata_PARQUET_CH-DAV_FP2022.5_2013-2022_ID20230206154316_30MIN.parquet",
    sha256="212c34e31cae26969ca9c8ef1783c20013f140bf136848720c47d2582419bca3",
    python="3.13",
    megabytes=35,
)

# Column, unit in the file, column whose presence says "measured". The file has no units: those of carbon, radiation and VPD were
# checked against FLUXNET2015 of the same site in 2013-2014 (radiation 0.999, VPD 1.000 correlation, equal means).
_COLUMNS = {
    "nee": ("NEE_CUT_REF_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "nee_ustar16": ("NEE_CUT_16_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "nee_ustar84": ("NEE_CUT_84_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "gpp": ("GPP_CUT_REF_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "gpp_ustar16": ("GPP_CUT_16_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "gpp_ustar84": ("GPP_CUT_84_f", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "gpp_daytime_partitioned": ("GPP_DT_CUT_REF", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "reco": ("Reco_CUT_REF", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "reco_ustar16": ("Reco_CUT_16", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "reco_ustar84": ("Reco_CUT_84", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "reco_daytime_partitioned": ("Reco_DT_CUT_REF", "umol m-2 s-1", "NEE_CUT_REF_orig"),
    "latent_heat": ("LE_f", "W m-2", "LE_orig"),
    "air_temperature": ("Tair_f", "degC", "Tair_orig"),
    "shortwave_down": ("Rg_f", "W m-2", "Rg_orig"),
    "vapour_pressure_deficit": ("VPD_f", "hPa", "VPD_orig"),
    "air_pressure": ("PA", "hPa", "PA"),
    "longwave_down": ("LW_IN", "W m-2", "LW_IN"),
    "soil_water": ("SWC_FF0_0.15_1", "percent", "SWC_FF0_0.15_1"),
    "precipitation": ("PREC_TOT_T1_25+20_1", "mm (30 min)-1", "PREC_TOT_T1_25+20_1"),
}

_COORDS = {"latitude": 46.81533, "longitude": 9.85591, "elevation": 1639.0, "pft": "ENF"}
_ATTRS = {
    "title": "CH-Dav (Davos, Switzerland), spruce forest, 2013-2022, daily",
    "source": f"example data of the package {SOURCE.package} {SOURCE.version}: {Path(SOURCE.member).name}",
    "licence": "distributed with a GPL-3.0 package by the station's group (ETH Zurich); read from the user's own download",
    "citation": "Hoertnagl L., diive 0.92.0 (example data of CH-Dav, Swiss FluxNet, ETH Zurich); "
    "site: Zielis et al. (2014), Biogeosciences 11, 1627-1635",
}


def load(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """Return CH-Dav as daily data, from the cache if this version of the code made it before.

    Parameters
    ----------
    sites : str or iterable of str, optional
        ``"CH-Dav"`` or None.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, one site, 3652 days.

    Raises
    ------
    NotAvailableError
        If the file is neither cached nor downloadable.
    """
    return choose_sites(_daily(), sites, "data set 'ch-dav'")


def _daily() -> xr.Dataset:
    code = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (co2, daily, marks, uncertainty))
    key = hashlib.sha256((code + Path(__file__).read_text(encoding="utf-8") + SOURCE.sha256).encode()).hexdigest()[:12]
    path = cache_folder() / f"ch-dav_daily_{key}.nc"
    if path.is_file():
        try:
            return xr.load_dataset(path)
        except (OSError, ValueError):
            path.unlink()
    data = _finish(to_daily(half_hourly(SOURCE.fetch()), Completeness()))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="daily_") as folder:
        part = Path(folder) / "part.nc"
        data.to_netcdf(part)
        os.replace(part, path)
    return xr.load_dataset(path)


def half_hourly(path: Path) -> xr.Dataset:
    """Read the half-hourly file.

    Parameters
    ----------
    path : pathlib.Path
        Parquet file.

    Returns
    -------
    xarray.Dataset
        Dims ``(site, time)``, `time` the start of the half-hour in local standard time (UTC+1), units of the vocabulary.

    Raises
    ------
    NotAvailableError
        If the file is not the expected one.
    """
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise NotAvailableError(f"cannot read {path}: {error}; delete it and load the data set again") from error
    # The stamp is the middle of the half-hour: radiation averaged over ten years peaks at 12:15, solar noon is at 12:20 local time.
    time = (table.index - pd.Timedelta(minutes=15)).to_numpy().astype("datetime64[ns]")
    data = xr.Dataset(coords={"site": ["CH-Dav"], "time": time, **{key: ("site", [value]) for key, value in _COORDS.items()}}, attrs=_ATTRS)
    for name, (column, unit, flag) in _COLUMNS.items():
        known = QUANTITIES[name.split("_ustar")[0].removesuffix("_daytime_partitioned")]
        attrs = known.attrs() | {"source_variable": column}
        values = _per_day(table[column].to_numpy(float), unit, known.unit)
        data[name] = (("site", "time"), values[None], attrs)
        if "_ustar" not in name:
            data[f"{name}_coverage"] = (("site", "time"), table[flag].notna().to_numpy(float)[None], {"units": "1"})
    data["nee_uncertainty"] = uncertainty.from_differences(data, "nee")
    return data


def _per_day(values: np.ndarray, unit: str, to: str) -> np.ndarray:
    return values * 48 if unit == "mm (30 min)-1" else convert(values, unit, to)


def _finish(data: xr.Dataset) -> xr.Dataset:
    data["co2"] = (("site", "time"), co2.mauna_loa_fit(data["time"].values)[None], QUANTITIES["co2"].attrs() | {"source": co2.FIT_SOURCE})
    data["latitude"].attrs["units"], data["longitude"].attrs["units"], data["elevation"].attrs["units"] = (
        "degrees_north",
        "degrees_east",
        "m",
    )
    data.attrs["history"] = (
        "half-hourly to daily; NEE with the constant u* threshold of the file (0.288 m s-1), gap-filled sum; "
        "GPP and RECO night-time partitioned, *_daytime_partitioned beside them; "
        "random error of NEE by 24-hour differencing, filled half-hours counted as measured ones"
    )
    return data
