"""CSV files with the headers of real FLUXNET2015, AmeriFlux and ICOS files."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from lsm_bayes.datasets import dropped_days, read_fluxnet, to_daily

MOLES_TO_GRAMS = 12.011e-6 * 86400
HALF_HOURLY = {
    "TA_F": 10.0,
    "TA_F_QC": 0,
    "SW_IN_F": 100.0,
    "SW_IN_F_QC": 2,
    "VPD_F": 4.0,
    "VPD_F_QC": 1,
    "PA_F": 98.2,
    "P_F": 0.5,
    "WS_F": 2.0,
    "CO2_F_MDS": 400.0,
    "SWC_F_MDS_1": 30.0,
    "LE_F_MDS": 50.0,
    "LE_F_MDS_QC": 0,
    "LE_RANDUNC": 5.0,
    "NEE_CUT_REF": 9.0,
    "NEE_VUT_REF": -2.0,
    "NEE_VUT_REF_QC": 0,
    "NEE_VUT_REF_RANDUNC": 0.5,
    "NEE_VUT_16": -2.5,
    "NEE_VUT_84": -1.5,
    "RECO_NT_VUT_REF": 1.0,
    "GPP_NT_VUT_REF": 3.0,
    "GPP_NT_VUT_16": 2.0,
    "GPP_NT_VUT_84": 4.0,
    "GPP_DT_VUT_REF": 2.8,
}


def _half_hourly(path, columns=HALF_HOURLY, periods=96, minutes=30, extra=()):
    start = pd.date_range("2005-01-01", periods=periods, freq=f"{minutes}min")
    table = pd.DataFrame(
        {"TIMESTAMP_START": start.strftime("%Y%m%d%H%M"), "TIMESTAMP_END": (start + pd.Timedelta(minutes=minutes)).strftime("%Y%m%d%H%M")}
    ).assign(**columns)
    for row, column, value in extra:
        table.loc[row, column] = value
    table.to_csv(path, index=False)
    return path


def test_half_hourly_fullset(tmp_path):
    path = _half_hourly(
        tmp_path / "FLX_FI-Hyy_FLUXNET2015_FULLSET_HH_1996-2014_1-4.csv", extra=[(3, "NEE_VUT_REF", -9999), (4, "NEE_VUT_REF_QC", 1)]
    )
    data = read_fluxnet(path, latitude=61.85, pft="ENF")
    assert data["site"].item() == "FI-Hyy" and data["pft"].item() == "ENF" and data["latitude"].item() == 61.85
    assert data["time"].values[0] == np.datetime64("2005-01-01T00:00")
    np.testing.assert_allclose(data["nee"].values[0, 0], -2.0 * MOLES_TO_GRAMS)
    assert data["nee"].attrs["source_variable"] == "NEE_VUT_REF"
    assert np.isnan(data["nee"].values[0, 3]) and data["nee_coverage"].values[0, 4] == 0
    for name, value in {"air_temperature": 10.0, "shortwave_down": 8.64, "vapour_pressure_deficit": 4.0, "precipitation": 24.0}.items():
        np.testing.assert_allclose(data[name].values[0, 0], value)
    np.testing.assert_allclose(data["gpp_daytime_partitioned"].values[0, 0], 2.8 * MOLES_TO_GRAMS)
    assert (data["shortwave_down_coverage"] == 0).all() and (data["gpp_coverage"].values[0, :3] == 1).all()
    daily = to_daily(data)
    np.testing.assert_allclose(daily["precipitation"], 24.0)
    np.testing.assert_allclose(daily["nee_uncertainty"].values[0, 1], 0.5 * MOLES_TO_GRAMS / np.sqrt(48))
    assert daily["nee_uncertainty"].attrs["source"] == "RANDUNC" and daily["latent_heat_uncertainty"].attrs["source"] == "RANDUNC"
    np.testing.assert_allclose(daily["nee_ustar_spread"].values[0, 1], 0.5 * MOLES_TO_GRAMS)


def test_hourly(tmp_path):
    path = _half_hourly(tmp_path / "FLX_US-MMS_FLUXNET2015_SUBSET_HR_1999-2014_1-4.csv", periods=48, minutes=60)
    np.testing.assert_allclose(to_daily(read_fluxnet(path))["precipitation"], 12.0)


DAILY = {
    "TA_F": 10.0,
    "TA_F_QC": 1.0,
    "SW_IN_F": 100.0,
    "VPD_F": 4.0,
    "P_F": 3.0,
    "NEE_VUT_REF": -2.0,
    "NEE_VUT_REF_QC": 0.9,
    "NEE_VUT_REF_RANDUNC": 0.2,
    "NEE_VUT_25": -2.2,
    "NEE_VUT_75": -1.8,
    "GPP_NT_VUT_REF": 4.0,
    "RECO_NT_VUT_REF": 2.0,
}


def _daily(path, columns=DAILY, extra=()):
    table = pd.DataFrame({"TIMESTAMP": pd.date_range("2005-01-01", periods=10).strftime("%Y%m%d")}).assign(**columns)
    for row, column, value in extra:
        table.loc[row, column] = value
    table.to_csv(path, index=False)
    return path


def test_daily_subset_has_grams_and_fractions(tmp_path):
    path = _daily(
        tmp_path / "FLX_CH-Dav_FLUXNET2015_SUBSET_DD_1997-2014_1-4.csv", extra=[(2, "NEE_VUT_REF_QC", 0.3), (3, "NEE_VUT_REF", -9999)]
    )
    data = read_fluxnet(path)
    assert data["nee"].values[0, 0] == -2.0 and data["precipitation"].values[0, 0] == 3.0
    np.testing.assert_allclose(data["shortwave_down"], 8.64)
    assert list(dropped_days(data, "nee")["reason"]) == ["too few steps measured"]
    np.testing.assert_allclose(data["nee_uncertainty"].values[0, 0], 0.2)
    assert np.isnan(data["nee_uncertainty"].values[0, 2])
    np.testing.assert_allclose(data["nee_ustar_spread"], 0.2 * 0.9945 / 0.6745)
    assert data["gpp_uncertainty"].attrs["source"] == "RANDUNC of NEE"


def test_without_randunc_the_percentiles_serve(tmp_path):
    columns = {k: v for k, v in DAILY.items() if "RANDUNC" not in k} | {"NEE_VUT_16": -2.4, "NEE_VUT_84": -1.6}
    data = read_fluxnet(_daily(tmp_path / "ICOSETC_SE-Svb_FLUXNET_DD_L2.csv", columns))
    assert data["site"].item() == "SE-Svb"
    assert data["nee_uncertainty"].attrs["source"] == "ustar percentiles"
    np.testing.assert_allclose(data["nee_uncertainty"], 0.4)


def test_zip_with_several_resolutions(tmp_path):
    a = _half_hourly(tmp_path / "AMF_US-Ha1_FLUXNET_FULLSET_HH_1991-2020_3-5.csv")
    b = _daily(tmp_path / "AMF_US-Ha1_FLUXNET_FULLSET_DD_1991-2020_3-5.csv")
    path = tmp_path / "AMF_US-Ha1_FLUXNET_FULLSET_1991-2020_3-5.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (a, b):
            archive.write(file, file.name)
        archive.writestr("AMF_AA-Flx_FLUXNET_BIF_DD_20230101.csv", "SITE_ID\n")
    assert read_fluxnet(path, resolution="DD").sizes["time"] == 10
    assert read_fluxnet(path, resolution="HH").sizes["time"] == 96
    with pytest.raises(ValueError, match="more than one CSV of resolution HH or HR or DD.*pass resolution="):
        read_fluxnet(path)


def test_ameriflux_base(tmp_path):
    path = tmp_path / "AMF_US-Ton_BASE_HH_13-5.csv"
    _half_hourly(path, {"FC": -3.0, "TA_1_1_1": 12.0, "SW_IN_1_1_1": 200.0, "VPD_PI_F": 8.0, "P": 0.1, "LE": 30.0, "PA": 98.0})
    path.write_text("# Site: US-Ton\n# Version: 13-5\n" + path.read_text())
    data = read_fluxnet(path)
    np.testing.assert_allclose(data["nee"], -3.0 * MOLES_TO_GRAMS)
    assert "not filtered for low u*" in data["nee"].attrs["comment"]
    assert (
        data["air_temperature"].attrs["source_variable"] == "TA_1_1_1"
        and data["vapour_pressure_deficit"].attrs["source_variable"] == "VPD_PI_F"
    )


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_fluxnet(tmp_path / "FLX_FI-Hyy_HH.csv")
    path = _half_hourly(tmp_path / "tower_HH.csv")
    with pytest.raises(ValueError, match="does not hold a site such as FI-Hyy; pass site="):
        read_fluxnet(path)
    assert read_fluxnet(path, site="FI-Hyy")["site"].item() == "FI-Hyy"
    path = _half_hourly(tmp_path / "FLX_FI-Hyy_FULLSET_DD_1.csv")
    with pytest.raises(ValueError, match="48 steps per day, but DD was expected"):
        read_fluxnet(path)
    path = _daily(tmp_path / "FLX_FI-Hyy_FULLSET_WW_1.csv")
    with pytest.raises(ValueError, match="resolution WW; accepted are HH, HR, DD"):
        read_fluxnet(path)
    path = _daily(tmp_path / "FLX_FI-Hyy_FULLSET_DD_2.csv", {"WHAT": 1.0})
    with pytest.raises(ValueError, match="no column that is known; got TIMESTAMP, WHAT"):
        read_fluxnet(path)
    (tmp_path / "FLX_FI-Hyy_FULLSET_DD_3.csv").write_text("day,NEE\n1,2\n")
    with pytest.raises(ValueError, match="no column TIMESTAMP_START or TIMESTAMP"):
        read_fluxnet(tmp_path / "FLX_FI-Hyy_FULLSET_DD_3.csv")
    path = _daily(tmp_path / "FLX_FI-Hyy_FULLSET_DD_4.csv", DAILY | {"TA_F": "warm"})
    with pytest.raises(ValueError, match="column 'TA_F' holds something that is not a number"):
        read_fluxnet(path)


@pytest.mark.parametrize("cut", [1, 25])
def test_truncated_csv(tmp_path, cut):
    path = _daily(tmp_path / "FLX_FI-Hyy_FULLSET_DD_1.csv")
    whole = path.read_text()
    path.write_text(whole[: -len(whole.splitlines()[-1]) // 2 - cut])
    with pytest.raises(ValueError, match="is truncated: its last row has"):
        read_fluxnet(path)


def test_truncated_zip_and_empty_file(tmp_path):
    path = tmp_path / "FLX_FI-Hyy_FULLSET.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(_daily(tmp_path / "FLX_FI-Hyy_FULLSET_DD_1.csv"), "FLX_FI-Hyy_FULLSET_DD_1.csv")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="not a complete zip file"):
        read_fluxnet(path)
    (tmp_path / "FLX_FI-Hyy_FULLSET_DD_2.csv").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        read_fluxnet(tmp_path / "FLX_FI-Hyy_FULLSET_DD_2.csv")
