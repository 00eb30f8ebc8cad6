"""Tower fluxes at the moments of satellite overpasses, from the tables of an evaluation of ECOSTRESS (Pierrat et al.)."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from lsm_bayes.datasets.choose import choose_sites
from lsm_bayes.datasets.sources import NotAvailableError, WheelMember
from lsm_bayes.vocabulary import QUANTITIES

_PACKAGE, _VERSION = "ecov002-calval-tables", "1.13.0"
SOURCE = WheelMember(
    package=_PACKAGE,
    version=_VERSION,
    member="ECOv002_calval_tables/combined_eco_flux_EC_filtered.csv",
    sha256="b9246fd4204c24a516060b4c9511c1d77e7d92250550bd5ecf67389bb0b80f15",
    python="3.13",
    megabytes=1,
)
SITES = WheelMember(
    package=_PACKAGE,
    version=_VERSION,
    member="ECOv002_calval_tables/metadata_ebc_filt.csv",
    sha256="ef801e087e431b666ef191415d46405bde6196c0a32bd2b7b7a05645145e477b",
    python="3.13",
    megabytes=1,
)
# Column of the tower, column of the satellite product that fills its gaps, factor to the unit of the vocabulary.
_COLUMNS = {
    "latent_heat": ("LE_filt", None, 1.0),
    "sensible_heat": ("H_filt", None, 1.0),
    "net_radiation": ("NETRAD_filt", None, 1.0),
    "ground_heat": ("G_filt", None, 1.0),
    "air_temperature": ("AirTempC", "Ta", 1.0),
    "relative_humidity": ("RH_percentage", "RH", 100.0),  # a fraction in the file, whatever its name says
    "soil_moisture": ("SM", None, 1.0),
    "ndvi": ("NDVI", None, 1.0),
    "land_surface_temperature": ("LST", None, 1.0),
}
# Latent heat by other means, for comparison: the tower's with its balance closed, and that of the satellite products.
_OTHERS = {
    "closed": ("LEcorr50", "divided by the closure ratio in a window of days and hours around it: the Bowen ratio is kept"),
    "pt_jpl_sm": ("PTJPLSMinst", "PT-JPL-SM from ECOSTRESS"),
    "stic": ("STICinst", "STIC from ECOSTRESS"),
    "mod16": ("MOD16inst", "MOD16 from ECOSTRESS"),
    "bess": ("BESSinst", "BESS from ECOSTRESS"),
}
_NAME = "data set 'tower-moments'"


def load(sites: Iterable[str] | str | None = None) -> xr.Dataset:
    """North American towers at the moments at which ECOSTRESS passed over, 2019-2023.

    Parameters
    ----------
    sites : str or iterable of str, optional
        Sites; by default all 63.

    Returns
    -------
    xarray.Dataset
        Dims ``site`` and ``moment``; coordinate ``site_of_moment`` says where a moment belongs, ``time`` when it was (UTC). Of the tower:
        ``latent_heat`` and ``sensible_heat`` as measured, without closure of the energy balance, ``net_radiation``, ``ground_heat``,
        ``air_temperature`` and ``relative_humidity`` (``..._from_tower`` is False where the product of the satellite fills a gap). Of the
        satellite: ``ndvi``, ``soil_moisture``, ``land_surface_temperature``. ``latent_heat_closed`` and ``latent_heat_<product>`` are for
        comparison. By site: ``pft`` (IGBP), ``closure_ratio`` of the whole record of the tower, ``latitude``, ``longitude``,
        ``elevation``.

    Raises
    ------
    NotAvailableError
        If the tables are neither cached nor downloadable; the message says what pip said.
    """
    table, towers = _open(SOURCE).sort_values(["ID", "eco_time_utc"]), _open(SITES).set_index("Site ID")
    names = sorted(table["ID"].unique())
    towers = towers.loc[names]
    first = table.groupby("ID").first()
    time = pd.DatetimeIndex(table["eco_time_utc"]).to_numpy().astype("datetime64[ns]")
    data = xr.Dataset(
        coords={
            "site": names,
            "pft": ("site", first.loc[names, "vegetation"].to_numpy(str)),
            "climate": ("site", first.loc[names, "climate"].to_numpy(str), {"long_name": "class of Koeppen and Geiger"}),
            "latitude": ("site", towers["Lat"].to_numpy(float), {"units": "degrees_north"}),
            "longitude": ("site", towers["Long"].to_numpy(float), {"units": "degrees_east"}),
            "elevation": ("site", towers["Elev"].to_numpy(float), {"units": "m"}),
            "closure_ratio": (
                "site",
                towers["closure_ratio"].to_numpy(float),
                {"units": "1", "long_name": "turbulent fluxes over available energy, whole record of the tower"},
            ),
            "site_of_moment": ("moment", table["ID"].to_numpy(str)),
            "time": ("moment", time),
        }
    )
    for name, (column, filler, factor) in _COLUMNS.items():
        values = table[column].to_numpy(float)
        if filler is not None:
            data[f"{name}_from_tower"] = ("moment", np.isfinite(values), {"long_name": f"{name} is the tower's, not of a product"})
            values = np.where(np.isfinite(values), values, table[filler].to_numpy(float))
        data[name] = ("moment", values * factor, QUANTITIES[name].attrs() | {"source_variable": column})
    for name, (column, comment) in _OTHERS.items():
        attrs = QUANTITIES["latent_heat"].attrs() | {"source_variable": column, "comment": comment}
        data[f"latent_heat_{name}"] = ("moment", table[column].to_numpy(float), attrs)
    data.attrs = {
        "title": "Energy balance of 63 North American towers at overpasses of ECOSTRESS, 2019-2023",
        "source": f"tables in the package {_PACKAGE} {_VERSION}",
        "licence": "Apache-2.0",
        "citation": "Pierrat, Purdy, Halverson, Fisher et al., Evaluation of ECOSTRESS Collection 2 Evapotranspiration Products, "
        "Water Resources Research, doi 10.1029/2024WR039404",
        "history": "half-hours around overpasses; fluxes as measured; gaps of air temperature and humidity filled from the products",
    }
    chosen = choose_sites(data, sites, _NAME)
    return chosen.isel(moment=np.isin(chosen["site_of_moment"], chosen["site"]))


def _open(source: WheelMember) -> pd.DataFrame:
    path = source.fetch()
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise NotAvailableError(f"cannot read {path}: {error}; delete it and load the data set again") from error
