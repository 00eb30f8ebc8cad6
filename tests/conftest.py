"""What all tests share: the folder of real data, and plots without a screen."""

import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")  # read when Matplotlib is first imported

import pytest

DATA = os.environ.get("LSM_BAYES_DATA")


def pytest_report_header() -> str:
    return f"LSM_BAYES_DATA: {DATA or 'not set, tests on the data in that folder are skipped'}"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Give the folder of real data, or skip."""
    if not DATA:
        pytest.skip("LSM_BAYES_DATA is not set: no local data folder")
    if not Path(DATA).is_dir():
        pytest.fail(f"LSM_BAYES_DATA names {DATA!r}, which is no folder")
    return Path(DATA)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Give the root of the checkout."""
    return Path(__file__).parents[1]
