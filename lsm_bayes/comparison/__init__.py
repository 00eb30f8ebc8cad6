"""Comparison of models: predictive scores of what is left out, evidence, weights."""

from lsm_bayes.comparison.cross_validation import cross_validate
from lsm_bayes.comparison.evidence import LogEvidence, log_evidence
from lsm_bayes.comparison.folds import Blocks, Folds, Future, Sites, Streams, Unit
from lsm_bayes.comparison.observed import memory_of, observation_table
from lsm_bayes.comparison.refit import Settings
from lsm_bayes.comparison.table import Comparison, compare
from lsm_bayes.comparison.weights import evidence_weights, pseudo_bma_weights

__all__ = [
    "Blocks",
    "Comparison",
    "Folds",
    "Future",
    "LogEvidence",
    "Settings",
    "Sites",
    "Streams",
    "Unit",
    "compare",
    "cross_validate",
    "evidence_weights",
    "log_evidence",
    "memory_of",
    "observation_table",
    "pseudo_bma_weights",
]
