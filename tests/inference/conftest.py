"""The posteriors of posteriors.py, compiled once per test session."""

import pytest

from lsm_bayes.inference import Density

from .posteriors import banana_model, gaussian_model, schools_model, two_mode_model


@pytest.fixture(scope="session")
def gaussian() -> Density:
    return Density(gaussian_model())


@pytest.fixture(scope="session")
def schools() -> Density:
    return Density(schools_model())


@pytest.fixture(scope="session")
def two_modes() -> Density:
    return Density(two_mode_model())


@pytest.fixture(scope="session")
def banana() -> Density:
    return Density(banana_model())
