"""Choices that the models of the collection make about the data."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from lsm_bayes.models.dalec_pft_fluxnet.model import FORCING, suitable_sites
from lsm_bayes.models.dalec_pft_hierarchical.model import first_years
from lsm_bayes.models.vsem_twin import model as vsem_twin

from lsm_bayes.calibration import predict
from lsm_bayes.inference import Density


@pytest.fixture
def towers() -> xr.Dataset:
    """Give XX-One NEE in 2001 and 2003-2005, XX-Two in 2002-2005 with a poor 2003."""
    time = pd.date_range("2001-01-01", "2005-12-31")
    nee = np.full((2, time.size), np.nan)
    nee[0, time.year != 2002] = 1.0
    nee[1, time.year >= 2002] = 2.0
    nee[1, (time.year == 2003) & (time.day_of_year > 100)] = np.nan
    return xr.Dataset(
        {"nee": (("site", "time"), nee, {"units": "gC m-2 d-1"}), "co2": ("time", np.linspace(370.0, 380.0, time.size))},
        coords={"site": ["XX-One", "XX-Two"], "time": time, "latitude": ("site", [50.0, 60.0]), "pft": ("site", ["ENF", "DBF"])},
    )


def test_first_years_follow_the_observations(towers: xr.Dataset) -> None:
    kept = first_years(towers, 2)
    found = kept["nee"].notnull()
    years = [sorted(set(kept["time"].dt.year.values[found.sel(site=s).values])) for s in ("XX-One", "XX-Two")]
    assert years == [[2003, 2004], [2004, 2005]]
    assert kept["nee"].attrs["units"] == "gC m-2 d-1"
    assert kept["latitude"].values.tolist() == [50.0, 60.0]
    assert kept["pft"].values.tolist() == ["ENF", "DBF"]
    assert kept.sizes == towers.sizes
    np.testing.assert_array_equal(kept["co2"], towers["co2"])


def test_too_few_years_are_refused(towers: xr.Dataset) -> None:
    with pytest.raises(ValueError, match=r"XX-Two has no 3 years in a row with NEE on 180 days or more \(it has \[2002, 2004, 2005\]\)"):
        first_years(towers, 3)


def test_suitable_sites_have_years_of_fluxes_and_forcing(towers: xr.Dataset) -> None:
    given = towers.assign({n: (("site", "time"), np.ones((2, towers.sizes["time"]))) for n in FORCING})
    assert suitable_sites(given, 2) == ["XX-One", "XX-Two"]
    with pytest.raises(ValueError, match="1 sites of DBF, EBF, ENF, GRA have 3 years in a row"):
        suitable_sites(given, 3)
    gap = given.assign(shortwave_down=given["shortwave_down"].where((given["site"] != "XX-Two") | (given["time"].dt.year != 2004)))
    with pytest.raises(ValueError, match="1 sites"):
        suitable_sites(gap, 2)
    remarked = given.assign_coords(remark=("site", ["", "hardly photosynthesises"]))
    with pytest.raises(ValueError, match="1 sites"):
        suitable_sites(remarked, 2)


def test_the_error_that_streams_share_is_simulated() -> None:
    model = vsem_twin.build(vsem_twin.twin(0)[0])
    density = Density(model)
    coefficient = np.array([0.05, 0.2])
    values = density.expand(np.zeros((120, density.dimension)))
    posterior = {n: (("chain", "draw", *[f"{n}_{k}" for k in range(v.ndim - 1)]), v[None]) for n, v in values.items()}
    posterior["noise_coefficient"] = (("chain", "draw"), np.repeat(coefficient, 60)[None])
    tree = predict(model, xr.DataTree.from_dict({"/posterior": xr.Dataset(posterior)}), draws=120)
    drawn = tree["posterior_predictive"].to_dataset()
    for name in (n for n in drawn.data_vars if f"{n}_mean" in drawn):
        mean = drawn[f"{name}_mean"].values.reshape(2, 60, -1)
        away = drawn[name].values.reshape(2, 60, -1) - mean
        wanted = np.maximum(coefficient[:, None] * np.abs(mean[:, 0]), vsem_twin.FLOOR if name.startswith("nee") else 0.0)
        known = np.isfinite(away).all(axis=(0, 1))
        ratio = np.sqrt((away[..., known] ** 2).mean(axis=1)) / wanted[:, known]
        np.testing.assert_allclose(np.sqrt((ratio**2).mean(axis=1)), 1.0, atol=0.1)
