"""A regression whose predictive densities are known, with 4 coefficients (the truth) and with 2, sampled once."""

import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from conjugate import made_up, regression

from lsm_bayes.inference import sample


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    return made_up()


@pytest.fixture(scope="session")
def right(table: pd.DataFrame) -> pm.Model:
    return regression(table, 4)


@pytest.fixture(scope="session")
def right_result(right: pm.Model) -> xr.DataTree:
    return sample(right, draws=2000, tune=300, chains=2, seed=1, progress=False)


@pytest.fixture(scope="session")
def simple(table: pd.DataFrame) -> pm.Model:
    return regression(table, 2)


@pytest.fixture(scope="session")
def simple_result(simple: pm.Model) -> xr.DataTree:
    return sample(simple, draws=2000, tune=300, chains=2, seed=1, progress=False)
