"""Drivers are brought to the stream's own times."""

import numpy as np

from lsm_bayes.diagnostics import read_stream
from lsm_bayes.report.residuals import at_stream


def test_driver_is_the_mean_over_the_step_of_the_stream(one_site):
    stream = read_stream(one_site, "lai")
    time = one_site["forcing"]["time"].values
    found = at_stream(stream, time, np.arange(time.size, dtype=float))
    np.testing.assert_allclose(found[:3], [3.5, 11.5, 19.5])


def test_missing_driver_stays_missing_and_daily_is_itself(one_site):
    stream = read_stream(one_site, "nee")
    time = one_site["forcing"]["time"].values
    values = np.arange(time.size, dtype=float)
    values[5] = np.nan
    np.testing.assert_array_equal(at_stream(stream, time, values), values)
