"""Checks of a result: gates, scores on withheld data, residuals, identifiability, ranks and budgets."""

from lsm_bayes.diagnostics.budget import annual_budget
from lsm_bayes.diagnostics.climatology import climatology
from lsm_bayes.diagnostics.gates import Gate, Gates, check
from lsm_bayes.diagnostics.identifiability import condition, correlated_share, shrinkage, strongest_pairs
from lsm_bayes.diagnostics.ranks import ecdf_band, ranks, uniformity
from lsm_bayes.diagnostics.residuals import autocorrelation, residuals, seasonal_cycle
from lsm_bayes.diagnostics.result import read_stream, stream_names
from lsm_bayes.diagnostics.scores import coverage, crps, pit, score

__all__ = [
    "Gate",
    "Gates",
    "annual_budget",
    "autocorrelation",
    "check",
    "climatology",
    "condition",
    "correlated_share",
    "coverage",
    "crps",
    "ecdf_band",
    "pit",
    "ranks",
    "read_stream",
    "residuals",
    "score",
    "seasonal_cycle",
    "shrinkage",
    "stream_names",
    "strongest_pairs",
    "uniformity",
]
