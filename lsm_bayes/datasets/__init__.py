"""Readers of the formats that users have, and the data sets that can be loaded by name."""

from lsm_bayes.datasets.alma import read_alma
from lsm_bayes.datasets.checks import validate
from lsm_bayes.datasets.daily import Completeness, to_daily
from lsm_bayes.datasets.diurnal import with_diurnal_course
from lsm_bayes.datasets.fluxnet import read_fluxnet
from lsm_bayes.datasets.marks import dropped_days
from lsm_bayes.datasets.preparation import solar_hour, with_longwave, with_snowfall
from lsm_bayes.datasets.registry import available, load
from lsm_bayes.datasets.sources import NotAvailableError
from lsm_bayes.datasets.substeps import with_substeps
from lsm_bayes.datasets.xarray_reader import from_xarray

__all__ = [
    "Completeness",
    "NotAvailableError",
    "available",
    "dropped_days",
    "from_xarray",
    "load",
    "read_alma",
    "read_fluxnet",
    "solar_hour",
    "to_daily",
    "validate",
    "with_diurnal_course",
    "with_longwave",
    "with_snowfall",
    "with_substeps",
]
