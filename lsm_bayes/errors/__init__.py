"""Error models: random, structural, correlated and biased parts of the difference between a stream and its operator, added with ``+``."""

from lsm_bayes.errors.bias import Bias, Gain, SeasonalBias
from lsm_bayes.errors.distributions import Beta, Censored, Laplace, LogNormal
from lsm_bayes.errors.memory import OrnsteinUhlenbeck, effective_size
from lsm_bayes.errors.model import ErrorModel, Scale
from lsm_bayes.errors.spread import Heteroscedastic
from lsm_bayes.errors.terms import Term, Weight

__all__ = [
    "Beta",
    "Bias",
    "Censored",
    "ErrorModel",
    "Gain",
    "Heteroscedastic",
    "Laplace",
    "LogNormal",
    "OrnsteinUhlenbeck",
    "Scale",
    "SeasonalBias",
    "Term",
    "Weight",
    "effective_size",
]
