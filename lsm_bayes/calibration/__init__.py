"""Calibration: priors, pooling, streams and initial pools become a plain PyMC model."""

from lsm_bayes.calibration.build import build_model, prior_model
from lsm_bayes.calibration.choices import Calibration, Constraints
from lsm_bayes.calibration.initial import AfterDisturbance, AtEquilibrium, Cycle, Free, InProportion, NearEquilibrium, ShareOf
from lsm_bayes.calibration.new_sites import predict_new_sites
from lsm_bayes.calibration.pooling import Pooling, complete, none, partial
from lsm_bayes.calibration.predict import predict
from lsm_bayes.calibration.priors import date_prior
from lsm_bayes.calibration.stepwise import CarriedPosterior, NotNormalWarning, carry_over
from lsm_bayes.calibration.streams import Stream

__all__ = [
    "AfterDisturbance",
    "AtEquilibrium",
    "Calibration",
    "CarriedPosterior",
    "Constraints",
    "Cycle",
    "Free",
    "InProportion",
    "NearEquilibrium",
    "NotNormalWarning",
    "Pooling",
    "ShareOf",
    "Stream",
    "build_model",
    "carry_over",
    "complete",
    "date_prior",
    "none",
    "partial",
    "predict",
    "predict_new_sites",
    "prior_model",
]
