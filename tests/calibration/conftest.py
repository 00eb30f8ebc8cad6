"""Calibrations of made-up towers, built once."""

import pymc as pm
import pytest
import xarray as xr
from towers import INITIAL, STREAMS, TOWERS, made_up_towers

from lsm_bayes.calibration import build_model, partial
from lsm_bayes.declare import ProcessModel
from lsm_bayes.inference import Density


@pytest.fixture(scope="session")
def towers() -> xr.Dataset:
    return made_up_towers()


@pytest.fixture(scope="session")
def land() -> ProcessModel:
    return TOWERS


@pytest.fixture(scope="session")
def one_site(towers: xr.Dataset) -> pm.Model:
    """Give a calibration of XX-Two: two years fitted, one withheld."""
    return build_model(TOWERS, towers, STREAMS, sites=["XX-Two"], withheld_years=1, initial=INITIAL)


@pytest.fixture(scope="session")
def three_sites(towers: xr.Dataset) -> pm.Model:
    """Give a calibration of all sites with every kind of pooling; 365, 730 and 365 days are fitted."""
    pooling = {"efficiency": partial("site", within="pft"), "respiration": partial("site"), "leaf_mass_area": partial("pft")}
    return build_model(TOWERS, towers, STREAMS, withheld_years=1, initial=INITIAL, pooling=pooling)


@pytest.fixture(scope="session")
def one_site_density(one_site: pm.Model) -> Density:
    return Density(one_site)


@pytest.fixture(scope="session")
def three_site_density(three_sites: pm.Model) -> Density:
    return Density(three_sites)
