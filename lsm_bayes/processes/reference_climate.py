"""Means over a whole run, against which the weather of a step is an anomaly."""

from collections.abc import Mapping

import numpy as np

NEEDS = ("air_temperature_min", "air_temperature_max", "precipitation")
NAMES = ("mean_air_temperature", "mean_precipitation")


def reference_climate(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Average temperature and precipitation over all times, as CARDAMOM does where no other climate is given.

    Parameters
    ----------
    series : mapping of str to numpy.ndarray
        `NEEDS`, each of shape (..., time), degC and mm d-1.

    Returns
    -------
    dict
        `NAMES`, each of the shape of the series, (..., time): one number for all times. Runs on parts of a record differ unless the
        data give these means.
    """
    temperature = 0.5 * (series["air_temperature_min"] + series["air_temperature_max"])
    found = zip(NAMES, (temperature, series["precipitation"]), strict=True)
    return {name: np.broadcast_to(values.mean(axis=-1, keepdims=True), values.shape) for name, values in found}
