"""Error models: random, structural, correlated and biased parts of the difference between a stream and its operator."""

from lsm_bayes.errors.model import ErrorModel, Scale

__all__ = ["ErrorModel", "Scale"]
