"""Gridded input to sites, summaries back to the grid: places, masks, CF attributes, maps."""

from pathlib import Path

import numpy as np
import pytest
import vsem_sites
import xarray as xr

from lsm_bayes.tasks.grid import calibrate_grid, on_grid, pixels, write_grid
from lsm_bayes.tasks.maps import draw_maps
from lsm_bayes.vocabulary import QUANTITIES

SHAPE = (3, 4)


def gridded() -> xr.Dataset:
    """Make forcing in another unit and under another name, NEE, a lake without forcing, and a pixel without observations."""
    time = np.datetime64("2010-01-01", "ns") + np.arange(20) * np.timedelta64(1, "D")
    dims = ("time", "lat", "lon")
    shape = (20, *SHAPE)
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    nee = xr.DataArray(values / 100, dims=dims, attrs=QUANTITIES["nee"].attrs())
    data = xr.Dataset(
        {
            "rsds": (dims, 100 + values / 10, {"units": "W m-2"}),
            "co2": ("time", np.full(20, 400.0), {"units": "umol mol-1"}),
            "nee": nee,
            "nee_uncertainty": xr.full_like(nee, 0.5),
        },
        coords={"time": time, "lat": [50.0, 49.5, 49.0], "lon": [5.0, 5.5, 6.0, 6.5]},
        attrs={"title": "made up", "history": "made by a test", "references": "none"},
    )
    data["rsds"][:, 1, 2] = np.nan
    data["nee"][:, 2, 0] = np.nan
    return data


def summaries(sites: xr.Dataset) -> xr.Dataset:
    """Make what `calibrate_sites` returns: values by which a pixel is known again."""
    place = sites["latitude"].values * 100 + sites["longitude"].values
    attrs = {"units": "g m-2 d-1", "long_name": "posterior mean of GPP", "cell_methods": "time: mean"}
    flags = {"flag_values": np.array([0, 1], dtype="int8"), "flag_meanings": "failed passed"}
    status = {"flag_values": np.arange(4, dtype="int8"), "flag_meanings": "left_out done failed missing"}
    return xr.Dataset(
        {
            "gpp": ("site", place, attrs),
            "gpp_sd": ("site", place / 10, attrs),
            "gpp_quantile": (("site", "quantile"), place[:, None] + [-1.0, 0.0, 1.0], attrs),
            "rhat": ("site", np.full(place.size, 1.001), {"units": "1"}),
            "gates_passed": ("site", np.arange(place.size) % 2.0, flags),
            "status": ("site", np.ones(place.size, dtype="int8"), status),
            "error": ("site", np.full(place.size, "")),
        },
        coords={"site": sites["site"].values, "quantile": [0.05, 0.5, 0.95], "pft": ("site", np.full(place.size, "ENF"))},
        attrs={"title": "x: posterior summaries of single sites", "interrupted": 0},
    )


def test_pixels_are_sites_in_the_convention_of_the_package() -> None:
    data = gridded()
    sites = pixels(data)
    assert sites.sizes == {"site": 10, "time": 20}
    assert "lat001-lon002" not in sites["site"] and "lat002-lon000" not in sites["site"]  # the lake, and the pixel without observations
    one = sites.sel(site="lat001-lon003")
    assert one["latitude"] == 49.5 and one["longitude"] == 6.5
    np.testing.assert_allclose(one["shortwave_down"], data["rsds"].sel(lat=49.5, lon=6.5) * 0.0864)
    np.testing.assert_array_equal(one["nee"], data["nee"].sel(lat=49.5, lon=6.5))
    np.testing.assert_array_equal(sites["co2"], np.full((10, 20), 400.0))
    assert sites["shortwave_down"].attrs["units"] == "MJ m-2 d-1" and (sites["nee_uncertainty"] == 0.5).all()


def test_mask_decides_where_there_is_one() -> None:
    mask = np.zeros(SHAPE)
    mask[0, 1:3] = 1
    data = gridded().assign(mask=(("lat", "lon"), mask))
    assert pixels(data)["site"].values.tolist() == ["lat000-lon001", "lat000-lon002"]
    with pytest.raises(ValueError, match="no pixel of 12 is left: each is masked"):
        pixels(data.assign(mask=data["mask"] * 0))


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_summaries_return_to_their_places(suffix: str, tmp_path: Path) -> None:
    data = gridded()
    path = write_grid(on_grid(summaries(pixels(data)), data), tmp_path / f"grid{suffix}")
    with xr.open_dataset(path, engine="zarr" if suffix == ".zarr" else "netcdf4") as found:
        assert found["gpp"].dims == ("lat", "lon") and found["gpp_quantile"].dims == ("quantile", "lat", "lon")
        expected = (data["lat"] * 100 + data["lon"]).where((found["status"] == 1).values)
        np.testing.assert_array_equal(found["gpp"], expected)
        np.testing.assert_array_equal(found["gpp_quantile"].sel(quantile=0.95), expected + 1)
        assert found["status"].values.tolist() == [[1, 1, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]]
        assert np.isnan(found["gates_passed"].values[1, 2]) and int((found["gates_passed"] == 1).sum()) == 5
        assert {"error", "pft"}.isdisjoint(found.variables)


