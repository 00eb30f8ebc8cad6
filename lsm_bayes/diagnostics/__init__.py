"""Checks of a result: gates, scores on withheld data, residuals, identifiability, value of streams, ranks and budgets."""

from lsm_bayes.diagnostics.budget import annual_budget
from lsm_bayes.diagnostics.climatology import climatology
from lsm_bayes.diagnostics.combinations import combinations
from lsm_bayes.diagnostics.confounding import confounding
from lsm_bayes.diagnostics.gates import Gate, Gates, check
from lsm_bayes.diagnostics.identifiability import condition, correlated_share, shrinkage, strongest_pairs
from lsm_bayes.diagnostics.ranks import ecdf_band, ranks, uniformity
from lsm_bayes.diagnostics.residuals import autocorrelation, residuals, seasonal_cycle
from lsm_bayes.diagnostics.result import read_stream, stream_names
from lsm_bayes.diagnostics.scores import coverage, crps, pit, score
from lsm_bayes.diagnostics.stream_subsets import StreamValue
from lsm_bayes.diagnostics.stream_value import stream_value
from lsm_bayes.diagnostics.unbalance import thin, unbalance

__all__ = [
    "Gate",
    "Gates",
    "StreamValue",
    "annual_budget",
    "autocorrelation",
    "check",
    "climatology",
    "combinations",
    "condition",
    "confounding",
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
    "stream_value",
    "strongest_pairs",
    "thin",
    "unbalance",
    "uniformity",
]
