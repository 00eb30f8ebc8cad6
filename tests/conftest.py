"""What all tests share: the folder of real data, and plots without a screen."""

import json
import os
from collections.abc import Callable
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


@pytest.fixture
def agreement(record_property: Callable[[str, object], None]) -> Callable[[str, str, float], None]:
    """Note the largest relative difference of a process model from a run of the original, for `benchmarks/references.py`."""

    def note(model: str, reference: str, error: float) -> None:
        record_property("agreement", json.dumps([model, reference, float(error)]))

    return note


@pytest.fixture(scope="session")
def repository() -> Path:
    """Give the root of the checkout."""
    return Path(__file__).parents[1]