def test_file_follows_the_cf_conventions(tmp_path: Path) -> None:
    data = gridded()
    path = write_grid(on_grid(summaries(pixels(data)), data), tmp_path / "grid.nc")
    with xr.open_dataset(path, decode_cf=False) as raw:
        assert raw.attrs["Conventions"] == "CF-1.11" and raw.attrs["history"] == "made by a test" and "of pixels" in raw.attrs["title"]
        assert raw["gates_passed"].dtype == "int8" and raw["gates_passed"].attrs["_FillValue"] == -1
        assert raw["gates_passed"].attrs["flag_meanings"] == "failed passed" and raw["status"].dtype == "int8"
        for name in raw.data_vars:
            assert raw[name].attrs.get("units") or "flag_values" in raw[name].attrs or name == "gates_passed", name
        for name, unit in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
            assert raw[name].attrs["units"] == unit and raw[name].attrs["standard_name"] == name
    with xr.open_dataset(path) as found:  # decoded as any reader of CF does
        assert {"latitude", "longitude"} <= set(found["gpp"].coords)


def test_grid_may_be_projected_or_a_list_of_pixels(tmp_path: Path) -> None:
    data = gridded().rename(lat="y", lon="x")
    both = np.meshgrid(data["y"], data["x"], indexing="ij")
    data = data.assign_coords(latitude=(("y", "x"), both[0]), longitude=(("y", "x"), both[1])).drop_vars(["x", "y"])
    data["crs"] = ((), 0, {"grid_mapping_name": "lambert_azimuthal_equal_area"})
    data["nee"].attrs["grid_mapping"] = "crs"
    flat = data.stack(pixel=("y", "x"), create_index=False)
    for given, dims in ((data, ("y", "x")), (flat, ("pixel",))):
        found = on_grid(summaries(pixels(given)), given)
        assert found["gpp"].dims == dims and found["latitude"].dims == dims and found["gpp"].attrs["grid_mapping"] == "crs"
        np.testing.assert_array_equal(found["gpp"], (given["latitude"] * 100 + given["longitude"]).where((found["status"] == 1).values))
        drawn = draw_maps(found, path=tmp_path / f"{len(dims)}.png")
        assert len(drawn.axes) == 8 and (tmp_path / f"{len(dims)}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.rename(lat="site"), "a grid has 'time' and no 'site'"),
        (lambda d: d.drop_vars("lat"), "there is no latitude on lat, lon"),
        (lambda d: d.assign(par_down=(("time", "band"), np.zeros((20, 2)))), "a grid has 'time' and the same one or two dims"),
    ],
)
def test_data_that_are_no_grid_are_refused(change, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pixels(change(gridded()))


def test_unknown_format_and_variable_are_refused(tmp_path: Path) -> None:
    data = gridded()
    found = on_grid(summaries(pixels(data)), data)
    with pytest.raises(ValueError, match="cannot tell the format of 'grid.tif'; end it with .nc or .zarr"):
        write_grid(found, tmp_path / "grid.tif")
    with pytest.raises(KeyError, match="unknown variable of the grid 'gp'"):
        draw_maps(found, ["gp"])


def test_pixels_are_calibrated(tmp_path: Path) -> None:
    towers = vsem_sites.towers(2)
    data = xr.concat([towers, towers * np.nan], "lon").rename(site="lat").drop_vars(["latitude", "longitude"])
    data = data.map(lambda v: v.assign_attrs(towers[v.name].attrs)).assign_coords(lat=[50.0, 51.0], lon=[10.0, 11.0])
    found = calibrate_grid(vsem_sites.build, data, tmp_path, **vsem_sites.arguments())
    assert found["status"].transpose("lat", "lon").values.tolist() == [[1, 0], [1, 0]]
    efficiency = found["light_use_efficiency"].transpose("lat", "lon").values
    np.testing.assert_allclose(efficiency[:, 0], [2.0, 2.2], rtol=0.1)
    assert np.isnan(efficiency[:, 1]).all()
