"""Sources and the registry: local folder, wheel, URL; killed and failed downloads."""

import hashlib
import http.server
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from lsm_bayes.datasets import NotAvailableError, available, ch_dav, co2, load
from lsm_bayes.datasets.sources import LocalFile, Url, WheelMember, cache_folder

CONTENT = b"half-hours"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LSM_BAYES_CACHE", str(tmp_path / "cache"))
    return cache_folder()


def _wheel_source(content=CONTENT):
    return WheelMember("made-up", "1.0", "made_up/data.parquet", hashlib.sha256(content).hexdigest(), "3.13", 1)


def _fake_pip(monkeypatch, content=CONTENT, *, cut=0, returncode=0, stderr=""):
    calls = []

    def run(command, **_):
        calls.append(command)
        if not returncode:
            path = Path(command[command.index("--dest") + 1]) / "made_up-1.0-py3-none-any.whl"
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("made_up/data.parquet", content)
            if cut:
                path.write_bytes(path.read_bytes()[:-cut])
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_wheel_is_downloaded_once_and_nothing_else_stays(cache, monkeypatch):
    calls = _fake_pip(monkeypatch)
    path = _wheel_source().fetch()
    assert path.read_bytes() == CONTENT and list(cache.iterdir()) == [path]
    assert _wheel_source().fetch() == path and len(calls) == 1
    assert {"--no-deps", "--only-binary=:all:", "made-up==1.0"} <= set(calls[0]) and not any("index" in part for part in calls[0])


def test_a_half_file_in_the_cache_is_not_trusted(cache, monkeypatch):
    calls = _fake_pip(monkeypatch)
    source = _wheel_source()
    (cache / source.cached_name()).write_bytes(CONTENT[:4])
    assert source.fetch().read_bytes() == CONTENT and len(calls) == 1


def test_a_wrong_or_broken_wheel_is_refused(cache, monkeypatch):
    _fake_pip(monkeypatch, b"something else")
    with pytest.raises(NotAvailableError, match="has SHA-256 .* expected .* the file is not used"):
        _wheel_source().fetch()
    _fake_pip(monkeypatch, cut=20)
    with pytest.raises(NotAvailableError, match="has no readable 'made_up/data.parquet'"):
        _wheel_source().fetch()
    assert not list(cache.iterdir())


def test_no_network_says_what_to_do(cache, monkeypatch):
    _fake_pip(monkeypatch, returncode=1, stderr="WARNING: Retrying\nERROR: No matching distribution found for made-up==1.0")
    with pytest.raises(
        NotAvailableError, match=r"could not download made-up==1.0 \(1 MB\).*No matching distribution.*Check the network.*or copy"
    ):
        _wheel_source().fetch()


def test_a_killed_download_leaves_nothing_that_is_trusted(cache, monkeypatch):
    def killed(command, **_):
        (Path(command[command.index("--dest") + 1]) / "made_up-1.0-py3-none-any.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        _wheel_source().fetch()
    _fake_pip(monkeypatch)
    assert _wheel_source().fetch().read_bytes() == CONTENT


def test_url_with_sha256(cache, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "data.bin").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(tmp_path / "web"), **kwargs)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/data.bin"
        with pytest.raises(NotAvailableError, match="could not download .*hash"):
            Url(url, "0" * 64).fetch()
        source = Url(url, hashlib.sha256(CONTENT).hexdigest())
        assert source.fetch().read_bytes() == CONTENT
        with pytest.raises(NotAvailableError, match="could not download"):
            Url(url + "x", "0" * 64).fetch()
        server.shutdown()
    assert source.fetch().read_bytes() == CONTENT


def test_local_file_errors(tmp_path, monkeypatch):
    monkeypatch.delenv("LSM_BAYES_DATA", raising=False)
    with pytest.raises(NotAvailableError, match="LSM_BAYES_DATA is not set; set it to the folder that holds a.nc"):
        LocalFile("a.nc").fetch()
    monkeypatch.setenv("LSM_BAYES_DATA", str(tmp_path))
    with pytest.raises(NotAvailableError, match="there is no file 'a.nc' in it"):
        LocalFile("a.nc").fetch()
    (tmp_path / "fluxnet_daily_water.nc").write_bytes(b"CDF but not for long")
    with pytest.raises(NotAvailableError, match="it may be truncated"):
        load("fluxnet-daily-water")


