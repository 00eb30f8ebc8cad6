"""Error models: random, structural, correlated and biased parts of the difference between a stream and its operator, added with ``+``."""

from lsm_bayes.errors.across import CorrelatedWith
from lsm_bayes.errors.bias import Bias, Gain, SeasonalBias
from lsm_bayes.errors.distributions import Beta, Censored, Laplace, LogNormal
from lsm_bayes.errors.driver_discrepancy import DriverDiscrepancy
from lsm_bayes.errors.matern import Matern
from lsm_bayes.errors.memory import OrnsteinUhlenbeck, effective_size
from lsm_bayes.errors.model import ErrorModel
from lsm_bayes.errors.space import SpatialCorrelation
from lsm_bayes.errors.spread import Heteroscedastic
from lsm_bayes.errors.terms import Scale, Term, Weight

__all__ = [
    "Beta",
    "Bias",
    "Censored",
    "CorrelatedWith",
    "DriverDiscrepancy",
    "ErrorModel",
    "Gain",
    "Heteroscedastic",
    "Laplace",
    "LogNormal",
    "Matern",
    "OrnsteinUhlenbeck",
    "Scale",
    "SeasonalBias",
    "SpatialCorrelation",
    "Term",
    "Weight",
    "effective_size",
]
