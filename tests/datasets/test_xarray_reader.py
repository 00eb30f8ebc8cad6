"""ALMA/PLUMBER2 files and plain xarray: aliases, units, signs."""

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import from_xarray, read_alma, to_daily


def _alma(path, variables, time_of="2003-01-01"):
    time = np.datetime64(time_of, "ns") + np.arange(96) * np.timedelta64(1800, "s")
    data = xr.Dataset(coords={"time": time, "y": [1.0], "x": [1.0]})
    for name, (value, attrs) in variables.items():
        data[name] = (("time", "y", "x"), np.full((96, 1, 1), value, dtype=np.float32), attrs)
    data["latitude"], data["longitude"], data["elevation"] = (("y", "x"), [[61.85]]), (("y", "x"), [[24.3]]), (("y", "x"), [[181.0]])
    data["IGBP_veg_short"] = xr.DataArray(np.bytes_("ENF "))
    data.to_netcdf(path)
    return path


MET = {
    "Tair": (283.15, {"units": "K"}),
    "SWdown": (100.0, {"units": "W/m2"}),
    "Precip": (1e-4, {"units": "kg/m2/s"}),
    "Psurf": (98200.0, {"units": "Pa"}),
    "VPD": (4.0, {"units": "hPa"}),
    "CO2air": (380.0, {"units": "ppm"}),
    "Tair_qc": (0, {"units": "-"}),
}
FLUX = {"NEE": (-2.0, {"units": "umol/m2/s"}), "NEE_qc": (1, {}), "Qle": (30.0, {"units": "W/m2"}), "Qle_uc": (4.0, {})}


def test_alma_meteorology_and_fluxes(tmp_path):
    met = _alma(tmp_path / "FI-Hyy_1996-2014_FLUXNET2015_Met.nc", MET)
    flux = _alma(tmp_path / "FI-Hyy_1996-2014_FLUXNET2015_Flux.nc", FLUX)
    data = read_alma(met, flux)
    expected = {
        "air_temperature": 10.0,
        "shortwave_down": 8.64,
        "precipitation": 8.64,
        "air_pressure": 98.2,
        "vapour_pressure_deficit": 4.0,
        "co2": 380.0,
        "nee": -2.0 * 12.011e-6 * 86400,
        "latent_heat": 30.0,
        "latent_heat_uncertainty": 4.0,
        "air_temperature_coverage": 1.0,
        "nee_coverage": 0.0,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(data[name], value, rtol=1e-5, err_msg=name)
    assert data["site"].item() == "FI-Hyy" and data["pft"].item() == "ENF" and data["latitude"].item() == 61.85
    assert to_daily(data).sizes["time"] == 2


def test_alma_errors(tmp_path):
    path = _alma(tmp_path / "FI-Hyy_Met.nc", MET)
    other = _alma(tmp_path / "FI-Hyy_Flux.nc", FLUX, time_of="2004-01-01")
    with pytest.raises(ValueError, match="another site or time axis"):
        read_alma(path, other)
    nameless = _alma(tmp_path / "met.nc", MET)
    with pytest.raises(ValueError, match="does not hold a site such as FI-Hyy; pass site="):
        read_alma(nameless)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="it may be truncated or of another format"):
        read_alma(path)
    with pytest.raises(FileNotFoundError):
        read_alma(tmp_path / "FI-Hyy_none.nc")
    with pytest.raises(ValueError, match="variable 'Tair' has no units"):
        read_alma(_alma(tmp_path / "FI-Hyy_2.nc", {"Tair": (280.0, {})}))


def _plain(**variables):
    time = np.arange("2010-01-01", "2010-01-06", dtype="datetime64[D]").astype("datetime64[ns]")
    data = xr.Dataset(coords={"time": time})
    for name, (value, unit) in variables.items():
        data[name] = ("time", np.full(5, value), {} if unit is None else {"units": unit})
    return data


def test_names_and_aliases_and_signs():
    data = from_xarray(_plain(tas=(283.15, "K"), nep=(2e-8, "kg m-2 s-1"), pr=(1e-5, "kg m-2 s-1"), other=(1.0, "m")), site="XX-Abc")
    np.testing.assert_allclose(data["air_temperature"], 10.0)
    np.testing.assert_allclose(data["nee"], -2e-8 * 86400 * 1000)  # CMIP's nep is positive into the land
    np.testing.assert_allclose(data["precipitation"], 0.864)
    assert set(data.data_vars) == {"air_temperature", "nee", "precipitation"} and data["nee"].dims == ("site", "time")


def test_uncertainty_of_a_temperature_is_a_difference():
    data = from_xarray(_plain(tas=(283.15, "K"), tas_uncertainty=(0.5, "K")), site="XX-Abc")
    np.testing.assert_allclose(data["air_temperature_uncertainty"], 0.5)


def test_fill_values_become_missing():
    assert from_xarray(_plain(nee=(-9999.0, "gC m-2 d-1")), site="XX-Abc")["nee"].isnull().all()


def test_first_alias_wins_and_ambiguity_is_an_error():
    data = _plain(NEE_CUT_REF=(1.0, "gC m-2 d-1"), NEE_VUT_REF=(2.0, "gC m-2 d-1"))
    assert (from_xarray(data, site="XX-Abc")["nee"] == 2.0).all()
    assert (from_xarray(data, ["NEE_CUT_REF"], site="XX-Abc")["nee"] == 1.0).all()
    with pytest.raises(ValueError, match="'NEE_CUT_REF' and 'NEE_VUT_REF' both mean 'nee'"):
        from_xarray(data, ["NEE_CUT_REF", "NEE_VUT_REF"], site="XX-Abc")


def test_unit_errors():
    with pytest.raises(ValueError, match="variable 'nee' has no units; set its attrs"):
        from_xarray(_plain(nee=(1.0, None)), site="XX-Abc")
    with pytest.raises(ValueError, match="variable 'nee': cannot convert from 'K' to 'gC m-2 d-1'"):
        from_xarray(_plain(nee=(1.0, "K")), ["nee"], site="XX-Abc")
    data = from_xarray(_plain(SoilMoist=(1.0, "kg m-2"), gpp=(1.0, "gC m-2 d-1")), site="XX-Abc")
    assert "SoilMoist left out" in data.attrs["history"]
    assert set(data.data_vars) == {"gpp"}
    with pytest.raises(ValueError, match="variable 'soil_water': cannot convert from 'kg m-2' to 'percent'"):
        from_xarray(_plain(soil_water=(1.0, "kg m-2")), site="XX-Abc")
    with pytest.raises(ValueError, match="cannot read the unit 'fnord'"):
        from_xarray(_plain(nee=(1.0, "fnord")), ["nee"], site="XX-Abc")


def test_structure_errors():
    data = _plain(nee=(1.0, "gC m-2 d-1"))
    with pytest.raises(ValueError, match="no dim or coordinate 'site'; pass site="):
        from_xarray(data)
    with pytest.raises(ValueError, match="there is no dim 'time'; dims are day"):
        from_xarray(data.rename(time="day"), site="XX-Abc")
    with pytest.raises(ValueError, match="is int64, not datetime64"):
        from_xarray(data.assign_coords(time=np.arange(5)), site="XX-Abc")
    with pytest.raises(KeyError, match="unknown variable 'gpp'"):
        from_xarray(data, ["gpp"], site="XX-Abc")
    with pytest.raises(ValueError, match="no variable has a name that is known; got wood"):
        from_xarray(_plain(wood=(1.0, "m")), site="XX-Abc")