def test_registry(monkeypatch):
    table = available()
    local = ["fluxnet-daily-water", "fluxnet2015-daily", "callmip-towers", "forest-growth", "sipnet-niwot", "tower-moments"]
    assert list(table.index) == ["ch-dav", *local]
    assert "pip" in table.loc["ch-dav", "source"]
    with pytest.raises(KeyError, match="unknown data set 'ch-dave'. Did you mean 'ch-dav'"):
        load("ch-dave")


def test_truncated_parquet_is_a_clear_error(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(NotAvailableError, match="delete it and load the data set again"):
        ch_dav.half_hourly(tmp_path / "x.parquet")


def test_co2_fit_grows_and_has_a_season():
    days = np.arange("2013-01-01", "2023-01-01", dtype="datetime64[D]")
    values = co2.mauna_loa_fit(days)
    # NOAA's annual means at Mauna Loa: 2013 396.74, 2022 418.53 umol mol-1.
    np.testing.assert_allclose([values[:365].mean(), values[-365:].mean()], [396.74, 418.53], atol=0.8)
    month = days.astype("datetime64[M]").astype(int) % 12
    assert values[month == 4].mean() - values[month == 8].mean() > 4
    with pytest.raises(ValueError, match="holds for 1990 to 2025, got 1980"):
        co2.mauna_loa_fit(np.array(["1980-07-01"], dtype="datetime64[D]"))


def test_small_local_set_is_normalised(tmp_path, monkeypatch):
    monkeypatch.setenv("LSM_BAYES_DATA", str(tmp_path))
    time = np.arange("2005-01-01", "2005-03-01", dtype="datetime64[D]").astype("datetime64[ns]")
    raw = xr.Dataset(coords={"site": ["XX-Abc", "YY-Def"], "time": time}, attrs={"source": "made up", "license": "none"})
    units = {
        "TA_F_MIN": "degC",
        "TA_F_MAX": "degC",
        "SW_IN_F": "MJ m-2 d-1",
        "CO2": "umol mol-1",
        "VPD_F": "hPa",
        "P_F": "mm d-1",
        "PA_F": "kPa",
    }
    units |= {
        f"{n}{e}": u
        for n, u in {"NEE": "gC m-2 d-1", "GPP": "gC m-2 d-1", "RECO": "gC m-2 d-1", "LAI": "m2 m-2", "ET": "mm d-1"}.items()
        for e in ("", "_unc")
    }
    for name, unit in units.items():
        values = np.ones((2, len(time)), dtype=np.float32)
        values[1, :31] = np.nan
        raw[name] = (("site", "time"), values, {"units": unit})
    raw["GPP_unc"][0, 3] = 0.0
    raw["lat"], raw["IGBP"] = ("site", [1.0, 2.0]), ("site", ["ENF", "GRA"])
    raw.to_netcdf(tmp_path / "fluxnet_daily_water.nc")
    data = load("fluxnet-daily-water", ["YY-Def"])
    assert str(data["time"].values[0])[:10] == "2005-02-01" and data["pft"].item() == "GRA"
    assert np.flatnonzero(data["lai"].notnull().values[0]).tolist() == [9, 19, 27]
    assert np.isnan(load("fluxnet-daily-water", "XX-Abc")["gpp_uncertainty"].values[0, 3])
    with pytest.raises(ValueError, match="has no data from 2007 to None at YY-Def; it covers 2005-01-01 to 2005-02-28"):
        load("fluxnet-daily-water", ["YY-Def"], start="2007")
    with pytest.raises(KeyError, match="unknown site of data set 'fluxnet-daily-water' 'FI-Hyy'. Known: XX-Abc, YY-Def"):
        load("fluxnet-daily-water", ["FI-Hyy"])
