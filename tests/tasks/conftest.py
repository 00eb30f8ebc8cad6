"""A Dask scheduler for the tests of tasks."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def scheduler() -> Iterator[str]:
    """Give the address of a scheduler with a worker of two threads, as a user may have one running; it lives in this process."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "protocol": "tcp", "host": "127.0.0.1"}
    with distributed.LocalCluster(dashboard_address="127.0.0.1:0", silence_logs=50, **options) as cluster:
        yield cluster.scheduler_address
